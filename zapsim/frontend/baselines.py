"""Baselines for trained predictors: chance, a rule without parameters, and a predictor that is never wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch.nn import functional

from zapsim.errors import FrontendError
from zapsim.frontend.evaluation import Evaluation
from zapsim.frontend.network.graph import ConvSite
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.patterns import pattern_map, pattern_tile

Baseline = Literal["perfect", "random", "neighbours"]


def baseline_methods(names: Sequence[Baseline], patterns: Mapping[str, str]) -> tuple[Method, ...]:
    """Return the baselines among `names` that need no rates (see :func:`random_like` for the other), by layer."""
    methods: list[Method] = [perfect(patterns)] if "perfect" in names else []
    if "neighbours" in names:
        rules = {layer: NeighbourRule(pattern) for layer, pattern in patterns.items()}
        methods.append(predicting(rules, operating_point("neighbours", rules, dict.fromkeys(rules, 0.0)), free=True))
    return tuple(methods)


class NeighbourRule:
    """Guesses that an output is zero where its computed neighbours are: a score like a predictor's, without weights.

    Source: Shomron and Weiser, "Spatial Correlation and Value Prediction in Convolutional Neural Networks", IEEE CAL
    2018: an output is predicted zero if all its computed neighbours, of the eight around it, are zero. That is this
    rule at threshold 0. To make it comparable at any accuracy, it has a threshold here. Let s be the sum of these
    neighbours in units of the mean computed activation of the same image. Where s > 0 the score is s / (1 + s), so that
    thresholds above 0 also skip next to small activations. Where s = 0 it is s' / (1 + s') - 1, with s' the sum over
    the computed outputs of the 5×5 around, so that thresholds below 0 skip only in wider surroundings of zeros. A
    window without any computed output is no reason to skip: the score is then above every threshold.

    Parameters
    ----------
    pattern
        Name of the pattern whose outputs are computed first.
    """

    def __init__(self, pattern: str) -> None:
        pattern_tile(pattern)
        self.pattern = pattern

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:])).to(ofmap.device)

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return a score for every output; those inside the pattern mean nothing."""
        pattern = self.pattern_of(ofmap)
        seen = (ofmap * pattern).float()
        mean = seen.sum(dim=(1, 2, 3), keepdim=True) / (pattern.sum() * ofmap.shape[1])
        unit = torch.where(mean > 0, mean, torch.ones_like(mean))
        near, wide = (_window_sum(seen, reach) / unit for reach in (1, 2))
        score = torch.where(near > 0, near / (1 + near), wide / (1 + wide) - 1)
        alone = _window_sum(pattern.float()[None, None], 1) == 0
        return torch.where(alone, torch.full_like(score, 2.0), score)

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        return (self(ofmap) > threshold) | self.pattern_of(ofmap)


def _window_sum(values: torch.Tensor, reach: int) -> torch.Tensor:
    """Return the sum over the square of 2 · reach + 1 around every position; exactly 0 where all are 0."""
    side = 2 * reach + 1
    return functional.avg_pool2d(values, side, stride=1, padding=reach, divisor_override=1)


def perfect(patterns: Mapping[str, str], name: str = "perfect") -> Method:
    """Return the predictor that is never wrong: the pattern and every non-zero output are computed."""

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor:
        return (ofmap != 0) | _pattern(patterns[site.name], ofmap)

    return Method(name, patterns, mask)


def at_random(patterns: Mapping[str, str], skipped: Mapping[str, float], seed: int = 0, name: str = "random") -> Method:
    """Return skipping at random outside the pattern: the share `skipped` of these outputs of each layer.

    What is drawn depends on the seed, the layer and how often the layer came before, not on other layers.

    Raises
    ------
    FrontendError
        If a layer has no rate, or one that is no share.
    """
    for layer in patterns:
        if not 0 <= skipped.get(layer, -1.0) <= 1:
            raise FrontendError(
                f"skipping at random: layer {layer} needs a share from 0 to 1, got {skipped.get(layer)}"
            )
    generators = {layer: torch.Generator().manual_seed(_seed(seed, layer)) for layer in patterns}

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor:
        drawn = torch.rand(ofmap.shape, generator=generators[site.name]).to(ofmap.device)
        return (drawn >= skipped[site.name]) | _pattern(patterns[site.name], ofmap)

    return Method(name, patterns, mask)


def random_like(evaluated: Evaluation, patterns: Mapping[str, str], seed: int = 0, name: str = "random") -> Method:
    """Return skipping at random at the rates of each layer of an evaluation."""
    rates = {layer.name: layer.skipped / layer.outside if layer.outside else 0.0 for layer in evaluated.layers}
    return at_random({layer: patterns[layer] for layer in rates}, rates, seed, name)


def _seed(seed: int, layer: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {layer}".encode()).digest()[:7])


def _pattern(name: str, ofmap: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(pattern_map(name, *ofmap.shape[2:])).to(ofmap.device)
