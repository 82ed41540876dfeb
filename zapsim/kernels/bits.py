"""Summaries of bit-packed maps: counts per row, per pixel and per window. A map is read once per layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel
from zapsim.kernels.popcount import popcount

# Typed constants, since uint64 together with Python's signed integers becomes float64.
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO, _8, _LAST, _BYTE = (np.uint64(n) for n in (0, 8, 63, 255))

_SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little").view("<u8")[:, 0]
"""For each byte, the word whose 8 bytes are the byte's 8 bits."""

_DIGITS = 8
_MOST = 2**_DIGITS - 1
"""The largest count that `_DIGITS` binary digits hold."""


@kernel
def row_counts(words: NDArray[np.uint64], out: NDArray[np.int32]) -> None:
    """Count the bits set in each row of each channel.

    64 channels are counted at a time: word d holds binary digit d of each count, and each channel is one bit.

    Parameters
    ----------
    words
        uint64 (images, rows, columns, words): channel c is bit c % 64 of word c // 64.
    out
        int32 (images, rows, channels), overwritten.
    """
    images, rows, cols, n_words = words.shape
    channels = out.shape[2]
    digits = np.empty(_DIGITS, dtype=np.uint64)
    out[:] = 0
    for n in range(images):
        for y in range(rows):
            for start in range(0, cols, _MOST):
                for w in range(n_words):
                    digits[:] = _ZERO
                    for x in range(start, min(start + _MOST, cols)):
                        carry = words[n, y, x, w]
                        d = 0
                        while carry != _ZERO:
                            digit = digits[d]
                            digits[d] = digit ^ carry
                            carry &= digit
                            d += 1
                    # Back to numbers, for 8 channels at a time: byte i of `counts` is the count of channel first + i.
                    for first in range(64 * w, min(64 * w + 64, channels), 8):
                        counts = _ZERO
                        for d in range(_DIGITS):
                            counts += _SPREAD[(digits[d] >> np.uint64(first & 63)) & _BYTE] << np.uint64(d)
                        for k in range(first, min(first + 8, channels)):
                            out[n, y, k] += np.int32(counts & _BYTE)
                            counts >>= _8


@kernel
def group_counts(words: NDArray[np.uint64], channels: int, out: NDArray[np.int32]) -> None:
    """Count the bits set at each pixel in each of equally large groups of channels.

    Parameters
    ----------
    words
        uint64 (pixels, words): channel c is bit c % 64 of word c // 64.
    channels
        Channels of the map: a multiple of the number of groups.
    out
        int32 (pixels, groups), overwritten.
    """
    pixels, groups = out.shape
    size = channels // groups
    # A group lies in one or more words, and a word may hold several groups: a part is the share of a group in a word.
    most_parts = groups * ((size + 126) // 64)
    group, index = np.empty(most_parts, np.int64), np.empty(most_parts, np.int64)
    mask = np.empty(most_parts, np.uint64)
    parts = 0
    for g in range(groups):
        first, last = g * size, (g + 1) * size - 1
        for w in range(first >> 6, (last >> 6) + 1):
            group[parts], index[parts], mask[parts] = g, w, _ALL
            if w == first >> 6:
                mask[parts] &= _ALL << np.uint64(first & 63)
            if w == last >> 6:
                mask[parts] &= _ALL >> (_LAST - np.uint64(last & 63))
            parts += 1
    for pixel in range(pixels):
        if groups == 1:
            count = 0
            for w in range(words.shape[1]):
                count += popcount(words[pixel, w])
            out[pixel, 0] = count
            continue
        out[pixel] = 0
        for i in range(parts):
            out[pixel, group[i]] += np.int32(popcount(words[pixel, index[i]] & mask[i]))


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
    """Sum `counts` over the window of every output; padding counts 0.

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
                    if stride[1] == 1:  # all columns and groups in one loop
                        target, source = out[n, y].reshape(-1), counts[n, row].reshape(-1)
                        for i in range(first * groups, end * groups):
                            target[i] += source[i + offset * groups]
                        continue
                    for x in range(first, end):
                        for g in range(groups):
                            out[n, y, x, g] += counts[n, row, x * stride[1] + offset, g]


@kernel
def sum_of_products(numbers: NDArray[np.int32], others: NDArray[np.int32]) -> int:
    """Multiply two int32 (n,) place by place, and add up the products as int64."""
    total = 0
    for place in range(numbers.shape[0]):
        total += int(numbers[place]) * int(others[place])
    return total
