"""Quotas of lanes: how many outputs of its lane come before each output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def lane_ranks(steps: NDArray[np.int16], lanes: tuple[int, int], bins: int, out: NDArray[np.int32]) -> None:
    """Count the outputs of the same lane with a higher step, or an equal one at a place before.

    Parameters
    ----------
    steps
        int16 (filters, pixels): each output's step, from 0 to `bins` - 1.
    lanes
        Filter lanes and pixel lanes; filter k and pixel i go to lane (k mod filter lanes, i mod pixel lanes).
    bins
        Number of steps.
    out
        int32 (filters, pixels), overwritten.
    """
    high, wide = lanes
    before = np.zeros((high * wide, bins), dtype=np.int64)
    for k in range(steps.shape[0]):
        for i in range(steps.shape[1]):
            before[k % high * wide + i % wide, steps[k, i]] += 1
    for lane in range(high * wide):
        total = 0
        for step in range(bins - 1, -1, -1):
            count = before[lane, step]
            before[lane, step] = total
            total += count
    for k in range(steps.shape[0]):
        for i in range(steps.shape[1]):
            lane = k % high * wide + i % wide
            out[k, i] = before[lane, steps[k, i]]
            before[lane, steps[k, i]] += 1
