"""Walks over the tiles of a systolic stage: what DRAM moves for each, and the folds that each is divided into.

The readable forms, on whole arrays, are in ``tests/reference/systolic_tiles.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

Ints = NDArray[np.int64]

IFMAP, FILTERS, AT_ONCE, SPILLED = range(4)
"""Rows of the tables of words; AT_ONCE: 1 if all filters of a tile come before its first fold."""


@kernel
def _stream(used: Ints, held: Ints, tile: Ints, group: Ints, count: int, out: Ints) -> None:
    """Count the words of an operand read for each tile: no more than it uses, nor than a group or round ever needs.

    `count` is 0 if the operand is read once per group, or else the tiles of a round, each of which reads it anew. A
    group or round needs at most the largest number of `held` words of its tiles.
    """
    first = 0
    while first < len(used):
        end, most = first, 0
        last_tile = (tile[first] // count + 1) * count if count else 0
        while end < len(used) and group[end] == group[first] and (count == 0 or tile[end] < last_tile):
            most = max(most, held[end])
            end += 1
        before = 0
        for at in range(first, end):
            after = before + used[at]
            out[at] = min(after, most) - min(before, most)
            before = after
        first = end


@kernel
def whole_operands(
    tile: Ints, group: Ints, cols: Ints, vectors: Ints, folds: Ints, numbers: Ints, out: Ints
) -> tuple[int, bool]:
    """Count what DRAM moves for each tile of a stage without blocks; return free words, and whether what streams stays.

    Parameters
    ----------
    tile, group, cols, vectors, folds
        int64 (tiles,): :class:`zapsim.arrays.systolic.work.Work`.
    numbers
        int64 (9,): 1 if psums are stationary; 1 if filters are (or stream along the columns); depth of a column tile
        (T if psums are stationary, else Sr); folds along the rows; words of the ifmap and of filters, of a group; words
        of the buffer (less those of the array, if an operand is stationary); arrays side by side; tiles of the layer.
    out
        int64 (4, tiles), overwritten: rows as named above.
    """
    by_psums, by_filters, depth, row_folds, ifmap_words, filter_words, room, count = numbers[:8]
    beside = min(count, numbers[8])
    tiles = len(tile)
    used, held = np.empty(tiles, dtype=np.int64), np.empty(tiles, dtype=np.int64)
    out[:] = 0
    if by_psums:
        most = 0
        for at in range(tiles):
            most = max(most, cols[at])
        free_words = room - depth * beside * most
        stays = ifmap_words <= free_words
        for at in range(tiles):
            per_tile = cols[at] * depth
            out[AT_ONCE, at] = 1 if beside * per_tile <= room else 0
            out[FILTERS, at] = per_tile if out[AT_ONCE, at] else per_tile * folds[at]
            used[at], held[at] = vectors[at] * depth, ifmap_words
        _stream(used, held, tile, group, 0 if stays else count, out[IFMAP])
        return free_words - ifmap_words if stays else free_words, stays
    most = 0
    for at in range(tiles):
        psums = vectors[at] * cols[at] if row_folds > 1 else 0
        if beside * psums > room:
            out[SPILLED, at] = psums * (row_folds - 1)
        if out[SPILLED, at] == 0:
            most = max(most, psums)
    free_words = room - beside * most
    streamed, stationary = (ifmap_words, filter_words) if by_filters else (filter_words, ifmap_words)
    streams, stays_put = (IFMAP, FILTERS) if by_filters else (FILTERS, IFMAP)
    stays = streamed <= free_words
    for at in range(tiles):
        used[at], held[at] = vectors[at] * depth, streamed
    _stream(used, held, tile, group, 0 if stays else count, out[streams])
    for at in range(tiles):
        used[at], held[at] = cols[at] * depth, stationary
    _stream(used, held, tile, group, 0, out[stays_put])
    return free_words - streamed if stays else free_words, stays


@kernel
def blocked_operands(
    tile: Ints, group: Ints, cols: Ints, vectors: Ints, blocks: Ints, numbers: Ints, out: Ints
) -> None:
    """Count what DRAM moves for each tile of a weight- or input-stationary stage whose mapping says what stays.

    A block of pixels reads its part of the ifmap and, once more, the rows that it shares with its neighbours. What is
    stationary is read anew for each block if the tile's does not stay.

    Parameters
    ----------
    tile, group, cols, vectors, blocks
        int64 (tiles,): :class:`zapsim.arrays.systolic.work.Work`.
    numbers
        int64 (10,): 1 if filters are stationary; Sr; folds along the rows; words of the ifmap and of filters, of a
        group; words of the ifmap rows that neighbouring blocks share; 1 if the buffer holds what streams; 1 if it holds
        the stationary operand of a tile; 1 if it holds the psums of a block; arrays side by side.
    out
        int64 (4, tiles), overwritten: rows as named above.
    """
    by_filters, depth, row_folds, ifmap_words, filter_words, shared, streams_stay, tile_stays, psums_stay = numbers[:9]
    count = numbers[9]
    tiles = len(tile)
    used, held = np.empty(tiles, dtype=np.int64), np.empty(tiles, dtype=np.int64)
    out[:] = 0
    streamed, stationary = (ifmap_words, filter_words) if by_filters else (filter_words, ifmap_words)
    streams, stays_put = (IFMAP, FILTERS) if by_filters else (FILTERS, IFMAP)
    for at in range(tiles):
        used[at], held[at] = vectors[at] * depth, streamed
        if by_filters and not streams_stay and blocks[at] > 1:
            of_block = min(-(-ifmap_words // blocks[at]) + shared, ifmap_words)
            held[at] = blocks[at] * of_block
        if not psums_stay:
            out[SPILLED, at] = vectors[at] * cols[at] * (row_folds - 1)
    _stream(used, held, tile, group, 0 if streams_stay else count, out[streams])
    for at in range(tiles):
        used[at], held[at] = cols[at] * depth, stationary
    _stream(used, held, tile, group, 0, out[stays_put])
    if not tile_stays:
        for at in range(tiles):
            out[stays_put, at] += (blocks[at] - 1) * min(used[at], stationary)


@kernel
def _spread(total: int, count: int, first: int, step: int, out: Ints) -> None:
    """Add `total` to `count` places of `out`, every `step`-th from `first` on, as evenly as whole numbers allow."""
    quotient, remainder, error = total // count, total % count, 0
    for place in range(first, first + count * step, step):
        error += remainder
        out[place] += quotient
        if error >= count:
            error -= count
            out[place] += 1


@kernel
def fold_table(
    folds: Ints,
    parts: Ints,
    pieces: Ints,
    ends: Ints,
    cycles: Ints,
    outputs: Ints,
    block: Ints,
    words: Ints,
    by_pixels: bool,
    out: Ints,
) -> None:
    """Divide tiles into the folds, or pieces of folds, that the timeline tells apart.

    What a tile takes is spread evenly over its parts; the operand that is stationary comes before a fold's first piece.
    Psums that do not fit go to DRAM after every part but a tile's last, and come back before every one but its first.

    Parameters
    ----------
    folds, parts, pieces
        int64 (tiles,): folds of each tile; into how many parts it is divided; pieces of a fold.
    ends
        int64 (tiles,): how many of its folds (or blocks) finish outputs, piece by piece.
    cycles, outputs, block
        int64 (tiles,): cycles; outputs; block.
    words
        int64 (4, tiles): words as :func:`whole_operands` returns them.
    by_pixels
        Whether pixels are stationary.
    out
        int64 (7, parts), overwritten: rows of :class:`zapsim.arrays.tiles.Tiles`.
    """
    out[:] = 0
    start = 0
    for tile in range(len(folds)):
        count, of_fold = parts[tile], pieces[tile]
        _spread(cycles[tile], count, start, 1, out[0])
        # Evenly over all parts, or over the first pieces of all folds.
        even, at_first = (2, 1) if by_pixels else (1, 2)
        streams, stays = words[FILTERS if by_pixels else IFMAP, tile], words[IFMAP if by_pixels else FILTERS, tile]
        if words[AT_ONCE, tile]:  # filters
            out[2, start] += words[FILTERS, tile]
            streams, stays = (0, stays) if by_pixels else (streams, 0)
        _spread(streams, count, start, 1, out[even])
        if of_fold == 1:
            _spread(stays, count, start, 1, out[at_first])
        else:
            _spread(stays, folds[tile], start, of_fold, out[at_first])
        spilled = words[SPILLED, tile]
        if spilled:
            _spread(spilled, max(count - 1, 1), start, 1, out[4])
            _spread(spilled, max(count - 1, 1), start + (1 if count > 1 else 0), 1, out[3])
        _finish(outputs[tile], ends[tile], of_fold, start, count, out[5])
        for part in range(start, start + count):
            out[6, part] = block[tile]
        start += count


@kernel
def _finish(outputs: int, ends: int, pieces: int, start: int, count: int, out: Ints) -> None:
    """Let outputs leave the array with the last fold of each block, the last piece first."""
    before = 0
    for number in range(1, ends + 1):
        reached = number * outputs // ends
        of_end, last = reached - before, start - (-number * count // ends) - 1
        for piece in range(pieces):
            out[last - piece] += (piece + 1) * of_end // pieces - piece * of_end // pieces
        before = reached
