"""Which vectors a rigid array must issue: for each tile, how many have at least one bit set.

Maps come as 64-bit words, (pixels, words): channel k is bit ``k % 64`` (from the least significant) of word
``k // 64``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

# Mixed with Python's signed integers, uint64 would become float64; hence the typed constants.
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_M1 = np.uint64(0x5555555555555555)
_M2 = np.uint64(0x3333333333333333)
_M4 = np.uint64(0x0F0F0F0F0F0F0F0F)
_ZERO, _ONE, _TWO, _FOUR, _LAST = (np.uint64(n) for n in (0, 1, 2, 4, 63))
_8, _16, _32, _BYTE = (np.uint64(n) for n in (8, 16, 32, 0xFF))


@kernel
def _ones(word: np.uint64) -> np.uint64:
    """Count the bits set in one word (by adding neighbours; no multiplication, which would overflow)."""
    pairs = word - ((word >> _ONE) & _M1)
    nibbles = (pairs & _M2) + ((pairs >> _TWO) & _M2)
    total = (nibbles + (nibbles >> _FOUR)) & _M4
    total = total + (total >> _8)
    total = total + (total >> _16)
    return (total + (total >> _32)) & _BYTE


@kernel
def _part(first: int, end: int, index: int) -> np.uint64:
    """Select the channels `first` to `end` - 1 within word `index`."""
    mask = _ALL
    if index == first >> 6:
        mask = mask & (_ALL << np.uint64(first & 63))
    if index == (end - 1) >> 6:
        mask = mask & (_ALL >> (_LAST - np.uint64((end - 1) & 63)))
    return mask


@kernel
def tile_vectors(words: NDArray[np.uint64], bounds: NDArray[np.int64], fold: int, out: NDArray[np.int64]) -> None:
    """For each tile of channels, count the pixels that need it and the folds that hold such pixels.

    Parameters
    ----------
    words
        uint64 (pixels, words).
    bounds
        int64 (tiles, 2): first channel and end of each tile.
    fold
        Pixels of a fold, in the order of `words`.
    out
        int64 (tiles, 3), overwritten: pixels with any bit set in the tile; folds with any such pixel; and, summed
        over the folds, v · (v - 1) / 2 for v such pixels (hops of v results that leave through one another).
    """
    pixels = words.shape[0]
    for t in range(bounds.shape[0]):
        first, end = bounds[t, 0], bounds[t, 1]
        low, high = first >> 6, (end - 1) >> 6
        low_mask, high_mask = _part(first, end, low), _part(first, end, high)
        needed, folds, hops = 0, 0, 0
        for start in range(0, pixels, fold):
            inside = 0
            for pixel in range(start, min(start + fold, pixels)):
                seen = words[pixel, low] & low_mask
                if high > low:
                    for w in range(low + 1, high):
                        seen = seen | words[pixel, w]
                    seen = seen | (words[pixel, high] & high_mask)
                inside += 1 if seen != _ZERO else 0
            needed += inside
            folds += 1 if inside else 0
            hops += inside * (inside - 1) // 2
        out[t, 0] = needed
        out[t, 1] = folds
        out[t, 2] = hops


@kernel
def issued_outputs(words: NDArray[np.uint64], bounds: NDArray[np.int64], groups: int, out: NDArray[np.int32]) -> None:
    """Count the outputs computed at each pixel when a tile of channels is computed wholly or not at all.

    Parameters
    ----------
    words
        uint64 (pixels, words).
    bounds
        int64 (tiles, 2): first channel and end of each tile; the same number of tiles in each group, in order.
    groups
        Number of groups.
    out
        int32 (pixels, groups), overwritten.
    """
    pixels = words.shape[0]
    tiles = bounds.shape[0] // groups
    out[:] = 0
    for t in range(bounds.shape[0]):
        first, end = bounds[t, 0], bounds[t, 1]
        low, high = first >> 6, (end - 1) >> 6
        low_mask, high_mask = _part(first, end, low), _part(first, end, high)
        for pixel in range(pixels):
            seen = words[pixel, low] & low_mask
            if high > low:
                for w in range(low + 1, high):
                    seen = seen | words[pixel, w]
                seen = seen | (words[pixel, high] & high_mask)
            if seen != _ZERO:
                out[pixel, t // tiles] += end - first


@kernel
def tile_filters(words: NDArray[np.uint64], tile: int, size: int, out: NDArray[np.int64]) -> None:
    """For each tile of pixels and each group, count the channels that at least one pixel of the tile needs.

    Parameters
    ----------
    words
        uint64 (pixels, words).
    tile
        Pixels of a tile, in the order of `words`; the last tile may have fewer.
    size
        Channels of a group.
    out
        int64 (tiles, groups), overwritten.
    """
    pixels, width = words.shape
    tiles, groups = out.shape
    seen = np.empty(width, dtype=np.uint64)
    for t in range(tiles):
        seen[:] = _ZERO
        for pixel in range(t * tile, min((t + 1) * tile, pixels)):
            for w in range(width):
                seen[w] |= words[pixel, w]
        for g in range(groups):
            first, end = g * size, (g + 1) * size
            total = 0
            for w in range(first >> 6, ((end - 1) >> 6) + 1):
                total += int(_ones(seen[w] & _part(first, end, w)))
            out[t, g] = total


@kernel
def reorder_channels(words: NDArray[np.uint64], order: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    """Put channel ``order[k]`` of `words` at place k of `out`.

    Parameters
    ----------
    words
        uint64 (pixels, words).
    order
        int64 (channels,): a permutation.
    out
        uint64 (pixels, words), overwritten.
    """
    out[:] = _ZERO
    for pixel in range(words.shape[0]):
        for k in range(order.shape[0]):
            source = order[k]
            bit = (words[pixel, source >> 6] >> np.uint64(source & 63)) & _ONE
            out[pixel, k >> 6] |= bit << np.uint64(k & 63)


@kernel
def channel_counts(words: NDArray[np.uint64], out: NDArray[np.int64]) -> None:
    """Count the pixels at which each channel's bit is set.

    Parameters
    ----------
    words
        uint64 (pixels, words).
    out
        int64 (channels,), overwritten.
    """
    out[:] = 0
    for pixel in range(words.shape[0]):
        for k in range(out.shape[0]):
            out[k] += int((words[pixel, k >> 6] >> np.uint64(k & 63)) & _ONE)
