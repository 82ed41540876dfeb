"""Which vectors a rigid array must issue: for each tile, how many have at least one demanded output.

Maps come as 64-bit words, (words, pixels): channel k is bit ``k % 64`` (from the least significant) of word
``k // 64``. Pixels are innermost, so that what is done to all of them vectorises.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.popcount import popcount

# Mixed with Python's signed integers, uint64 would become float64; hence the typed constants.
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO, _ONE, _LAST = (np.uint64(n) for n in (0, 1, 63))


@helper
def _part(first: int, end: int, index: int) -> np.uint64:
    """Select the channels `first` to `end` - 1 within word `index`."""
    mask = _ALL
    if index == first >> 6:
        mask = mask & (_ALL << np.uint64(first & 63))
    if index == (end - 1) >> 6:
        mask = mask & (_ALL >> (_LAST - np.uint64((end - 1) & 63)))
    return mask


@helper
def _mark(words: NDArray[np.uint64], first: int, end: int, out: NDArray[np.bool_]) -> None:
    """Set ``out[pixel]`` where any of the channels `first` to `end` - 1 is set, and clear it elsewhere."""
    low, high = first >> 6, (end - 1) >> 6
    mask = _part(first, end, low)
    for pixel in range(out.shape[0]):
        out[pixel] = (words[low, pixel] & mask) != _ZERO
    for index in range(low + 1, high + 1):
        mask = _part(first, end, index)
        for pixel in range(out.shape[0]):
            out[pixel] |= (words[index, pixel] & mask) != _ZERO


@kernel
def tile_vectors(words: NDArray[np.uint64], bounds: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Count the pixels with at least one bit set in each tile of channels.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    bounds
        int64 (tiles, 2): first channel and end of each tile.
    out
        int64 (tiles,), overwritten.
    """
    marks = np.empty(words.shape[1], dtype=np.bool_)
    for t in range(bounds.shape[0]):
        _mark(words, bounds[t, 0], bounds[t, 1], marks)
        vectors = 0
        for pixel in range(marks.shape[0]):
            vectors += 1 if marks[pixel] else 0
        out[t] = vectors


@kernel
def tile_folds(words: NDArray[np.uint64], bounds: NDArray[np.int64], rows: int, out: NDArray[np.int64]) -> None:
    """For each tile of channels, count the folds of `rows` pixels, in order, that hold a pixel with a bit set in it.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    bounds
        int64 (tiles, 2): first channel and end of each tile.
    rows
        Pixels of a fold; the last fold may have fewer.
    out
        int64 (tiles, 2), overwritten: folds with at least one such pixel; and v · (v - 1) / 2 summed
        over the folds, v being those pixels (the hops of v results that leave through one another).
    """
    pixels = words.shape[1]
    marks = np.empty(pixels, dtype=np.bool_)
    for t in range(bounds.shape[0]):
        _mark(words, bounds[t, 0], bounds[t, 1], marks)
        folds, hops = 0, 0
        for start in range(0, pixels, rows):
            inside = 0
            for pixel in range(start, min(start + rows, pixels)):
                inside += 1 if marks[pixel] else 0
            folds += 1 if inside else 0
            hops += inside * (inside - 1) // 2
        out[t, 0] = folds
        out[t, 1] = hops


@kernel
def issued_outputs(words: NDArray[np.uint64], bounds: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """Count the outputs computed at each pixel when a tile of channels is computed wholly or not at all.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    bounds
        int64 (tiles, 2): first channel and end of each tile; the same number of tiles in each group, in order.
    out
        int32 (groups, pixels), overwritten.
    """
    tiles = bounds.shape[0] // out.shape[0]
    marks = np.empty(words.shape[1], dtype=np.bool_)
    out[:] = 0
    for t in range(bounds.shape[0]):
        _mark(words, bounds[t, 0], bounds[t, 1], marks)
        size = np.int32(bounds[t, 1] - bounds[t, 0])
        row = out[t // tiles]
        for pixel in range(marks.shape[0]):
            row[pixel] += size if marks[pixel] else np.int32(0)


@helper
def _marked_channels(
    words: NDArray[np.uint64], marks: NDArray[np.bool_], first: int, end: int, start: int, stop: int
) -> int:
    """Count the channels `first` to `end` - 1 with a bit set at any marked pixel from `start` to `stop` - 1."""
    total = 0
    for w in range(first >> 6, ((end - 1) >> 6) + 1):
        seen = _ZERO
        for pixel in range(start, stop):
            seen |= words[w, pixel] if marks[pixel] else _ZERO
        total += popcount(seen & _part(first, end, w))
    return total


@kernel
def tile_filters(
    words: NDArray[np.uint64],
    cols: int,
    size: int,
    crossed: bool,
    out: NDArray[np.int64],
    issued: NDArray[np.int32],
) -> None:
    """Tile the pixels with a demanded output in each group, in order, and count the channels that each tile issues.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    cols
        Pixels of a tile.
    size
        Channels of a group.
    crossed
        Whether a tile takes the next `cols` such pixels, or those among its own `cols` in the map.
    out
        int64 (groups, tiles, 2), overwritten: channels with a bit set at any pixel of the tile, and the tile's
        pixels; 0 where there is no such tile.
    issued
        int32 (groups, pixels), overwritten with the channels computed at each pixel; or (0, 0) if not wanted.
    """
    pixels = words.shape[1]
    groups = out.shape[0]
    marks = np.empty(pixels, dtype=np.bool_)
    out[:] = 0
    issued[:] = 0
    for g in range(groups):
        _mark(words, g * size, (g + 1) * size, marks)
        start, inside, tile = 0, 0, 0
        for pixel in range(pixels):
            inside += 1 if marks[pixel] else 0
            full = inside == cols if crossed else pixel + 1 - start == cols
            if not full and pixel + 1 < pixels:
                continue
            channels = _marked_channels(words, marks, g * size, (g + 1) * size, start, pixel + 1)
            out[g, tile, 0] = channels
            out[g, tile, 1] = inside
            if issued.shape[0]:
                for inner in range(start, pixel + 1):
                    issued[g, inner] = channels if marks[inner] else 0
            start, inside, tile = pixel + 1, 0, tile + 1


@kernel
def reorder_channels(words: NDArray[np.uint64], order: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    """Put channel ``order[k]`` of `words` at place k of `out`.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    order
        int64 (channels,): a permutation.
    out
        uint64 (words, pixels), overwritten.
    """
    out[:] = _ZERO
    for k in range(order.shape[0]):
        take, put = words[order[k] >> 6], out[k >> 6]
        down, up = np.uint64(order[k] & 63), np.uint64(k & 63)
        for pixel in range(take.shape[0]):
            put[pixel] |= ((take[pixel] >> down) & _ONE) << up


@kernel
def channel_counts(words: NDArray[np.uint64], out: NDArray[np.int64]) -> None:
    """Count the pixels at which each channel's bit is set.

    Parameters
    ----------
    words
        uint64 (words, pixels).
    out
        int64 (channels,), overwritten.
    """
    for k in range(out.shape[0]):
        row, down = words[k >> 6], np.uint64(k & 63)
        total = _ZERO
        for pixel in range(row.shape[0]):
            total += (row[pixel] >> down) & _ONE
        out[k] = total
