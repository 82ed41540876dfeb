"""Ways to decide which outputs are computed: a score per output and thresholds, or any other rule per layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.network.graph import ConvSite
from zapsim.frontend.network.intercept import OnOfmap


class Scorer(Protocol):
    """A layer's predictor, trained or not: :class:`~zapsim.frontend.training.predictor.Predictor` is one."""

    pattern: str

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap (images, K, P, Q); high ones mean "not zero"."""
        ...

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        ...

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        ...


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
    scorers: Mapping[str, Scorer], setting: Setting, name: str | None = None, *, free: bool = False
) -> Method:
    """Return the method of `scorers` at `setting`; `free` if the scores cost no MACs.

    Raises
    ------
    FrontendError
        If the setting names a layer without a predictor.
    """
    for layer in setting.thresholds:
        if layer not in scorers:
            raise FrontendError(
                f"setting {setting.name}: no predictor of layer '{layer}'{did_you_mean(layer, scorers)}"
            )

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor:
        return scorers[site.name].mask(ofmap, setting.thresholds[site.name])

    patterns = {layer: scorers[layer].pattern for layer in setting.thresholds}
    return Method(name or setting.name, patterns, mask, predictor_macs=not free)


@dataclass(frozen=True, slots=True)
class Setting:
    """A named set of thresholds, by layer; a layer that is not in it computes everything.

    An output outside the pattern is computed if its score is above the threshold: a higher one skips more.
    """

    name: str
    thresholds: Mapping[str, float]


def uniform_settings(thresholds: Sequence[float], layers: Iterable[str]) -> tuple[Setting, ...]:
    """Return one setting for each threshold, the same in all `layers`, named ``t0.2`` and so on.

    Raises
    ------
    FrontendError
        If a threshold is not finite or given twice.
    """
    if not all(math.isfinite(value) for value in thresholds):
        raise FrontendError(f"thresholds must be finite, got {', '.join(map(str, thresholds))}")
    if len(set(thresholds)) < len(thresholds):
        raise FrontendError(f"a threshold is given twice: {', '.join(map(str, thresholds))}")
    names = tuple(layers)
    return tuple(Setting(f"t{value:g}", dict.fromkeys(names, value)) for value in thresholds)
