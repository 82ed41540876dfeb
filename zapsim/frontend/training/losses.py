"""Losses of predictors: errors of their scores against "is non-zero", and the slopes of these errors.

Outputs inside the pattern do not count: target and prediction are 1 there by definition. The slopes are written out,
in few new tensors and few passes over them, as both are what a step costs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from zapsim.frontend.elementwise import count_nonzero

STEEPNESS = 8.0
"""Logits per unit of score: a score of 0 stands for a chance of 2 %, one of 1 for 98 %."""

LEAST_EXPECTED = 1e-30
"""Expected harm is at least that, so that its logarithm is finite."""

ScoreError = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[float, torch.Tensor]]
"""Of scores and what skipping costs (images, channels, rows, columns), the pattern as bool (rows, columns), and the
mean cost of a non-zero output: the sum of the errors as it is shown, and half the gradient by the scores of what is to
be minimised. The cost is the activation, or for :func:`harm_error` an estimate of harm; it is 0 where the output is.
The scores may be overwritten."""


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
    error = scores.sub_(0.5).mul_(STEEPNESS).sigmoid_().sub_(target)
    weight = target.neg_().add_(1).add_(ofmap, alpha=1 / unit).mul_((~pattern).to(scores.dtype))
    slope = weight.mul_(error)
    return float(torch.dot(error.flatten(), slope.flatten())), slope


def harm_error(
    scores: torch.Tensor, harm: torch.Tensor, pattern: torch.Tensor, unit: float
) -> tuple[float, torch.Tensor]:
    """Return the deviance of `harm` in units of `unit` from what the scores expect.

    A score s stands for an expected harm m = softplus(8 · (s - ½)): it has no upper end, and rises in proportion to the
    score where the score is high, as sums of neighbours do, so that large harm is told from larger. Where the score
    is low, m is the chance of the logistic function in :func:`weighted_error`, and a score of 0 means 2 % of `unit`.
    The deviance m - h + h · log(h / m) of harm h is least on average where m is the mean of h (a quasi-likelihood of
    Poisson's kind: McCullagh and Nelder, "Generalized Linear Models", 1989, chapter 9). So scores rank outputs by the
    mean harm of skipping them. The gradient is over 4, as there.
    """
    target = harm / unit
    logits = scores.sub(0.5).mul_(STEEPNESS)
    mean = functional.softplus(logits).clamp_(min=LEAST_EXPECTED)
    outside = (~pattern).to(scores.dtype)
    deviance = (mean - target + torch.special.xlogy(target, target / mean)).mul_(outside)
    slope = logits.sigmoid_().mul_(1 - target / mean).mul_(outside)
    return float(deviance.sum()), slope


def mean_activation(ofmap: torch.Tensor) -> float:
    """Return the mean of the non-zero values, 1 if there are none."""
    count = count_nonzero(ofmap)
    return float(ofmap.sum()) / count if count else 1.0
