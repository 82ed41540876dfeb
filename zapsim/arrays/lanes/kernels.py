"""Lanes that compute whole outputs: how long each group of outputs takes, and when the last lane is done.

``macs`` gives the MACs of every output by pixel and column, where filters k with the same ``k // (filters / columns)``
share a column: one column per group of filters, or one per filter. Packed maps are (pixels, bytes), channels innermost,
least significant bit first; with no pixels, every output is computed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel

# One byte of bits, spread to eight bytes of a 64-bit word, so that one addition counts eight channels.
SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little").view("<u8")[:, 0]
_ROUNDS = 255  # additions after which a byte may be full


@kernel
def residue_counts(bits: NDArray[np.uint8], spread: NDArray[np.uint64], out: NDArray[np.int32]) -> None:
    """Count the bits set in each channel over the pixels i with the same i mod J.

    Parameters
    ----------
    bits
        uint8 (pixels, bytes).
    spread
        uint64 (256,): each byte's bits as the bytes of a word (:data:`SPREAD`).
    out
        int32 (J, bytes · 8), overwritten.
    """
    pixels, width = bits.shape
    lanes = out.shape[0]
    packed = np.zeros((lanes, width), dtype=np.uint64)
    out[:] = 0
    first = 0
    while first < pixels:
        end = min(first + _ROUNDS * lanes, pixels)
        lane = 0
        for pixel in range(first, end):
            for b in range(width):
                packed[lane, b] += spread[bits[pixel, b]]
            lane += 1
            if lane == lanes:
                lane = 0
        for j in range(lanes):
            for b in range(width):
                word = packed[j, b]
                for bit in range(8):
                    out[j, b * 8 + bit] += np.int32((word >> np.uint64(8 * bit)) & np.uint64(255))
                packed[j, b] = np.uint64(0)
        first = end


@helper
def _list_outputs(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    filters: tuple[int, int, int],
    pixels: tuple[int, int, int, int],
    pace: tuple[int, int, int],
    pixel_of: NDArray[np.int32],
    filter_of: NDArray[np.int32],
    macs_of: NDArray[np.int32],
) -> int:
    """List the outputs of some filters at some pixels, pixel after pixel; return how many there are.

    `filters` is (first, end, filters per column of `macs`); `pixels` is (first, end, how many from the first on, in
    steps of how many). `macs` without columns means that all outputs take the `most` of `pace`.
    """
    interval, most, _ = pace
    first_filter, end_filter, per_column = filters
    first, end, run, stride = pixels
    count = 0
    for begin in range(first, end, stride):
        for pixel in range(begin, min(begin + run, end)):
            for k in range(first_filter, end_filter):
                if bits.shape[0] == 0 or (bits[pixel, k >> 3] >> (k & 7)) & 1:
                    pixel_of[count] = pixel
                    filter_of[count] = k
                    macs_of[count] = most
                    if macs.shape[1]:
                        checks = -(-np.int64(macs[pixel, k // per_column]) // interval)
                        macs_of[count] = min(int(checks) * interval, most)
                    count += 1
    return count


@helper
def _replace_least(free: NDArray[np.int64], end: int) -> None:
    """Replace the least entry of a heap, which is its first."""
    at, child = 0, 1
    while child < len(free):
        if child + 1 < len(free) and free[child + 1] < free[child]:
            child += 1
        if free[child] >= end:
            break
        free[at] = free[child]
        at, child = child, 2 * child + 1
    free[at] = end


@kernel
def _work_off(
    pixel_of: NDArray[np.int32],
    macs_of: NDArray[np.int32],
    rate: int,
    lanes: int,
    window: int,
    free: NDArray[np.int64],
    done: NDArray[np.int64],
    group_of: NDArray[np.int64],
) -> int:
    """Work off a queue from cycle 0; write the number of each output's group, and return when the last is done.

    `free` has an entry for each domain of `lanes` lanes, and `done` for each pixel; both are overwritten.
    """
    if len(pixel_of) == 0:
        return 0
    free[:] = 0
    begin = pixel_of[0]
    latest, start, taken, slowest, group = 0, 0, 0, 0, 0
    first, noted = begin, begin
    for output in range(len(pixel_of)):
        pixel = pixel_of[output]
        behind = pixel - window
        too_far = behind >= begin and (behind >= first or done[behind] > start)
        if taken and (taken == lanes or too_far):
            end = start - (-slowest // rate)
            _replace_least(free, end)
            latest = max(latest, end)
            taken, slowest = 0, 0
            group += 1
        if taken == 0:
            # All groups before are known, and so is when the pixels before this one are done.
            done[noted:pixel] = latest
            first = noted = pixel
            start = free[0]
            if behind >= begin:
                start = max(start, done[behind])
        taken += 1
        slowest = max(slowest, int(macs_of[output]))
        group_of[output] = group
    return max(latest, start - (-slowest // rate))


@helper
def _count_groups(
    filter_of: NDArray[np.int32],
    macs_of: NDArray[np.int32],
    group_of: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> int:
    """Add the groups of each filter to `groups`; return the MACs of the longest output of each filter in each group."""
    last_group = np.full(len(groups), -1, dtype=np.int64)
    longest = np.zeros(len(groups), dtype=np.int64)
    total = 0
    for output in range(len(filter_of)):
        k = filter_of[output]
        if last_group[k] != group_of[output]:
            last_group[k] = group_of[output]
            groups[k] += 1
            longest[k] = 0
        more = max(macs_of[output] - longest[k], 0)
        longest[k] += more
        total += more
    return total


@kernel
def queued_lanes(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    pace: tuple[int, int, int],
    lanes: tuple[tuple[int, int], tuple[int, int], int],
    limits: tuple[int, int],
    finish: NDArray[np.int64],
    groups: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Let whoever is free in a pool of lanes take the next outputs of the pool: pixel after pixel, filters in each.

    A domain takes as many outputs as it has lanes, at the end of a leg what is left.

    Parameters
    ----------
    bits, pace
        As in :func:`zapsim.arrays.lanes.static_kernels.static_lanes`.
    macs
        As there; with no columns, every output takes the `most` of `pace`.
    lanes
        (filter lanes, pixel lanes) of the array, and of the lanes that share a queue (a pool); and how many lanes of a
        pool start together (a domain).
    limits
        (segment, window): pixels of a segment, as for static lanes; and the pixels whose outputs can be at work
        together: an output starts when those of all pixels that lie `window` or more behind it are done, and a
        domain does not wait for it with outputs that it has.
    finish
        int64 (filter lanes of the array / those of a pool, pixel lanes / likewise, blocks of filters, segments),
        overwritten: cycles of each pool in each leg.
    groups
        int64 (filters,), overwritten: groups of outputs of each filter that start together.
    totals
        int64 (3,), overwritten, as for static lanes.
    """
    pixels, filters = macs.shape[0], len(groups)
    (whole, pool, domain), (segment, window) = lanes, limits
    most_outputs = min(segment, pixels) * pool[0]
    pixel_of = np.empty(most_outputs, dtype=np.int32)
    filter_of = np.empty(most_outputs, dtype=np.int32)
    macs_of = np.empty(most_outputs, dtype=np.int32)
    group_of = np.empty(most_outputs, dtype=np.int64)
    free = np.empty(pool[0] * pool[1] // domain, dtype=np.int64)
    done = np.empty(pixels, dtype=np.int64)
    per_column = filters // max(macs.shape[1], 1)
    groups[:] = 0
    totals[:] = 0
    for f, p, block, leg in np.ndindex(finish.shape):
        first = block * whole[0] + f * pool[0]
        of_pool = (first, min(first + pool[0], filters), per_column)
        span = (leg * segment + p * pool[1], min((leg + 1) * segment, pixels), pool[1], whole[1])
        count = _list_outputs(bits, macs, of_pool, span, pace, pixel_of, filter_of, macs_of)
        queue = macs_of[:count]
        finish[f, p, block, leg] = _work_off(pixel_of[:count], queue, pace[2], domain, window, free, done, group_of)
        totals[0] += queue.sum()
        totals[1] += (-(-queue // pace[2])).sum()
        totals[2] += _count_groups(filter_of[:count], queue, group_of, groups)
