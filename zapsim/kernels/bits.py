"""Summaries of bit-packed maps: read once a layer; everything later works on counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_ONES = _BITS.sum(axis=1, dtype=np.int32)
"""How many bits each byte has set."""

_SPREAD = _BITS.copy().view("<u8").astype(np.uint64).reshape(256)
"""Each byte with its bits spread over the 8 bytes of a word, which is then 8 counters in one."""

_FULL = 255
"""Words of spread bits that can be added before a counter of 8 bits overflows."""


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
    images, rows, cols, size = bits.shape
    channels = out.shape[2]
    counters = np.empty(size, dtype=np.uint64)
    lane = np.uint64(0xFF)
    out[:] = 0
    for n in range(images):
        for y in range(rows):
            for start in range(0, cols, _FULL):
                counters[:] = np.uint64(0)
                for x in range(start, min(start + _FULL, cols)):
                    for b in range(size):
                        counters[b] += _SPREAD[bits[n, y, x, b]]
                for k in range(channels):
                    out[n, y, k] += np.int32((counters[k >> 3] >> np.uint64(8 * (k & 7))) & lane)


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
    by_bytes = groups == 1 or size % 8 == 0  # the unused bits of the last byte are 0
    width = (size + 7) // 8
    for n in range(images):
        for y in range(rows):
            for x in range(cols):
                for g in range(groups):
                    total = np.int32(0)
                    if by_bytes:
                        for b in range(g * width, (g + 1) * width):
                            total += _ONES[bits[n, y, x, b]]
                    else:
                        for k in range(g * size, (g + 1) * size):
                            total += np.int32((bits[n, y, x, k >> 3] >> (k & 7)) & 1)
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
    out[:] = 0
    for n in range(images):
        for y in range(P):
            for r in range(R):
                row = y * stride[0] - padding[0] + r * dilation[0]
                if row < 0 or row >= H:
                    continue
                for s in range(S):
                    offset = s * dilation[1] - padding[1]  # output x reads column x · stride + offset
                    first = max(0, -(offset // stride[1]))
                    end = min(Q, (W - 1 - offset) // stride[1] + 1)
                    if stride[1] == 1:  # all columns and groups in one go
                        into, source = out[n, y].reshape(-1), counts[n, row].reshape(-1)
                        for i in range(first * groups, end * groups):
                            into[i] += source[i + offset * groups]
                        continue
                    for x in range(first, end):
                        for g in range(groups):
                            out[n, y, x, g] += counts[n, row, x * stride[1] + offset, g]
