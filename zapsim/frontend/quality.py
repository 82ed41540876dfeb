"""What skipping costs: accuracy or agreement of a classifier, output error of any other network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from zapsim.errors import FrontendError
from zapsim.frontend.calls import tensors_in
from zapsim.frontend.graph import ConvSite, Graph
from zapsim.frontend.guard import device_of, frozen
from zapsim.frontend.images import ImageSet
from zapsim.frontend.intercept import Interception, OnOfmap
from zapsim.frontend.network import Network
from zapsim.frontend.predictor import Predictor
from zapsim.frontend.thresholds import Setting

_CLASSIFIER_DIMS = 2

PIXELS_A_BATCH = 224 * 224
"""Input pixels that are evaluated at a time: maps that fit a processor's cache take half the time of larger ones."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured figures of every setting, by its name, and what they were measured on."""

    figures: Mapping[str, Mapping[str, float]]
    note: str


def skipping(predictors: Mapping[str, Predictor], setting: Setting) -> OnOfmap:
    """Return what sets the skipped outputs of every predicted layer to zero."""

    def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        threshold = setting.thresholds.get(site.name)
        return None if threshold is None else ofmap * predictors[site.name].mask(ofmap, threshold)

    return skip


def measure_quality(
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
) -> Quality:
    """Measure every setting on `images`.

    A network with one output of classes gets ``top1_agreement`` with the unmodified network and, where `images` have
    labels, ``top1_accuracy`` and ``top1_accuracy_unmodified``; every other gets ``relative_output_error``: the norm
    of the difference of all outputs over the norm of the unmodified network's.
    """
    model = network.model
    device = device_of(model)
    batch = max(1, PIXELS_A_BATCH // images.preprocessing.size**2)
    tallies = {setting.name: Tally() for setting in settings}
    with frozen(model):
        for inputs, labels in images.batches(batch):
            on_device = inputs.to(device)
            expected = list(tensors_in(model(on_device)))
            for setting in settings:
                with Interception(graph, on_ofmap=skipping(predictors, setting)):
                    outputs = list(tensors_in(network.model_at(setting.name)(on_device)))
                tallies[setting.name].add(expected, outputs, labels)
    figures = {name: tally.figures() for name, tally in tallies.items()}
    return Quality(figures, f"on {images.description}")


@dataclass(slots=True)
class Tally:
    """Sums over batches, from which a setting's figures follow."""

    images: int = 0
    labelled: int = 0
    classifier: bool = False
    agreed: int = 0
    right: int = 0
    right_unmodified: int = 0
    error: float = 0.0
    norm: float = 0.0

    def add(self, expected: list[torch.Tensor], outputs: list[torch.Tensor], labels: NDArray[np.int64] | None) -> None:
        """Add a batch: the unmodified network's outputs, the outputs with skipping, and the classes if known."""
        self.images += len(expected[0])
        self.classifier = len(expected) == 1 and expected[0].ndim == _CLASSIFIER_DIMS
        for reference, output in zip(expected, outputs, strict=True):
            self.error += float((output - reference).double().square().sum())
            self.norm += float(reference.double().square().sum())
        if not self.classifier:
            return
        before, after = (one[0].argmax(dim=1).cpu().numpy() for one in (expected, outputs))
        self.agreed += int((before == after).sum())
        if labels is not None:
            self.labelled += len(labels)
            self.right += int((after == labels).sum())
            self.right_unmodified += int((before == labels).sum())

    def figures(self) -> dict[str, float]:
        """Return the figures over all batches so far; see :func:`measure_quality`."""
        if not self.classifier:
            if not (self.norm > 0 and isfinite(self.norm) and isfinite(self.error)):
                raise FrontendError("the network's output is zero or not finite, so that it has no relative error")
            return {"relative_output_error": sqrt(self.error / self.norm)}
        figures = {"top1_agreement": self.agreed / self.images}
        if self.labelled:
            figures["top1_accuracy"] = self.right / self.labelled
            figures["top1_accuracy_unmodified"] = self.right_unmodified / self.labelled
        return figures
