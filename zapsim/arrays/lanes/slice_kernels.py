"""Lanes that share an output: non-zero inputs by brick of channels, and the lane that gets most of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.popcount import popcount

# Typed constants, since uint64 together with Python's signed integers becomes float64.
_ALL, _LAST = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(63)


@helper
def _bits_between(words: NDArray[np.uint64], first: int, end: int) -> int:
    """Count the bits set from `first` to `end` - 1, within one word or in several."""
    total = 0
    for index in range(first >> 6, ((end - 1) >> 6) + 1):
        word = words[index]
        if index == first >> 6:
            word &= _ALL << np.uint64(first & 63)
        if index == (end - 1) >> 6:
            word &= _ALL >> (_LAST - np.uint64((end - 1) & 63))
        total += popcount(word)
    return total


@kernel
def brick_counts(words: NDArray[np.uint64], size: int, brick: int, out: NDArray[np.int32]) -> None:
    """Count the bits set in each brick of channels at each pixel.

    Parameters
    ----------
    words
        uint64 (pixels, words): channel c is bit c % 64 of word c // 64.
    size, brick
        Channels of a group, and of a brick; no brick reaches over the end of its group.
    out
        int32 (pixels, groups, bricks of a group), overwritten.
    """
    pixels, groups, bricks = out.shape
    for pixel in range(pixels):
        for g in range(groups):
            for b in range(bricks):
                first = g * size + b * brick
                out[pixel, g, b] = _bits_between(words[pixel], first, min(first + brick, (g + 1) * size))


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
