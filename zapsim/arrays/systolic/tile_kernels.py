"""Walks over the tiles of a systolic stage: what DRAM moves for each, and the folds that each is divided into.

The readable forms, on whole arrays, are in ``tests/reference/systolic_tiles.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.shares import share_out

Ints = NDArray[np.int64]

IFMAP, FILTERS, AT_ONCE, SPILLED = range(4)
"""Rows of the tables of words; AT_ONCE: 1 if all filters of a tile come before its first fold."""


@helper
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


@helper
def _blocked_operands(
    tile: Ints, group: Ints, cols: Ints, vectors: Ints, blocks: Ints, numbers: Ints, out: Ints
) -> None:
    """Count what DRAM moves for each tile: see :func:`blocked_operands`."""
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
    _blocked_operands(tile, group, cols, vectors, blocks, numbers, out)


@helper
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


@helper
def _finish(outputs: int, ends: int, pieces: int, start: int, count: int, out: Ints) -> None:
    """Let outputs leave the array with the last fold of each block, the last piece first."""
    before = 0
    for number in range(1, ends + 1):
        reached = number * outputs // ends
        of_end, last = reached - before, start - (-number * count // ends) - 1
        for piece in range(pieces):
            out[last - piece] += (piece + 1) * of_end // pieces - piece * of_end // pieces
        before = reached


class Stage(NamedTuple):
    """What is the same for all tiles of a stage on one array.

    `by_psums`, `by_filters`: what is stationary. `rows`, `cols`: of the array. `Sr`, `T`, `row_folds`, `col_folds`: as
    in :class:`zapsim.arrays.systolic.mapping.SystolicMapping`. `given`: 1 if folds and pairs are given. `block_size`:
    vectors of a block (0: no blocks), `piece_size`: of a piece (0: no pieces). `overlapped_fill`, `overlapped_drain`,
    `full_folds`: settings of the array. `once`: cycles that a stage takes once. `in_group`: blocks of a group.
    `by_rows`: 1 if every fold finishes outputs. `most_tiles`: folds that are told apart. `coded`, `ifmap`: words of the
    whole ifmap as DRAM holds it (-1: as they are), and plain.
    """

    by_psums: int
    by_filters: int
    rows: int
    cols: int
    Sr: int
    T: int
    row_folds: int
    col_folds: int
    given: int
    block_size: int
    piece_size: int
    overlapped_fill: int
    overlapped_drain: int
    full_folds: int
    once: int
    in_group: int
    by_rows: int
    most_tiles: int
    coded: int
    ifmap: int


COMPUTE, RAMP, ACTIVE_PES, VECTORS, COL_BLOCKS, COL_PAIRS, COL_FOLDS, ISSUED, FREE_WORDS, STAYS = range(10)
"""What :func:`walk_stage` adds up: two kinds of cycles; the most PEs at work; sums over the tiles of vectors, columns ×
blocks, columns × pairs of rows, columns × folds, and vectors × columns; words of the buffer that stay free (if no
mapping says so); 1 if it holds all that streams."""


@helper
def _pairs(rows: int, vectors: int) -> int:
    """Sum r · (r - 1) / 2 over the folds that `vectors` fill on an array of `rows` rows."""
    full, rest = vectors // rows, vectors % rows
    return full * (rows * (rows - 1) // 2) + rest * (rest - 1) // 2


@helper
def _stage(x: Ints) -> Stage:
    """Give numbers their names."""
    return Stage(
        x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9],
        x[10], x[11], x[12], x[13], x[14], x[15], x[16], x[17], x[18], x[19],
    )  # fmt: skip


OWN = 12
"""Rows of what :func:`_tiles_with_work` says of each tile: tile, group, cols, vectors, blocks and folds; cycles; pieces
of a fold; parts; block; folds (or blocks) that finish outputs, which it leaves open; outputs."""


@helper
def _tiles_with_work(work: Ints, a: Stage, own: Ints, sums: Ints) -> int:
    """Time the tiles that have work, one after another; return how many parts they have.

    `own`, int64 (:data:`OWN`, tiles with work), is overwritten; so is `sums`, int64 (10,), but for words of the buffer.
    """
    tile, group, cols, vectors, blocks, folds = own[0], own[1], own[2], own[3], own[4], own[5]
    cycles, pieces, parts, block, outputs = own[6], own[7], own[8], own[9], own[11]
    at, taken, streamed, every_part = 0, 0, 0, 0
    for source in range(work.shape[1]):
        v = work[3, source]
        if v == 0:
            continue
        c = work[2, source]
        b = (v + a.block_size - 1) // a.block_size if a.block_size else 1
        if a.by_psums:
            f = work[4, source] if a.given else (v + a.rows - 1) // a.rows
            pairs = work[5, source] if a.given else _pairs(a.rows, v)
            streams, used_rows = f * a.T, v
            pes = min(v, a.rows) * c
        else:
            f, pairs = a.row_folds * b, _pairs(a.rows, a.Sr) * b
            streams, used_rows = a.row_folds * v, b * a.Sr
            pes = min(a.Sr, a.rows) * c
        used_cols = f * c
        if a.overlapped_fill:
            if a.by_psums:
                takes = f * max(a.T, a.rows)
            else:
                size = a.block_size if a.block_size else a.T
                last = v - (b - 1) * size
                takes = a.row_folds * ((b - 1) * max(size, a.rows) + max(last, a.rows))
        else:
            if a.full_folds:
                used_rows, used_cols = f * a.rows, f * a.cols
            takes = streams + (1 if a.overlapped_drain else 2) * used_rows + used_cols - 2 * f
        tile[at], group[at], cols[at], vectors[at], blocks[at], folds[at] = work[0, source], work[1, source], c, v, b, f
        cycles[at], outputs[at] = takes, v * c
        pieces[at] = (v + b * a.piece_size - 1) // (b * a.piece_size) if a.piece_size else 1
        parts[at] = f * pieces[at]
        block[at] = tile[at] // a.col_folds * a.in_group + tile[at] % a.col_folds
        every_part += parts[at]
        taken += takes
        streamed += streams
        sums[ACTIVE_PES] = max(sums[ACTIVE_PES], pes)
        sums[VECTORS] += v
        sums[COL_BLOCKS] += c * b
        sums[COL_PAIRS] += c * pairs
        sums[COL_FOLDS] += c * f
        sums[ISSUED] += v * c
        at += 1
    if at:
        total = taken + a.once
        sums[COMPUTE] = min(streamed, total)
        sums[RAMP] = total - sums[COMPUTE]
        cycles[0] += a.once  # what a stage takes once, and counting from 0
    return every_part


@helper
def _count_busy(work: Ints) -> int:
    """Count the tiles that have work."""
    busy = 0
    for at in range(work.shape[1]):
        busy += 1 if work[3, at] else 0
    return busy


@kernel
def weigh_blocks(work: Ints, choices: Ints) -> Ints:
    """Say what a dense layer takes with each of many uses of the buffer: int64 (choices, 4).

    Cycles on the array, and words of the ifmap, of filters and of spilled psums.

    Parameters
    ----------
    work
        int64 (6, tiles): as for :func:`walk_stage`.
    choices
        int64 (choices, 30): what :func:`walk_stage` takes as `numbers`, for each; all have blocks.
    """
    busy = _count_busy(work)
    own, words = np.empty((OWN, busy), dtype=np.int64), np.empty((4, busy), dtype=np.int64)
    out = np.zeros((len(choices), 4), dtype=np.int64)
    for choice in range(len(choices)):
        sums = np.zeros(10, dtype=np.int64)
        _tiles_with_work(work, _stage(choices[choice]), own, sums)
        _blocked_operands(own[0], own[1], own[2], own[3], own[4], choices[choice, 20:], words)
        out[choice, 0] = sums[COMPUTE] + sums[RAMP]
        for at in range(busy):
            out[choice, 1] += words[IFMAP, at]
            out[choice, 2] += words[FILTERS, at]
            out[choice, 3] += words[SPILLED, at]
    return out


@kernel
def walk_stage(work: Ints, numbers: Ints, sums: Ints) -> Ints:
    """Count cycles, words and tiles of a stage on one array.

    :mod:`zapsim.arrays.systolic.pace`, ``work`` and ``tiles`` are the readable pages of it, also for arrays side by
    side; a test holds both to the same numbers.

    Parameters
    ----------
    work
        int64 (6, tiles): tile, group, cols, vectors, folds and row_pairs of
        :class:`zapsim.arrays.systolic.work.Work`; tiles without vectors have no work.
    numbers
        int64: the fields of :class:`Stage`, and the numbers of the operands.
    sums
        int64 (10,), overwritten: see :data:`STAYS`.

    Returns
    -------
    table
        int64 (7, folds): rows of :class:`zapsim.arrays.tiles.Tiles`.
    """
    a = _stage(numbers)
    busy = _count_busy(work)
    own = np.empty((OWN, busy), dtype=np.int64)
    sums[:] = 0
    tile, group, cols, vectors, blocks, folds = own[0], own[1], own[2], own[3], own[4], own[5]
    cycles, pieces, parts, block, ends, outputs = own[6], own[7], own[8], own[9], own[10], own[11]
    every_part = _tiles_with_work(work, a, own, sums)
    if every_part > a.most_tiles:  # each tile has its share of those that are told apart
        before, every_part = every_part, 0
        for at in range(busy):
            pieces[at], parts[at] = 1, max(parts[at] * a.most_tiles // before, 1)
            every_part += parts[at]
    for at in range(busy):
        ends[at] = min(folds[at], parts[at]) if a.by_rows else blocks[at]
    words, operands = np.empty((4, busy), dtype=np.int64), numbers[20:]
    if a.block_size:
        _blocked_operands(tile, group, cols, vectors, blocks, operands, words)
        sums[STAYS] = operands[6]
    else:
        free_words, stays = whole_operands(tile, group, cols, vectors, folds, operands, words)
        sums[FREE_WORDS], sums[STAYS] = free_words, 1 if stays else 0
    table = np.empty((7, every_part), dtype=np.int64)
    by_pixels = not a.by_psums and not a.by_filters
    fold_table(folds, parts, pieces, ends, cycles, outputs, block, words, by_pixels, table)
    if a.coded >= 0:
        _share_coded(table[1], a.coded, a.ifmap)
    return table


@helper
def _share_coded(ifmap: Ints, coded: int, plain: int) -> None:
    """Let every tile have its share of the words that DRAM holds of a map of `plain` words."""
    words = 0 * plain
    for tile in range(len(ifmap)):
        words += ifmap[tile]
    share_out((words * coded + plain - 1) // plain, ifmap, ifmap)
