"""Lanes to which outputs are dealt in turn: how long each step takes, and when the last lane is done.

``macs`` and packed maps are those of :mod:`zapsim.arrays.lanes.kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel


@helper
def _until_check(macs: int, pace: tuple[int, int, int]) -> int:
    """Round MACs, as int64, up to the next check of the sign, if there are any before the last MAC."""
    interval, most, _ = pace
    return min(macs if interval == 1 else -(-macs // interval) * interval, most)


@helper
def _deal_in_turn(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    of_filter: tuple[int, int],
    span: tuple[int, int],
    pace: tuple[int, int, int],
    at: NDArray[np.int64],
    taken: NDArray[np.int64],
    own: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Deal the outputs of one filter in a leg to its pixel lanes: the longest output of each part in each step.

    `of_filter` are the filter and its column of `macs`; `at` is the part that each lane belongs to.
    """
    k, column = of_filter
    own[:] = 0
    taken[:] = 0
    lane = span[0] % len(at)
    for pixel in range(span[0], span[1]):
        if bits.shape[0] == 0 or (bits[pixel, k >> 3] >> (k & 7)) & 1:
            output = _until_check(int(np.int64(macs[pixel, column])), pace)
            step = taken[lane]
            own[at[lane], step] = max(own[at[lane], step], output)
            taken[lane] = step + 1
            totals[0] += output
            totals[1] += output if pace[2] == 1 else -(-output // pace[2])
        lane += 1
        if lane == len(at):
            lane = 0
    totals[2] += own.sum()


@helper
def _deal_to_one(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    filters: tuple[int, int, int],
    span: tuple[int, int],
    pace: tuple[int, int, int],
    slowest: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Deal all outputs of some filters in a leg, each filter to its one lane: the longest output of each step.

    `filters` are (first, end, filters per column of `macs`). The filters of a byte go through the pixels together, and
    without branches, since the bits of a mask are hard to guess.
    """
    first, end, per_column = filters
    taken, rate = np.empty(8, dtype=np.int64), pace[2]
    while first < end:
        stop = min((first | 7) + 1, end, (first // per_column + 1) * per_column)
        column, low, high = first // per_column, first & 7, ((stop - 1) & 7) + 1
        taken[:] = 0
        for pixel in range(span[0], span[1]):
            byte = 255 if bits.shape[0] == 0 else int(np.int64(bits[pixel, first >> 3]))
            output = _until_check(int(np.int64(macs[pixel, column])), pace)
            count = 0
            for bit in range(low, high):
                demanded = (byte >> bit) & 1
                step = min(taken[bit], len(slowest) - 1)  # once all are dealt, nothing more is demanded
                slowest[step] = max(slowest[step], output * demanded)
                taken[bit] += demanded
                count += demanded
            totals[0] += output * count
            totals[1] += (output if rate == 1 else -(-output // rate)) * count
        first = stop
    totals[2] = totals[0]


@kernel
def static_lanes(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    filters: int,
    pace: tuple[int, int, int],
    lanes: tuple[tuple[int, int], tuple[int, int]],
    segment: int,
    finish: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Deal outputs out in turn; step i of a domain in a leg lasts as long as its slowest i-th output.

    Parameters
    ----------
    bits
        uint8 (pixels or 0, bytes): outputs to compute.
    macs
        int (pixels, columns): MACs of the lane that does most of an output.
    filters
        Filters of the layer.
    pace
        (interval, most, rate): MACs are rounded up to a multiple of `interval`, but not above `most`; a lane does
        `rate` of them per cycle.
    lanes
        (filter lanes, pixel lanes) of the array, and of the lanes that start together.
    segment
        Pixels of a segment, a multiple of the array's pixel lanes.
    finish
        int64 (filter lanes of the array / those of a domain, pixel lanes / likewise, blocks of filters, segments),
        overwritten: cycles of each domain in each leg.
    totals
        int64 (3,), overwritten: MACs; busy lane-cycles; and the MACs of the longest output of every filter in every
        step, summed (weights that a domain streams if it keeps none).
    """
    pixels, (whole, domain), per_column = macs.shape[0], lanes, filters // macs.shape[1]
    steps = -(-min(segment, pixels) // whole[1])
    own = np.empty((finish.shape[1], steps), dtype=np.int64)
    slowest = np.empty((finish.shape[1], steps), dtype=np.int64)
    taken, at = np.empty(whole[1], dtype=np.int64), np.arange(whole[1]) // domain[1]
    totals[:] = 0
    for part in range(finish.shape[0]):
        for block in range(finish.shape[2]):
            first = block * whole[0] + part * domain[0]
            end = min(first + domain[0], filters)
            for leg in range(finish.shape[3]):
                span = (leg * segment, min((leg + 1) * segment, pixels))
                slowest[:] = 0
                if whole[1] == 1:
                    _deal_to_one(bits, macs, (first, end, per_column), span, pace, slowest[0], totals)
                else:
                    for k in range(first, end):
                        _deal_in_turn(bits, macs, (k, k // per_column), span, pace, at, taken, own, totals)
                        slowest[:] = np.maximum(slowest, own)
                finish[part, :, block, leg] = (-(-slowest // pace[2])).sum(axis=1)
