"""What DRAM moves for the tiles of a systolic stage, and their folds, on whole arrays: against the compiled walks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.systolic.mapping import Blocking, SystolicMapping
from zapsim.arrays.systolic.work import Counters, Work
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True, eq=False)
class DramWords:
    """DRAM words of each tile of the array, and the words of the buffer that stay free."""

    ifmap: Counters
    filters: Counters
    filters_at_once: NDArray[np.bool_]
    spilled: Counters
    free_words: int
    ifmap_stays: bool = False
    filters_stay: bool = False


def dram_words(shape: ConvShape, mapping: SystolicMapping, tiles: Work, glb_words: int) -> DramWords:
    """Count what DRAM moves for each tile, on whole arrays."""
    if mapping.blocking is not None:
        return _blocked_words(shape, mapping, mapping.blocking, tiles)
    ifmap_words, filter_words = shape.ifmap_words // shape.groups, shape.filter_words // shape.groups
    none = np.zeros_like(tiles.cols)
    count = mapping.array.count
    side_by_side = min(count, mapping.groups * mapping.col_folds)
    if mapping.array.dataflow == "output-stationary":
        per_tile = tiles.cols * mapping.T
        free_words = glb_words - mapping.T * side_by_side * int(tiles.cols.max(initial=0))
        fits, stays = side_by_side * per_tile <= glb_words, ifmap_words <= free_words
        ifmap = _streamed(tiles, tiles.vectors * mapping.T, ifmap_words, None if stays else count)
        filters = per_tile * np.where(fits, 1, tiles.folds)
        return DramWords(
            ifmap, filters, fits, none, free_words - ifmap_words if stays else free_words, ifmap_stays=stays
        )
    psums = tiles.vectors * tiles.cols if mapping.row_folds > 1 else none
    free_words = glb_words - mapping.array.pe_count  # what is left beside the operand that stays on the array
    spilled = np.where(side_by_side * psums > free_words, psums * (mapping.row_folds - 1), 0)
    free_words -= side_by_side * int(psums[spilled == 0].max(initial=0))
    by_filters = mapping.array.dataflow == "weight-stationary"
    streamed, stationary = (ifmap_words, filter_words) if by_filters else (filter_words, ifmap_words)
    stays = streamed <= free_words
    streams = _streamed(tiles, tiles.vectors * mapping.Sr, streamed, None if stays else count)
    held = _streamed(tiles, tiles.cols * mapping.Sr, stationary)
    ifmap, filters = (streams, held) if by_filters else (held, streams)
    free_words -= streamed if stays else 0
    return DramWords(
        ifmap,
        filters,
        np.zeros(len(ifmap), dtype=np.bool_),
        spilled,
        free_words,
        stays and by_filters,
        stays and not by_filters,
    )


def _blocked_words(shape: ConvShape, mapping: SystolicMapping, blocking: Blocking, tiles: Work) -> DramWords:
    """Count what DRAM moves for each tile of a weight- or input-stationary stage whose mapping says what stays.

    A block of pixels reads its part of the ifmap and, once more, the rows that it shares with its neighbours. What is
    stationary is read anew for each block if the tile's does not stay.
    """
    ifmap_words, filter_words = shape.ifmap_words // shape.groups, shape.filter_words // shape.groups
    by_filters = mapping.array.dataflow == "weight-stationary"
    if by_filters:
        streamed, stationary = ifmap_words, filter_words
        shared_rows = max(shape.dilation[0] * (shape.R - 1) + 1, shape.stride[0])
        of_block = np.minimum(-(-ifmap_words // tiles.blocks) + shared_rows * shape.W * shape.C_per_group, ifmap_words)
        held = np.where(tiles.blocks > 1, tiles.blocks * of_block, ifmap_words)
    else:
        streamed, stationary = filter_words, ifmap_words
        held = np.full_like(tiles.blocks, filter_words)
    used = tiles.vectors * mapping.Sr
    streams = (
        _streamed(tiles, used, streamed) if blocking.streams_stay else _streamed(tiles, used, held, mapping.array.count)
    )
    stays = _streamed(tiles, tiles.cols * mapping.Sr, stationary)
    if not blocking.tile_stays:
        stays += (tiles.blocks - 1) * np.minimum(tiles.cols * mapping.Sr, stationary)
    spilled = tiles.vectors * tiles.cols * (0 if blocking.psums_stay else mapping.row_folds - 1)
    ifmap, filters = (streams, stays) if by_filters else (stays, streams)
    return DramWords(
        ifmap,
        filters,
        np.zeros(len(tiles.cols), dtype=np.bool_),
        spilled,
        blocking.free_words,
        blocking.streams_stay and by_filters,
        blocking.streams_stay and not by_filters,
    )


def _streamed(tiles: Work, per_tile: Counters, held: int | Counters, count: int | None = None) -> Counters:
    """Count the words of an operand read from DRAM for each tile, which is never more than the tile uses.

    Once per group, or, with `count`, once for each round of so many tiles side by side: never more than the `held`
    words that the operand has in DRAM (int64 (tiles,), if that differs by tile).
    """
    used = np.cumsum(per_tile)
    new = np.diff(tiles.group, prepend=-1) != 0
    if count is not None:
        new |= np.diff(tiles.tile // count, prepend=-1) != 0
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=len(used))
    if not isinstance(held, int):
        held = np.repeat(np.maximum.reduceat(held, starts), lengths) if len(starts) else held
    before = np.repeat((used - per_tile)[starts], lengths)
    reached = np.minimum(used - before, held)
    return np.asarray(reached - np.minimum(used - before - per_tile, held), dtype=np.int64)


def even_shares(totals: Counters, parts: Counters) -> Counters:
    """Divide each total into its parts: the first i sum to floor(i · total / parts)."""
    ways = [[part * total // count for part in range(count + 1)] for total, count in zip(totals, parts, strict=True)]
    return np.array([share for way in ways for share in np.diff(way)], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """Tiles to divide: see :func:`zapsim.arrays.systolic.tile_kernels.fold_table`."""

    folds: Counters
    parts: Counters
    pieces: Counters
    ends: Counters
    cycles: Counters
    outputs: Counters
    block: Counters
    words: Counters
    by_pixels: bool


def fold_table(tiles: Folds) -> Counters:
    """Divide tiles into folds or pieces: int64 (7, parts)."""
    parts, pieces = tiles.parts, tiles.pieces
    in_ifmap, in_filters, at_once, in_psums = tiles.words
    first = np.zeros(int(parts.sum()), dtype=np.int64)
    first[np.cumsum(parts) - parts] = 1
    ifmap = _by_fold(in_ifmap, tiles) if tiles.by_pixels else even_shares(in_ifmap, parts)
    spread = np.where(at_once, 0, in_filters)
    filters = even_shares(spread, parts) if tiles.by_pixels else _by_fold(spread, tiles)
    filters[first == 1] += np.where(at_once, in_filters, 0)
    at_end, alone = np.roll(first, -1) == 1, np.repeat(parts == 1, parts)
    spilled = even_shares(in_psums, np.maximum(parts - 1, 1))
    written, read, outputs = (np.zeros_like(first) for _ in range(3))
    written[~at_end | alone] = spilled
    read[(first == 0) | alone] = spilled
    number = _count_up(tiles.ends) + 1
    before = np.repeat(np.cumsum(parts) - parts, tiles.ends)
    end = before - (-number * np.repeat(parts, tiles.ends) // np.repeat(tiles.ends, tiles.ends)) - 1
    of_end = np.repeat(pieces, tiles.ends)
    finished = even_shares(even_shares(tiles.outputs, tiles.ends), of_end)
    np.add.at(outputs, np.repeat(end, of_end) - _count_up(of_end), finished)
    block = np.repeat(tiles.block, parts)
    return np.stack([even_shares(tiles.cycles, parts), ifmap, filters, read, written, outputs, block])


def _by_fold(words: Counters, tiles: Folds) -> Counters:
    """Spread the words of each tile evenly over its folds; they come before a fold's first piece."""
    if (tiles.pieces == 1).all():
        return even_shares(words, tiles.parts)
    of_fold = np.repeat(tiles.pieces, tiles.folds)
    spread = np.zeros(int(tiles.parts.sum()), dtype=np.int64)
    spread[np.cumsum(of_fold) - of_fold] = even_shares(words, tiles.folds)
    return spread


def _count_up(lengths: Counters) -> Counters:
    """Count from 0 within each of the runs of `lengths`."""
    return np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
