"""The folds of a systolic stage one after another, with what DRAM brings for tiles.

SCALE-Sim's order: tile after tile, all folds of a tile before the next tile. The buffer holds first what stays on the
array, then the psums of a tile, then the operand that every tile streams (docs/models/systolic.md). A mapping with
blocks says itself what the buffer holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zapsim.arrays.systolic.dram_words import DramWords, dram_words
from zapsim.arrays.systolic.mapping import SystolicMapping
from zapsim.arrays.systolic.pace import Pace, tile_cycles
from zapsim.arrays.systolic.tile_kernels import AT_ONCE, fold_table
from zapsim.arrays.systolic.work import Counters, Work, one_by_one
from zapsim.arrays.tiles import Tiles, shared_out
from zapsim.kernels.shares import share_out
from zapsim.workload import ConvShape

FEW_FOLDS, MOST_PIECES = 2**10, 2**4
"""A mapping with blocks divides its folds into up to so many pieces, as long as the layer has no more than so many."""

MOST_TILES = 2**12
"""Folds that are told apart; in a stage with more, neighbouring folds of a tile become one."""


def fold_tiles(
    shape: ConvShape,
    mapping: SystolicMapping,
    work: Work,
    pace: Pace,
    pixels: int,
    glb_words: int,
    ifmap_coded_words: int | None,
) -> Tiles:
    """List every fold of the stage that has work, in order; those that arrays run side by side are one.

    What a tile takes is spread evenly over its folds. In a layer that is counted from cycle 0, as SCALE-Sim counts it,
    the first fold has one cycle less.

    Parameters
    ----------
    shape, mapping, work
        The layer, on the array, and the tiles of the stage.
    pace
        Cycles of the stage.
    pixels
        Pixels that the stage puts on the array, with a demanded output or not.
    glb_words
        Words that the on-chip buffer holds.
    ifmap_coded_words
        Words of the whole ifmap as DRAM holds it; None: as they are.
    """
    count = mapping.array.count
    tiles = _side_by_side(shape, mapping, one_by_one(work), glb_words)
    words, pieces = tiles.words, tiles.pieces
    parts = tiles.folds * pieces
    total = int(parts.sum())
    if total > MOST_TILES:  # each tile has its share of those that are told apart
        pieces, parts = np.ones_like(parts), np.maximum(parts * MOST_TILES // total, 1)
    by_pixels = mapping.array.dataflow == "input-stationary"
    in_group = -(-pixels // mapping.array.cols) if by_pixels else mapping.col_folds
    block = (tiles.tile // mapping.col_folds * in_group + tiles.tile % mapping.col_folds) // count
    blocks = -(-mapping.groups * in_group // count)
    cycles = tiles.cycles
    if mapping.drifts and count > 1:  # rounds run into each other
        cycles = shared_out(pace.cycles.total, cycles)
    elif len(cycles):  # what a stage takes once, and counting from 0
        cycles[0] += pace.cycles.total - int(cycles.sum())
    by_rows = mapping.array.dataflow == "output-stationary" and mapping.array.blocking == "searched"
    ends = np.minimum(tiles.folds, parts) if by_rows else tiles.blocks
    table = np.empty((7, int(parts.sum())), dtype=np.int64)
    fold_table(tiles.folds, parts, pieces, ends, cycles, tiles.outputs, block, words.table, by_pixels, table)
    if ifmap_coded_words is not None:
        ifmap = table[1]
        share_out(-(-int(ifmap.sum()) * ifmap_coded_words // shape.ifmap_words), ifmap, ifmap)
    return Tiles(
        table,
        blocks=blocks,
        reach=pixel_reach(shape, mapping.groups, in_group, count) if by_pixels else np.arange(blocks, dtype=np.int64),
        visits=-(-in_group // count) if by_pixels else 1,
        free_words=max(words.free_words, 0),
        ifmap_apart=windows_apart(shape),
        ifmap_stays=words.ifmap_stays,
        filters_stay=words.filters_stay,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rounds:
    """What runs at a time, one tile or those of all arrays side by side: int64 (rounds,) each, and their words."""

    tile: Counters
    folds: Counters
    blocks: Counters
    pieces: Counters
    cycles: Counters
    outputs: Counters
    words: DramWords


def _side_by_side(shape: ConvShape, mapping: SystolicMapping, tiles: Work, glb_words: int) -> _Rounds:
    """Merge the tiles of each round: its folds are those of its longest tile."""
    words = dram_words(shape, mapping, tiles, glb_words)
    longest = (tiles.folds, tiles.blocks, _pieces(mapping, tiles), tile_cycles(mapping, tiles))
    outputs = tiles.vectors * tiles.cols
    if mapping.array.count == 1 or not len(outputs):
        return _Rounds(tiles.tile, *longest, outputs, words)
    starts = np.flatnonzero(np.diff(tiles.tile // mapping.array.count, prepend=-1))
    table = np.add.reduceat(words.table, starts, axis=1)
    table[AT_ONCE] = words.table[AT_ONCE, starts]
    words = replace(words, table=table)
    folds, blocks, pieces, cycles = (np.maximum.reduceat(values, starts) for values in longest)
    return _Rounds(tiles.tile[starts], folds, blocks, pieces, cycles, np.add.reduceat(outputs, starts), words)


def _pieces(mapping: SystolicMapping, tiles: Work) -> Counters:
    """Divide the folds of each tile where there are few, because words pass DRAM while vectors stream.

    A piece has equally many vectors in every stage of a layer.
    """
    size = piece_size(mapping)
    if not size:
        return np.ones_like(tiles.folds)
    return np.asarray(-(-tiles.vectors // (tiles.blocks * size)), dtype=np.int64)


def piece_size(mapping: SystolicMapping) -> int:
    """Count the vectors of a piece; 0: folds are not divided."""
    if mapping.blocking is None:
        return 0
    return max(-(-mapping.T // mapping.blocks // min(max(FEW_FOLDS // mapping.folds, 1), MOST_PIECES)), 1)


def windows_apart(shape: ConvShape) -> bool:
    """Tell whether no ifmap word serves two ofmap pixels."""
    return all(
        stride >= dilation * (taps - 1) + 1
        for stride, dilation, taps in zip(shape.stride, shape.dilation, (shape.R, shape.S), strict=True)
    )


def pixel_reach(shape: ConvShape, groups: int, in_group: int, count: int) -> Counters:
    """Return the last block whose outputs the predictor sees, of tiles that share a group's pixels evenly.

    A block has `count` tiles.
    """
    tiles = groups * in_group
    block = np.minimum(np.arange(count - 1, tiles + count - 1, count, dtype=np.int64), tiles - 1)  # its last tile
    window = 2 * shape.Q + 2  # pixels from an output to the last one that its 5×5 window sees
    below = -(-window * in_group // (shape.N * shape.P * shape.Q))
    last = block - block % in_group + in_group - 1
    return np.asarray(np.minimum(block + below, last) // count, dtype=np.int64)
