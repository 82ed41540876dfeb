"""Scores of units of decision: what an array can only leave out together gets one score, and one comparison.

A rigid array issues a whole vector of outputs if one of them is wanted. So one skipped output saves nothing, and one
output that is computed for nothing makes all others of its vector free. Decided on are therefore *units*
(:class:`~zapsim.tracefile.decision_unit.DecisionUnit`):

- a pixel × a tile of filters on weight- and output-stationary arrays, a filter × a tile of pixels on input-stationary
  ones. With s the scores of the unit's outputs, between 0 and 1 in steps of 1/256, its score is

      sqrt(sum of s² / outputs of a full unit)        if any s is above 0, else the highest score, at most 0.

  The activation that an output has on average rises about with the square of its score or faster, so that this ranks
  units by what leaving them out loses. Sums of whole numbers do not depend on their order: the masks of a trace are
  those of an evaluation.
- on lanes that go on by themselves, a *quota*: with n outputs above the threshold and L lanes, each lane computes its
  ceil(n / L) highest ones (in steps of 1/64; of equal ones, the first). So no lane has more than the mean to do. The
  score of an output is the highest threshold at which its lane still computes it.

What this costs in hardware: for a tile, one addition of a square per output (from a table of 257 entries), and one
comparison and one bit of mask per unit; for a quota, a histogram per lane, and the scores are kept (8 bits per output)
until it is complete. :func:`zapsim.timing.predictor.predictor_counts` counts both but for the histogram's counters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from zapsim.frontend.scorer import Scorer
from zapsim.kernels.quota import lane_ranks
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.predictor_work import PredictorWork
from zapsim.tracefile.records import PredictorSetting

SCORE_STEPS = 256
"""Steps of a score from 0 to 1 before it is squared."""

QUOTA_STEPS = 64
"""Steps of a score from 0 to 1 in the histograms of quotas."""


class UnitScorer:
    """A scorer whose outputs have the scores of their units.

    Parameters
    ----------
    scorer
        Scores single outputs.
    unit
        What is decided on together.
    groups
        Groups of the layer: tiles of filters lie within one.
    order
        The filters in the order in which the array takes them, K numbers; None: as they are.
    """

    def __init__(self, scorer: Scorer, unit: DecisionUnit, groups: int, order: Sequence[int] | None = None) -> None:
        self.pattern = scorer.pattern
        self._scorer = scorer
        self._unit = unit
        self._groups = groups
        self._order = None if order is None else torch.tensor(order, dtype=torch.long)

    @property
    def method(self) -> str:
        """Name of the method that scores single outputs."""
        return self._scorer.method

    def work(self, threshold: float) -> PredictorWork:
        """Return what scoring single outputs takes in hardware."""
        return self._scorer.work(threshold)

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return self._scorer.pattern_of(ofmap)

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the score of every output's unit (images, K, P, Q); those inside the pattern mean nothing."""
        return self.pooled(self._scorer(ofmap), self.pattern_of(ofmap))

    def pooled(self, scores: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
        """Pool scores of single outputs (images, K, P, Q) outside the `pattern`, bool (P, Q)."""
        outside = scores[..., ~pattern]
        order = None if self._order is None else self._order.to(scores.device)
        if order is not None:
            outside = outside[:, order]
        if self._unit.quota is None:
            pooled = tile_scores(outside, self._unit, self._groups)
        else:
            pooled = torch.stack([quota_scores(image, self._unit) for image in outside])
        if order is not None:
            pooled = torch.empty_like(pooled).index_copy_(1, order, pooled)
        result = torch.zeros_like(scores)
        result[..., ~pattern] = pooled.to(scores.dtype)
        return result

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every unit whose score is above `threshold`."""
        return (self(ofmap) > threshold) | self.pattern_of(ofmap)


def scorer_at(
    scorer: Scorer, setting: PredictorSetting, groups: int, order: Sequence[int] | None = None
) -> Scorer | UnitScorer:
    """Return what scores a layer at a setting: `scorer` itself, or for the setting's units."""
    return scorer if setting.unit is None else UnitScorer(scorer, setting.unit, groups, order)


def tile_scores(outside: torch.Tensor, unit: DecisionUnit, groups: int) -> torch.Tensor:
    """Return the scores of tiles, repeated on their outputs.

    Parameters
    ----------
    outside
        Scores of single outputs (images, K, pixels), filters in their order, pixels outside the pattern.
    unit
        Filters × pixels of a tile; the last of a group or a map may be smaller.
    groups
        Groups of the layer.
    """
    images, channels, pixels = outside.shape
    if not outside.numel():
        return outside
    size = channels // groups
    high, wide = min(unit.filters, size), min(unit.pixels, pixels)
    grouped = outside.reshape(images, groups, size, pixels)
    padding = (0, -pixels % wide, 0, -size % high)
    padded = functional.pad(grouped, padding, value=-torch.inf)
    tiles = padded.reshape(images, groups, padded.shape[2] // high, high, padded.shape[3] // wide, wide)
    whole = (tiles.clamp(0, 1) * SCORE_STEPS).round().to(torch.int32)
    squares = (whole * whole).sum(dim=(3, 5))
    root = (squares.double() / (high * wide)).sqrt() / SCORE_STEPS
    pooled = torch.where(squares > 0, root, tiles.amax(dim=(3, 5)).clamp(max=0).double()).to(outside.dtype)
    spread = pooled.repeat_interleave(high, dim=2)[:, :, :size].repeat_interleave(wide, dim=3)[..., :pixels]
    return spread.reshape(images, channels, pixels)


def quota_scores(outside: torch.Tensor, unit: DecisionUnit) -> torch.Tensor:
    """Return the highest threshold, in steps of 1/64, at which an output is still within its lane's quota.

    Parameters
    ----------
    outside
        Scores of the outputs of one image (K, pixels), filters in their order, pixels outside the pattern.
    unit
        Filter lanes × pixel lanes, and what the quota is of.
    """
    if not outside.numel():
        return outside
    # Bin k holds the scores above threshold k - 1, up to threshold k (as the bins of curves).
    bins = (outside.cpu() * QUOTA_STEPS).ceil().clamp(-QUOTA_STEPS, QUOTA_STEPS + 1).to(torch.int16) + QUOTA_STEPS
    size = unit.filters if unit.quota == "block" else len(bins)
    blocks = [_within_quota(bins[k : k + size].contiguous().numpy(), unit) for k in range(0, len(bins), size)]
    scores = torch.from_numpy((np.concatenate(blocks) - QUOTA_STEPS).astype(np.float32) / QUOTA_STEPS)
    return scores.to(outside.device, outside.dtype)


def _within_quota(bins: NDArray[np.int16], unit: DecisionUnit) -> NDArray[np.int64]:
    """Return the bin of the highest threshold at which each output is within its lane's quota (filters, pixels).

    An output's rank counts the outputs of its lane before it: those of higher bins, and of its own in raster order. At
    threshold t it is computed if its rank is below ceil(n(t) / lanes), n(t) being the outputs of all lanes above t.
    """
    ranks = np.empty(bins.shape, dtype=np.int32)
    lane_ranks(bins, (unit.filters, unit.pixels), 2 * QUOTA_STEPS + 2, ranks)
    above = np.bincount(bins.ravel(), minlength=2 * QUOTA_STEPS + 2)[::-1].cumsum()[::-1][1:]
    used = min(unit.filters, bins.shape[0]) * min(unit.pixels, bins.shape[1])
    quota = -(-above // used)
    # The quota falls with the threshold: `computed[rank]` counts the thresholds at which it is above the rank.
    computed = np.searchsorted(-quota, -np.arange(int(ranks.max()) + 1), side="left")
    return computed[ranks]
