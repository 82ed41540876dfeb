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
) -> tuple[OperatingPoint, ...]:
    """Run the network at every operating point on `images` and return the points with the quality measured.

    A network with one output of classes gets ``top1_agreement`` with the unmodified network and, where `images` have
    labels, ``top1_accuracy`` and ``top1_accuracy_unmodified``; every other gets ``relative_output_error``: the norm
    of the difference of all outputs over the norm of the unmodified network's.
    """
    device = device_of(network.model)
    tallies = {point.name: Tally() for point in points}
    with frozen(network.model):
        for inputs, labels in images.batches():
            on_device = inputs.to(device)
            expected = list(tensors_in(network.model(on_device)))
            for point in points:
                with Interception(graph, on_ofmap=predicting(scorers, point).skipping()):
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


@dataclass(slots=True)
class Outcomes:
    """What is kept of every image: a few numbers, so that memory hardly grows."""

    classifier: bool = True
    error: list[NDArray[np.float64]] = field(default_factory=list)
    norm: list[NDArray[np.float64]] = field(default_factory=list)
    agreed: list[NDArray[np.bool_]] = field(default_factory=list)
    right: dict[int, list[NDArray[np.bool_]]] = field(default_factory=dict)
    right_unmodified: dict[int, list[NDArray[np.bool_]]] = field(default_factory=dict)

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

    def figures(self) -> dict[str, Estimate]:
        """Return the figures over all images so far; see :class:`~zapsim.frontend.evaluation.Evaluation`."""
        error, norm = np.concatenate(self.error), np.concatenate(self.norm)
        if not (norm.sum() > 0 and np.isfinite(norm).all() and np.isfinite(error).all()):
            raise FrontendError("the network's output is zero or not finite, so that it has no relative error")
        figures: dict[str, Estimate] = {}
        if self.classifier:
            agreed = np.concatenate(self.agreed)
            figures["top1_agreement"] = proportion(int(agreed.sum()), len(agreed))
        for top, batches in self.right.items():
            before, after = np.concatenate(self.right_unmodified[top]), np.concatenate(batches)
            figures[f"top{top}_accuracy"] = proportion(int(after.sum()), len(after))
            figures[f"top{top}_accuracy_unmodified"] = proportion(int(before.sum()), len(before))
            figures[f"top{top}_lost"] = paired_loss(before, after)
        figures["relative_output_error"] = root_ratio(error, norm)
        return figures


def _squares(values: torch.Tensor) -> NDArray[np.float64]:
    """Return the sum of squares of every image."""
    sums: NDArray[np.float64] = values.double().square().reshape(len(values), -1).sum(dim=1).cpu().numpy()
    return sums


def _right(logits: torch.Tensor, classes: torch.Tensor, top: int) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (logits.topk(top, dim=1).indices == classes[:, None]).any(dim=1).cpu().numpy()
    return right


CONFIDENCE = 0.95
_Z = 1.959963984540054
"""Standard normal quantile of 97.5 %."""
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval over images."""

    value: float
    low: float
    high: float


def proportion(hits: int, images: int) -> Estimate:
    """Return a share with Wilson's interval (Journal of the American Statistical Association 22, 1927)."""
    share = hits / images
    centre = (share + _Z**2 / (2 * images)) / (1 + _Z**2 / images)
    reach = _Z / (1 + _Z**2 / images) * sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2))
    return Estimate(share, max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach)))


def paired_loss(before: NDArray[np.bool_], after: NDArray[np.bool_], seed: int = 0) -> Estimate:
    """Return how many more images were right before than after, as a share, with the paired bootstrap's interval."""
    images = len(before)
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    # Drawing images again is drawing the numbers of those that were lost, won and neither.
    shares = [lost / images, won / images, (images - lost - won) / images]
    drawn = np.random.default_rng(seed).multinomial(images, shares, size=_RESAMPLES)
    return _between((lost - won) / images, (drawn[:, 0] - drawn[:, 1]) / images)


def root_ratio(above: NDArray[np.float64], below: NDArray[np.float64], seed: int = 0) -> Estimate:
    """Return sqrt(sum of `above` / sum of `below`) over images, with the bootstrap's interval."""
    random = np.random.default_rng(seed)
    ratios = np.empty(_RESAMPLES)
    for index in range(_RESAMPLES):
        chosen = random.integers(0, len(above), len(above))
        whole = below[chosen].sum()
        ratios[index] = np.sqrt(above[chosen].sum() / whole) if whole > 0 else np.nan
    return _between(float(np.sqrt(above.sum() / below.sum())), ratios)


def _between(value: float, resampled: NDArray[np.float64]) -> Estimate:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(resampled, [tail, 100 - tail])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
