"""Ways to decide which outputs are computed: trained predictors at a setting, or what they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.graph import ConvSite
from zapsim.frontend.intercept import OnOfmap
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.thresholds import Setting

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
