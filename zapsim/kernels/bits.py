"""Summaries of bit-packed maps: read once a layer; everything later works on counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def row_counts(bits: NDArray[np.uint8], out: NDArray[np.int32]) -> None:
    """Count the bits set in each row of each channel.

    Parameters
    ----------
    bits
        uint8 (images, rows, columns, bytes): packed map, channels innermost, least significant bit first.
    out
        int32 (images, rows, channels), overwritten.
    """
    images, rows, cols, _ = bits.shape
    channels = out.shape[2]
    for n in range(images):
        for y in range(rows):
            for k in range(channels):
                out[n, y, k] = 0
            for x in range(cols):
                for k in range(channels):
                    out[n, y, k] += (bits[n, y, x, k >> 3] >> (k & 7)) & 1


@kernel
def group_counts(bits: NDArray[np.uint8], channels: int, out: NDArray[np.int32]) -> None:
    """Count the bits set at each pixel in each of equally large groups of channels.

    Parameters
    ----------
    bits
        uint8 (images, rows, columns, bytes).
    channels
        Channels of the map; a multiple of the number of groups.
    out
        int32 (images, rows, columns, groups), overwritten.
    """
    images, rows, cols, _ = bits.shape
    groups = out.shape[3]
    size = channels // groups
    for n in range(images):
        for y in range(rows):
            for x in range(cols):
                for g in range(groups):
                    total = 0
                    for k in range(g * size, (g + 1) * size):
                        total += (bits[n, y, x, k >> 3] >> (k & 7)) & 1
                    out[n, y, x, g] = total


@kernel
def window_sums(
    counts: NDArray[np.int32],
    R: int,
    S: int,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    out: NDArray[np.int32],
) -> None:
    """Sum `counts` over the receptive field of every output; what lies outside the map counts 0.

    Parameters
    ----------
    counts
        int32 (images, H, W, groups).
    R, S
        Filter rows and columns.
    stride, dilation
        (rows, columns).
    padding
        (top, left).
    out
        int32 (images, P, Q, groups), overwritten.
    """
    images, P, Q, groups = out.shape
    H, W = counts.shape[1], counts.shape[2]
    for n in range(images):
        for y in range(P):
            for x in range(Q):
                for g in range(groups):
                    out[n, y, x, g] = 0
                for r in range(R):
                    row = y * stride[0] - padding[0] + r * dilation[0]
                    if row < 0 or row >= H:
                        continue
                    for s in range(S):
                        col = x * stride[1] - padding[1] + s * dilation[1]
                        if col < 0 or col >= W:
                            continue
                        for g in range(groups):
                            out[n, y, x, g] += counts[n, row, col, g]
