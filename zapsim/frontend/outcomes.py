"""Outputs of a network beside those of the unmodified one, image by image, and the figures that follow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from zapsim.errors import FrontendError
from zapsim.frontend.intervals import Estimate, paired_loss, proportion, root_ratio

_CLASSIFIER_DIMS = 2
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
        pairs = list(zip(expected, outputs, strict=True))
        self.error.append(np.sum([_squares(output - reference) for reference, output in pairs], axis=0))
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
    sums: NDArray[np.float64] = values.double().square().flatten(1).sum(dim=1).cpu().numpy()
    return sums


def _right(logits: torch.Tensor, classes: torch.Tensor, top: int) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (logits.topk(top, dim=1).indices == classes[:, None]).any(dim=1).cpu().numpy()
    return right
