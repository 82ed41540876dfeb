"""Lanes that share an output: non-zero inputs by brick of channels, and the lane that gets most of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


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
