"""What skipping costs: accuracy or agreement of a classifier and the output error of any network, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.intervals import (
    Bools,
    Estimate,
    Floats,
    Places,
    mean_difference,
    paired_loss,
    places_of,
    root_ratio,
    root_ratio_difference,
    share,
)
from zapsim.frontend.network import Network
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.contract import output_differences
from zapsim.frontend.network.forward import device_of, frozen
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting
from zapsim.tracefile.records import OperatingPoint

_CLASSIFIER_DIMS = 2


def measure_quality(
    network: Network,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    images: ImageSet,
    own_scorers: Mapping[str, Mapping[str, Scorer]] | None = None,
) -> tuple[OperatingPoint, ...]:
    """Run the network at every operating point on `images` and return the points with the quality measured.

    A network with one output of classes gets ``top1_agreement`` with the unmodified network and, where `images` have
    labels, ``top1_accuracy`` and ``top1_accuracy_unmodified``; every other gets ``relative_output_error``: the norm
    of the difference of all outputs over the norm of the unmodified network's. `own_scorers` holds the scorers of the
    points that have others than `scorers`.
    """
    own_scorers = own_scorers or {}
    device = device_of(network.model)
    tallies = {point.name: Tally() for point in points}
    with frozen(network.model):
        for inputs, labels in images.batches(graph.at_once):
            on_device = inputs.to(device)
            expected = list(tensors_in(network.model(on_device)))
            for point in points:
                method = predicting(own_scorers.get(point.name, scorers), point)
                with Interception(graph, on_ofmap=method.skipping()):
                    outputs = list(tensors_in(network.model_at(point.name)(on_device)))
                tallies[point.name].add(expected, outputs, labels)
    return tuple(point.with_quality(tallies[point.name].figures(), f"on {images.description}") for point in points)


@dataclass(slots=True)
class Tally:
    """Sums over batches, from which the figures of an operating point follow."""

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
        for reference, difference in output_differences(expected, outputs):
            self.error += float(difference.double().square().sum())
            self.norm += float(reference.double().square().sum())
        if not self.classifier:
            return
        before, after = (logits.argmax(dim=1).cpu().numpy() for logits in (expected[0], outputs[0]))
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


_TOP = (1, 5)


@dataclass(frozen=True, slots=True)
class ImageOutcomes:
    """What one method did to every image.

    Attributes
    ----------
    places
        Number of the photograph that each image is of.
    error, norm
        Sum of squares of the outputs' difference to the unmodified network's, and of these (float64).
    agreed
        Whether the class is that of the unmodified network; None if the network is no classifier.
    right, right_unmodified
        Whether the class is among the first 1 and the first 5, with skipping and without; empty without labels.
    macs_saved
        Share of the image's MACs that are saved, net of the predictors' own (float64).
    """

    places: Places
    error: Floats
    norm: Floats
    agreed: Bools | None
    right: Mapping[int, Bools]
    right_unmodified: Mapping[int, Bools]
    macs_saved: Floats

    def figures(self) -> dict[str, Estimate]:
        """Return the figures over all images; see :class:`~zapsim.frontend.evaluation.Evaluation`."""
        figures: dict[str, Estimate] = {}
        if self.agreed is not None:
            figures["top1_agreement"] = share(self.agreed, self.places)
        for top, after in self.right.items():
            before = self.right_unmodified[top]
            figures[f"top{top}_accuracy"] = share(after, self.places)
            figures[f"top{top}_accuracy_unmodified"] = share(before, self.places)
            figures[f"top{top}_lost"] = paired_loss(before, after, self.places)
        figures["relative_output_error"] = root_ratio(self.error, self.norm, self.places)
        return figures

    def differences(self, reference: ImageOutcomes) -> dict[str, Estimate]:
        """Return the figures less those of another method on the same images, paired image by image."""
        differences = {"macs_saved": mean_difference(self.macs_saved, reference.macs_saved, self.places)}
        if self.agreed is not None and reference.agreed is not None:
            differences["top1_agreement"] = paired_loss(self.agreed, reference.agreed, self.places)
        for top, after in self.right.items():
            differences[f"top{top}_accuracy"] = paired_loss(after, reference.right[top], self.places)
        differences["relative_output_error"] = root_ratio_difference(
            self.error, reference.error, self.norm, self.places
        )
        return differences


@dataclass(slots=True)
class Outcomes:
    """Collects the outcomes of batches: a few numbers per image, so that memory hardly grows."""

    classifier: bool = True
    error: list[Floats] = field(default_factory=list)
    norm: list[Floats] = field(default_factory=list)
    agreed: list[Bools] = field(default_factory=list)
    right: dict[int, list[Bools]] = field(default_factory=dict)
    right_unmodified: dict[int, list[Bools]] = field(default_factory=dict)

    def add(self, expected: list[torch.Tensor], outputs: list[torch.Tensor], labels: NDArray[np.int64] | None) -> None:
        """Add a batch: the unmodified network's outputs, the outputs with skipping, and the classes if known."""
        pairs = output_differences(expected, outputs)
        self.error.append(np.sum([_squares(difference) for _, difference in pairs], axis=0))
        self.norm.append(np.sum([_squares(reference) for reference, _ in pairs], axis=0))
        self.classifier = len(expected) == 1 and expected[0].ndim == _CLASSIFIER_DIMS
        if not self.classifier:
            return
        before, after = expected[0], outputs[0]
        self.agreed.append((before.argmax(dim=1) == after.argmax(dim=1)).cpu().numpy())
        if labels is None:
            return
        classes = torch.from_numpy(labels).to(before.device)
        if len(labels) and (labels.min() < 0 or labels.max() >= before.shape[1]):
            raise FrontendError(
                f"labels must be 0 to {before.shape[1] - 1}, as the network has {before.shape[1]} classes"
            )
        for top in _TOP:
            if top < before.shape[1]:
                self.right_unmodified.setdefault(top, []).append(_right(before, classes, top))
                self.right.setdefault(top, []).append(_right(after, classes, top))

    def complete(self, photographs: Sequence[str], macs_saved: Floats) -> ImageOutcomes:
        """Return the outcomes of all images, given the photograph and the share of MACs saved of each."""
        error, norm = np.concatenate(self.error), np.concatenate(self.norm)
        if not (norm.sum() > 0 and np.isfinite(norm).all() and np.isfinite(error).all()):
            raise FrontendError("the network's output is zero or not finite, so that it has no relative error")
        return ImageOutcomes(
            places_of(photographs),
            error,
            norm,
            np.concatenate(self.agreed) if self.classifier else None,
            {top: np.concatenate(batches) for top, batches in self.right.items()},
            {top: np.concatenate(batches) for top, batches in self.right_unmodified.items()},
            macs_saved,
        )


def _squares(values: torch.Tensor) -> NDArray[np.float64]:
    """Return the sum of squares of every image."""
    sums: NDArray[np.float64] = values.double().square().reshape(len(values), -1).sum(dim=1).cpu().numpy()
    return sums


def _right(logits: torch.Tensor, classes: torch.Tensor, top: int) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (logits.topk(top, dim=1).indices == classes[:, None]).any(dim=1).cpu().numpy()
    return right
