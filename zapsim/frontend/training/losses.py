"""Losses of predictors: errors of their scores against "is non-zero", and the slopes of these errors.

Outputs inside the pattern do not count: target and prediction are 1 there by definition. The slopes are written out,
in few new tensors and few passes over them, as both are what a step costs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

STEEPNESS = 8.0
"""Logits per unit of score: a score of 0 stands for a chance of 2 %, one of 1 for 98 %."""

ScoreError = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[float, torch.Tensor]]
"""Of scores and an ofmap (images, channels, rows, columns), the pattern as bool (rows, columns), and the layer's mean
activation: the sum of the errors as it is shown, and half the gradient by the scores of what is to be minimised."""


def plain_error(
    scores: torch.Tensor, ofmap: torch.Tensor, pattern: torch.Tensor, unit: float
) -> tuple[float, torch.Tensor]:
    """Return the squared error of scores clamped to [0, 1]: every output counts alike (`unit` is not used).

    Outside [0, 1] the clamp has no gradient: a non-zero output with a score below 0 teaches nothing.

    Source: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4.
    """
    error = scores.clamp(0.0, 1.0)
    within = error == scores  # where the clamp lets gradients through
    error.sub_(ofmap.sign()).mul_((~pattern).to(scores.dtype))  # no value is negative behind a ReLU
    squares = float(torch.linalg.vector_norm(error)) ** 2
    return squares, error.mul_(within)


def weighted_error(
    scores: torch.Tensor, ofmap: torch.Tensor, pattern: torch.Tensor, unit: float
) -> tuple[float, torch.Tensor]:
    """Return an error in which a non-zero output counts as much as its activation in units of `unit`, and a zero once.

    That is what it costs to skip: errors of operating points are shares of activation lost (Shomron et al., section 4).
    A score stands for the chance that the output is not zero, so weighed, by the logistic function of 8 · (score - ½).
    The gradient is that of its logistic error over 4; what is returned as error is the squared one, which reads as
    easily as the plain one.
    """
    target = ofmap.sign()  # no value is negative behind a ReLU
    weight = (1 - target).add_(ofmap, alpha=1 / unit).mul_((~pattern).to(scores.dtype))
    error = scores.sub(0.5).mul_(STEEPNESS).sigmoid_().sub_(target)
    slope = error * weight
    return float(torch.dot(error.flatten(), slope.flatten())), slope


def mean_activation(ofmap: torch.Tensor) -> float:
    """Return the mean of the non-zero values, 1 if there are none."""
    count = int(ofmap.count_nonzero())
    return float(ofmap.sum()) / count if count else 1.0
