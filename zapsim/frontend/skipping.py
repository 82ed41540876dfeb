"""Ways to decide which outputs are computed: a score per output and thresholds, or any other rule per layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.network.graph import ConvSite
from zapsim.frontend.network.intercept import OnOfmap
from zapsim.frontend.pooling import scorer_at
from zapsim.frontend.scorer import Scorer
from zapsim.tracefile.records import OperatingPoint, PredictorSetting

__all__ = ["Mask", "Method", "Scorer", "operating_point", "predicting", "uniform_points"]

Mask = Callable[[ConvSite, torch.Tensor], torch.Tensor]
"""From a layer and its post-ReLU ofmap (images, K, P, Q) to the outputs that are computed, as bool."""


@dataclass(frozen=True, slots=True)
class Method:
    """How outputs are skipped in a whole network.

    Attributes
    ----------
    name
        What tables call it.
    patterns
        Pattern of every layer in which outputs are skipped.
    mask
        Asked in these layers only.
    predictor_macs
        Whether every decision costs the MACs of a trained predictor.
    """

    name: str
    patterns: Mapping[str, str]
    mask: Mask
    predictor_macs: bool = False

    def skipping(self) -> OnOfmap:
        """Return what sets skipped outputs to zero in an interception."""

        def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
            return ofmap * self.mask(site, ofmap) if site.name in self.patterns else None

        return skip


def predicting(
    scorers: Mapping[str, Scorer], point: OperatingPoint, name: str | None = None, *, free: bool = False
) -> Method:
    """Return the method that compares scores with the thresholds of an operating point.

    Parameters
    ----------
    scorers
        What scores the outputs, by layer.
    point
        Which layers skip, and at which thresholds.
    name
        What tables call the method (default: the point's name).
    free
        Whether the scores cost no MACs, as those of a rule do.

    Raises
    ------
    FrontendError
        If the point names a layer without a scorer, or with a scorer of another pattern.
    """
    for layer, setting in point.predictors.items():
        if layer not in scorers:
            raise FrontendError(
                f"operating point {point.name}: no predictor of layer '{layer}'{did_you_mean(layer, scorers)}"
            )
        if scorers[layer].pattern != setting.pattern:
            raise FrontendError(
                f"operating point {point.name}: layer '{layer}' has pattern {setting.pattern}, "
                f"but its predictor was made for {scorers[layer].pattern}"
            )

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor:
        setting = point.predictors[site.name]
        return scorer_at(scorers[site.name], setting, site.shape.groups).mask(ofmap, setting.threshold)

    patterns = {layer: setting.pattern for layer, setting in point.predictors.items()}
    return Method(name or point.name, patterns, mask, predictor_macs=not free)


def operating_point(name: str, scorers: Mapping[str, Scorer], thresholds: Mapping[str, float]) -> OperatingPoint:
    """Return the operating point of these thresholds by layer, with the patterns of `scorers`.

    Raises
    ------
    FrontendError
        If a layer has no scorer.
    """
    for layer in thresholds:
        if layer not in scorers:
            raise FrontendError(f"point {name} sets layer '{layer}', which has no predictor")
    settings = {
        layer: PredictorSetting(pattern=scorers[layer].pattern, threshold=threshold)
        for layer, threshold in thresholds.items()
    }
    return OperatingPoint(name=name, predictors=settings)


def uniform_points(thresholds: Sequence[float], scorers: Mapping[str, Scorer]) -> tuple[OperatingPoint, ...]:
    """Return an operating point for each threshold, the same in all layers, named ``t0.2`` and so on.

    Raises
    ------
    FrontendError
        If a threshold is not finite or comes twice.
    """
    if not all(math.isfinite(value) for value in thresholds):
        raise FrontendError(f"thresholds must be finite, got {', '.join(map(str, thresholds))}")
    if len(set(thresholds)) < len(thresholds):
        raise FrontendError(f"a threshold is given twice: {', '.join(map(str, thresholds))}")
    return tuple(operating_point(f"t{value:g}", scorers, dict.fromkeys(scorers, value)) for value in thresholds)
