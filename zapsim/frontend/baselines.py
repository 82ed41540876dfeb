"""Baselines for trained predictors: chance, a rule without parameters, and a predictor that is never wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from zapsim.errors import FrontendError
from zapsim.frontend.evaluation import Evaluation
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network.graph import ConvSite
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.patterns import pattern_map

Baseline = Literal["perfect", "random", "neighbours"]


def baseline_methods(names: Sequence[Baseline], patterns: Mapping[str, str]) -> tuple[Method, ...]:
    """Return the baselines among `names` that need no rates (see :func:`random_like` for the other), by layer."""
    methods: list[Method] = [perfect(patterns)] if "perfect" in names else []
    if "neighbours" in names:
        rules = {layer: NeighbourRule(pattern) for layer, pattern in patterns.items()}
        methods.append(predicting(rules, operating_point("neighbours", rules, dict.fromkeys(rules, 0.0))))
    return tuple(methods)


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
