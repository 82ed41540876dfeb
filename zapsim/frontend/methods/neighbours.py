"""The neighbour rule with a threshold: an output is zero where its computed neighbours are. Nothing is trained."""

from __future__ import annotations

import torch
from torch.nn import functional

from zapsim.frontend.methods.predictor import ALL_CHANNELS, Predictor
from zapsim.tracefile.predictor_work import Kernel, PredictorWork


class NeighbourRule(Predictor):
    """Guesses that an output is zero where its computed neighbours are: a score like a predictor's, without weights.

    Source: Shomron and Weiser, "Spatial Correlation and Value Prediction in Convolutional Neural Networks", IEEE CAL
    2018: an output is predicted zero if all its computed neighbours, of the eight around it, are zero. That is this
    rule at threshold 0. To make it comparable at any accuracy, it has a threshold here. Let s be the sum of these
    neighbours in units of the mean computed activation of the same image. Where s > 0 the score is s / (1 + s), so that
    thresholds above 0 also skip next to small activations. Where s = 0 it is s' / (1 + s') - 1, with s' the sum over
    the computed outputs of the 5×5 around, so that thresholds below 0 skip only in wider surroundings of zeros. A
    window without any computed output is no reason to skip: the score is then above every threshold.

    In hardware, sums are compared: s / (1 + s) > t is s · (1 - t) > t, so each output outside the pattern takes the
    additions of its window (8, or 24 below threshold 0) and a compare with a number that is settled once an image.
    Unless the threshold is 0, each output of the pattern takes one more addition, for the mean. No MACs, no weights.

    Parameters
    ----------
    pattern
        Name of the pattern whose outputs are computed first.
    channels
        Channels of the ofmap; the rule needs not know.
    """

    method = "neighbours"
    summary = "skips where the computed neighbours are small; nothing to train: additions, no MACs"
    trained = False

    def __init__(self, pattern: str, channels: int = 0) -> None:
        super().__init__(channels, pattern)

    def forward(self, ofmap: torch.Tensor, channels: slice = ALL_CHANNELS) -> torch.Tensor:
        """Return a score for every output; those inside the pattern mean nothing.

        `ofmap` must hold all channels: activations are measured in their common mean.
        """
        pattern = self.pattern_of(ofmap)
        seen = (ofmap * pattern).float()
        mean = seen.sum(dim=(1, 2, 3), keepdim=True) / (pattern.sum() * ofmap.shape[1])
        unit = torch.where(mean > 0, mean, torch.ones_like(mean))
        near, wide = (_window_sum(seen, reach) / unit for reach in (1, 2))
        score = torch.where(near > 0, near / (1 + near), wide / (1 + wide) - 1)
        alone = _window_sum(pattern.float()[None, None], 1) == 0
        return torch.where(alone, torch.full_like(score, 2.0), score)

    def work(self, threshold: float) -> PredictorWork:
        """Return sums over 3×3, over 5×5 for a threshold below 0, and those for the mean unless it is 0."""
        kernel = Kernel(side=5 if threshold < 0 else 3, outputs="outside", weights=False)
        return PredictorWork(kernels=(kernel,), sums_pattern=threshold != 0)


def _window_sum(values: torch.Tensor, reach: int) -> torch.Tensor:
    """Return the sum over the square of 2 · reach + 1 around every position; exactly 0 where all are 0."""
    side = 2 * reach + 1
    return functional.avg_pool2d(values, side, stride=1, padding=reach, divisor_override=1)
