"""Summaries of bit-packed maps: counts per row, per pixel and per window. A map is read once per layer."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.popcount import popcount

# Typed constants, since uint64 together with Python's signed integers becomes float64.
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_0, _1, _2, _3, _4, _5, _6, _7 = (np.uint64(n) for n in range(8))
_LAST, _BYTE = np.uint64(63), np.uint64(255)

_LOWEST = np.uint64(0x0101010101010101)
"""The lowest bit of each byte."""

_MOST = 252
"""Columns that are counted together: a count of them fits a byte, and they are groups of seven."""

Counts: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]
"""Counts of 64 places: byte i of word b has that of place 8i + b."""


@helper
def _add_bits(a: np.uint64, b: np.uint64, c: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Add three bits at each of 64 places: ones and twos of the sum."""
    odd = a ^ b
    return odd ^ c, (a & b) | (odd & c)


@helper
def _eighths(ones: np.uint64, twos: np.uint64, fours: np.uint64, bit: np.uint64) -> np.uint64:
    """Take a bit of each byte of three words, and make a number of them in this byte."""
    low, middle, high = (ones >> bit) & _LOWEST, (twos >> bit) & _LOWEST, (fours >> bit) & _LOWEST
    return low + (middle << _1) + (high << _2)


@helper
def _add_counts(counts: Counts, ones: np.uint64, twos: np.uint64, fours: np.uint64) -> Counts:
    """Add a count of three binary digits at each of 64 places to `counts`."""
    a, b, c, d, e, f, g, h = counts
    return (
        a + _eighths(ones, twos, fours, _0),
        b + _eighths(ones, twos, fours, _1),
        c + _eighths(ones, twos, fours, _2),
        d + _eighths(ones, twos, fours, _3),
        e + _eighths(ones, twos, fours, _4),
        f + _eighths(ones, twos, fours, _5),
        g + _eighths(ones, twos, fours, _6),
        h + _eighths(ones, twos, fours, _7),
    )


@kernel
def row_counts(words: NDArray[np.uint64], out: NDArray[np.int32]) -> None:
    """Count the bits set in each row of each channel.

    Seven columns make a count of three binary digits, for 64 channels at a time: each digit is a word in which every
    channel has a bit. These counts are added up in bytes, eight of which share a word.

    Parameters
    ----------
    words
        uint64 (images, rows, columns, words): channel c is bit c % 64 of word c // 64.
    out
        int32 (images, rows, channels), overwritten.
    """
    images, rows, cols, n_words = words.shape
    sums = np.empty(64 * n_words, dtype=np.int32)
    for n in range(images):
        for y in range(rows):
            sums[:] = 0
            for start in range(0, cols, _MOST):
                end = min(start + _MOST, cols)
                in_sevens = end - (end - start) % 7
                for w in range(n_words):
                    counts = (_0, _0, _0, _0, _0, _0, _0, _0)
                    for x in range(start, in_sevens, 7):
                        ones_a, twos_a = _add_bits(words[n, y, x, w], words[n, y, x + 1, w], words[n, y, x + 2, w])
                        ones_b, twos_b = _add_bits(words[n, y, x + 3, w], words[n, y, x + 4, w], words[n, y, x + 5, w])
                        ones, twos_c = _add_bits(ones_a, ones_b, words[n, y, x + 6, w])
                        twos, fours = _add_bits(twos_a, twos_b, twos_c)
                        counts = _add_counts(counts, ones, twos, fours)
                    for x in range(in_sevens, end):
                        counts = _add_counts(counts, words[n, y, x, w], _0, _0)
                    for byte in range(8):
                        for bit in range(8):
                            count = (counts[bit] >> np.uint64(8 * byte)) & _BYTE
                            sums[64 * w + 8 * byte + bit] += np.int32(count)
            for k in range(out.shape[2]):
                out[n, y, k] = sums[k]


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
