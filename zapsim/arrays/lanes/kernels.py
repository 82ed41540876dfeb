"""Lanes that compute whole outputs: how long each group of outputs takes, and when the last lane is done.

``macs`` gives the MACs of every output by pixel and column, where filters k with the same ``k // (filters / columns)``
share a column: one column per group of filters, or one per filter. Packed maps are (pixels, bytes), channels innermost,
least significant bit first; with no pixels, every output is computed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

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


@kernel
def _filter_macs(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    k: int,
    column: int,
    interval: int,
    most: int,
    out: NDArray[np.int64],
) -> None:
    """Write the MACs of one filter's outputs in pixel order, rounded up to the next check; -1 for skipped ones."""
    masked = bits.shape[0] > 0
    for pixel in range(macs.shape[0]):
        if masked and not (bits[pixel, k >> 3] >> (k & 7)) & 1:
            out[pixel] = -1
        else:
            checks = -(-np.int64(macs[pixel, column]) // interval)
            out[pixel] = min(int(checks) * interval, most)


@kernel
def static_lanes(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    filters: int,
    pace: tuple[int, int, int],
    whole: tuple[int, int],
    domain: tuple[int, int],
    finish: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Deal outputs out in turn; step i of a domain in a block of filters lasts as long as its slowest i-th output.

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
    whole, domain
        (filter lanes, pixel lanes) of the array, and of the lanes that start together.
    finish
        int64 (filter lanes of the array / those of a domain, pixel lanes / likewise), overwritten: when each is done.
    totals
        int64 (3,), overwritten: MACs; busy lane-cycles; and the MACs of the longest output of every filter in every
        step, summed (weights that a domain streams if it keeps none).
    """
    pixels = macs.shape[0]
    interval, most, rate = pace
    parts, steps = finish.shape[1], -(-pixels // whole[1])
    row = np.empty(pixels, dtype=np.int64)
    own = np.empty((parts, steps), dtype=np.int64)
    slowest = np.empty((parts, steps), dtype=np.int64)
    taken = np.empty(whole[1], dtype=np.int64)
    finish[:] = 0
    totals[:] = 0
    for k_domain in range(finish.shape[0]):
        for block in range(0, filters, whole[0]):
            slowest[:] = 0
            first = block + k_domain * domain[0]
            for k in range(first, min(first + domain[0], filters)):
                _filter_macs(bits, macs, k, k // (filters // macs.shape[1]), interval, most, row)
                own[:] = 0
                taken[:] = 0
                lane, part, in_part = 0, 0, 0
                for pixel in range(pixels):
                    if row[pixel] >= 0:
                        step = taken[lane]
                        taken[lane] = step + 1
                        totals[0] += row[pixel]
                        totals[1] += -(-row[pixel] // rate)
                        own[part, step] = max(own[part, step], row[pixel])
                    lane += 1
                    in_part += 1
                    if in_part == domain[1]:
                        in_part = 0
                        part += 1
                    if lane == whole[1]:
                        lane, part = 0, 0
                for p in range(parts):
                    for step in range(steps):
                        totals[2] += own[p, step]
                        slowest[p, step] = max(slowest[p, step], own[p, step])
            for p in range(parts):
                for step in range(steps):
                    finish[k_domain, p] += -(-slowest[p, step] // rate)


@kernel
def queued_lanes(
    bits: NDArray[np.uint8],
    macs: NDArray[np.int32],
    filters: int,
    pace: tuple[int, int, int],
    domains: int,
    lanes: int,
    totals: NDArray[np.int64],
) -> int:
    """Let whoever is free take the next outputs, filter after filter; return when the last is done.

    A domain takes as many outputs as it has lanes, at the end what is left. Since domains are alike, it is
    enough to know how many are free at each time: ``free`` is a ring over the times up to the longest output ahead.

    Parameters
    ----------
    bits, macs, filters, pace
        As in :func:`static_lanes`.
    domains, lanes
        Groups of lanes that start together, and lanes of one.
    totals
        int64 (3,), overwritten, as in :func:`static_lanes`.
    """
    pixels = macs.shape[0]
    interval, most, rate = pace
    size = -(-most // rate) + 1
    free = np.zeros(size, dtype=np.int64)
    free[0] = domains
    row = np.empty(pixels, dtype=np.int64)
    now, last, taken, slowest = 0, 0, 0, 0
    totals[:] = 0
    for k in range(filters):
        _filter_macs(bits, macs, k, k // (filters // macs.shape[1]), interval, most, row)
        longest = 0
        for pixel in range(pixels):
            if row[pixel] < 0:
                continue
            totals[0] += row[pixel]
            totals[1] += -(-row[pixel] // rate)
            longest = max(longest, row[pixel])
            slowest = max(slowest, row[pixel])
            taken += 1
            if taken == lanes:
                totals[2] += longest
                while free[now % size] == 0:
                    now += 1
                end = now - (-slowest // rate)
                free[now % size] -= 1
                free[end % size] += 1
                last = max(last, end)
                longest, taken, slowest = 0, 0, 0
        totals[2] += longest
    if taken:
        while free[now % size] == 0:
            now += 1
        last = max(last, now - (-slowest // rate))
    return last


@kernel
def brick_counts(bits: NDArray[np.uint8], groups: int, size: int, brick: int, out: NDArray[np.int32]) -> None:
    """Count the bits set in each brick of channels at each pixel.

    Parameters
    ----------
    bits
        uint8 (images, rows, columns, bytes).
    groups, size
        Groups of channels, and channels of one; no brick reaches over the end of its group.
    brick
        Channels of a brick.
    out
        int32 (images, rows, columns, groups, bricks of a group), overwritten.
    """
    images, rows, cols, _ = bits.shape
    bricks = out.shape[4]
    for n in range(images):
        for y in range(rows):
            for x in range(cols):
                for g in range(groups):
                    for b in range(bricks):
                        total = 0
                        for c in range(g * size + b * brick, g * size + min((b + 1) * brick, size)):
                            total += (bits[n, y, x, c >> 3] >> (c & 7)) & 1
                        out[n, y, x, g, b] = total


@kernel
def slice_macs(
    counts: NDArray[np.int32],
    R: int,
    S: int,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    slices: int,
    out: NDArray[np.int32],
) -> None:
    """Deal the bricks of every window to lanes in turn; find the largest share of non-zero values.

    Parameters
    ----------
    counts
        int32 (images, H, W, groups, bricks): non-zero values of each brick.
    R, S, stride, padding, dilation
        The filter; padding is (top, left), and what lies outside the map counts 0.
    slices
        Lanes that share a window; brick j of it (rows, columns, bricks) goes to lane j mod `slices`.
    out
        int32 (images, P, Q, groups), overwritten.
    """
    images, P, Q, groups = out.shape
    H, W, bricks = counts.shape[1], counts.shape[2], counts.shape[4]
    share = np.empty(slices, dtype=np.int64)
    for n in range(images):
        for y in range(P):
            for x in range(Q):
                for g in range(groups):
                    share[:] = 0
                    lane = 0
                    for r in range(R):
                        row = y * stride[0] - padding[0] + r * dilation[0]
                        for s in range(S):
                            col = x * stride[1] - padding[1] + s * dilation[1]
                            inside = 0 <= row < H and 0 <= col < W
                            for b in range(bricks):
                                if inside:
                                    share[lane] += counts[n, row, col, g, b]
                                lane += 1
                                if lane == slices:
                                    lane = 0
                    out[n, y, x, g] = share.max()
