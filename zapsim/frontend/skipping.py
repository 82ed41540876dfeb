"""Ways to decide which outputs are computed: a score per output and thresholds, or any other rule per layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.network.graph import ConvSite
from zapsim.frontend.network.intercept import OnOfmap
from zapsim.frontend.pooling import scorer_at
from zapsim.frontend.scorer import Scorer
from zapsim.tracefile.predictor_work import PredictorWork
from zapsim.tracefile.records import OperatingPoint, PredictorSetting

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
    work
        What the predictors do in hardware, by layer; what is missing costs nothing.
    """

    name: str
    patterns: Mapping[str, str]
    mask: Mask
    work: Mapping[str, PredictorWork] = field(default_factory=dict)

    def skipping(self) -> OnOfmap:
        """Return what sets skipped outputs to zero in an interception."""

        def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
            return ofmap * self.mask(site, ofmap) if site.name in self.patterns else None

        return skip


def scorer_key(layer: str, method: str) -> str:
    """Return the name under which scorers by layer hold a layer's scorer of a further method.

    The scorer under the layer's own name is that of the first method, whichever that is.
    """
    return f"{layer}/{method}"


def scorers_of(scorers: Mapping[str, Scorer], layer: str) -> list[Scorer]:
    """Return a layer's scorers of all methods, the first method's first."""
    return [scorer for key, scorer in scorers.items() if key in (layer, scorer_key(layer, scorer.method))]


def predicting(scorers: Mapping[str, Scorer], point: OperatingPoint, name: str | None = None) -> Method:
    """Return the method that compares scores with the thresholds of an operating point.

    Parameters
    ----------
    scorers
        What scores the outputs, by layer; those of further methods under :func:`scorer_key`.
    point
        Which layers skip, by which methods and at which thresholds.
    name
        What tables call the method (default: the point's name).

    Raises
    ------
    FrontendError
        If the point names a layer without a scorer, or with a scorer of another pattern or method.
    """
    chosen = {layer: scorer_of(scorers, layer, setting, point.name) for layer, setting in point.predictors.items()}
    places = {} if point.order is None else point.order.filters

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor:
        setting = point.predictors[site.name]
        scorer = scorer_at(chosen[site.name], setting, site.shape.groups, places.get(site.name))
        return scorer.mask(ofmap, setting.threshold)

    patterns = {layer: setting.pattern for layer, setting in point.predictors.items()}
    work = {layer: setting.work for layer, setting in point.predictors.items()}
    return Method(name or point.name, patterns, mask, work)


def scorer_of(scorers: Mapping[str, Scorer], layer: str, setting: PredictorSetting, point: str) -> Scorer:
    """Return the scorer of single outputs that a layer's setting means; `point` names whose setting it is."""
    if layer not in scorers:
        raise FrontendError(f"operating point {point}: no predictor of layer '{layer}'{did_you_mean(layer, scorers)}")
    scorer = scorers[layer]
    if scorer.method != setting.method:
        key = scorer_key(layer, setting.method)
        if key not in scorers:
            raise FrontendError(
                f"operating point {point}: layer '{layer}' is predicted by '{setting.method}', but its predictor is of "
                f"method '{scorer.method}'"
            )
        scorer = scorers[key]
    if scorer.pattern != setting.pattern:
        raise FrontendError(
            f"operating point {point}: layer '{layer}' has pattern {setting.pattern}, "
            f"but its predictor was made for {scorer.pattern}"
        )
    return scorer


def setting_of(scorer: Scorer, threshold: float) -> PredictorSetting:
    """Return the setting of a scorer at a threshold."""
    return PredictorSetting(
        pattern=scorer.pattern, threshold=threshold, method=scorer.method, work=scorer.work(threshold)
    )


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
    settings = {layer: setting_of(scorers[layer], threshold) for layer, threshold in thresholds.items()}
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
