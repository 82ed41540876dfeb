"""The folds of a systolic stage one after another, with what DRAM brings for each.

SCALE-Sim's order: tile after tile, all folds of a tile before the next tile. Room in the buffer goes first to what
stays on the array, then to the psums of a tile, then to the operand that every tile streams (docs/models/systolic.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.systolic.mapping import SystolicMapping, ramp_cycles
from zapsim.arrays.systolic.work import Counters, Work
from zapsim.arrays.tiles import Tiles, even_shares, shared_out
from zapsim.workload import ConvShape

MOST_TILES = 2**12
"""Folds that are told apart; in a stage with more, neighbouring folds of a tile become one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """DRAM words of each tile of the array, and the buffer's room that is left; ``at_once``: filters before a tile."""

    ifmap: Counters
    filters: Counters
    filters_at_once: NDArray[np.bool_]
    spilled: Counters
    room: int
    ifmap_stays: bool = False
    filters_stay: bool = False


def fold_tiles(
    shape: ConvShape, mapping: SystolicMapping, work: Work, pixels: int, glb_words: int, ifmap_coded_words: int | None
) -> Tiles:
    """Return every fold of the stage that has work, in order.

    What a tile takes is spread evenly over its folds. Cycles are counted from cycle 0, as SCALE-Sim counts a layer:
    the first fold has one less.

    Parameters
    ----------
    shape, mapping, work
        The layer, on the array, and the tiles of the stage.
    pixels
        Pixels that the stage puts on the array, needed or not.
    glb_words
        Words that the on-chip buffer holds.
    ifmap_coded_words
        Words of the whole ifmap as DRAM holds it; None: as they are.
    """
    each = _one_by_one(work)
    words = _dram_words(shape, mapping, each, glb_words)
    total = int(each.folds.sum())
    parts = each.folds if total <= MOST_TILES else np.maximum(each.folds * MOST_TILES // total, 1)
    first = np.zeros(int(parts.sum()), dtype=np.int64)
    first[np.cumsum(parts) - parts] = 1
    ifmap = even_shares(words.ifmap, parts)
    if ifmap_coded_words is not None:
        ifmap = shared_out(-(-int(ifmap.sum()) * ifmap_coded_words // shape.ifmap_words), ifmap)
    filters = even_shares(np.where(words.filters_at_once, 0, words.filters), parts)
    filters[first == 1] += np.where(words.filters_at_once, words.filters, 0)
    at_end = np.roll(first, -1) == 1
    between = np.maximum(parts - 1, 1)
    spilled = even_shares(words.spilled, between)
    written, read = (np.zeros_like(first) for _ in range(2))
    written[~at_end | _alone(parts)] = spilled
    read[(first == 0) | _alone(parts)] = spilled
    outputs = np.zeros_like(first)
    outputs[at_end] = each.vectors * each.cols
    by_pixels = mapping.array.dataflow == "input-stationary"
    in_group = -(-pixels // mapping.array.cols) if by_pixels else mapping.col_folds
    block = each.tile // mapping.col_folds * in_group + each.tile % mapping.col_folds
    blocks = mapping.groups * in_group
    return Tiles(
        cycles=even_shares(_tile_cycles(mapping, each), parts),
        ifmap_words=ifmap,
        filter_words=filters,
        psum_words=read,
        spilled_words=written,
        outputs=outputs,
        block=np.repeat(block, parts),
        blocks=blocks,
        reach=_reach(shape, in_group, blocks) if by_pixels else np.arange(blocks, dtype=np.int64),
        visits=in_group if by_pixels else 1,
        room=max(words.room, 0),
        ifmap_stays=words.ifmap_stays,
        filters_stay=words.filters_stay,
    )


def _alone(parts: Counters) -> NDArray[np.bool_]:
    """Return which entries are the only one of their tile."""
    return np.repeat(parts == 1, parts)


def _one_by_one(work: Work) -> Work:
    """Return the work with an entry for every tile, also for those that are alike."""
    if (work.alike == 1).all():
        return work
    before = np.cumsum(work.alike) - work.alike
    tile = np.repeat(work.tile - before, work.alike) + np.arange(int(work.alike.sum()))
    rest = (work.group, work.cols, work.vectors, work.folds, work.row_pairs)
    return Work(np.ones_like(tile), tile, *(np.repeat(values, work.alike) for values in rest))


def _tile_cycles(mapping: SystolicMapping, each: Work) -> Counters:
    """Return the cycles of each tile; together, those of the stage."""
    if mapping.array.dataflow == "output-stationary":
        streamed, used_rows = each.folds * mapping.T, each.vectors
    else:
        streamed, used_rows = each.folds * each.vectors, np.full_like(each.cols, mapping.Sr)
    cycles = streamed + ramp_cycles(mapping.array, each.folds, used_rows, each.folds * each.cols)
    if len(cycles):
        cycles[0] -= 1
    return cycles


def _reach(shape: ConvShape, in_group: int, blocks: int) -> Counters:
    """Return the last block whose outputs the predictor sees, of blocks that share a group's pixels evenly."""
    block = np.arange(blocks, dtype=np.int64)
    window = 2 * shape.Q + 2  # pixels from an output to the last one that its 5×5 window sees
    below = -(-window * in_group // (shape.N * shape.P * shape.Q))
    last = block - block % in_group + in_group - 1
    return np.asarray(np.minimum(block + below, last), dtype=np.int64)


def _dram_words(shape: ConvShape, mapping: SystolicMapping, each: Work, glb_words: int) -> _Words:
    """Return what DRAM moves for each tile."""
    ifmap_words, filter_words = shape.ifmap_words // shape.groups, shape.filter_words // shape.groups
    none = np.zeros_like(each.cols)
    if mapping.array.dataflow == "output-stationary":
        per_tile = each.cols * mapping.T
        room = glb_words - mapping.T * int(each.cols.max(initial=0))
        fits, stays = per_tile <= glb_words, ifmap_words <= room
        ifmap = _streamed(each, each.vectors * mapping.T, ifmap_words, stays)
        filters = per_tile * np.where(fits, 1, each.folds)
        return _Words(ifmap, filters, fits, none, room - ifmap_words if stays else room, ifmap_stays=stays)
    psums = each.vectors * each.cols if mapping.row_folds > 1 else none
    room = glb_words - mapping.array.rows * mapping.array.cols
    spilled = np.where(psums > room, psums * (mapping.row_folds - 1), 0)
    room -= int(psums[spilled == 0].max(initial=0))
    by_filters = mapping.array.dataflow == "weight-stationary"
    streamed, stationary = (ifmap_words, filter_words) if by_filters else (filter_words, ifmap_words)
    stays = streamed <= room
    streams = _streamed(each, each.vectors * mapping.Sr, streamed, stays)
    held = _streamed(each, each.cols * mapping.Sr, stationary, True)
    ifmap, filters = (streams, held) if by_filters else (held, streams)
    left = room - streamed if stays else room
    return _Words(
        ifmap,
        filters,
        np.zeros(len(ifmap), dtype=np.bool_),
        spilled,
        left,
        stays and by_filters,
        stays and not by_filters,
    )


def _streamed(each: Work, per_tile: Counters, held: int, stays: bool) -> Counters:
    """Return the words of an operand read from DRAM for each tile: once a group if it `stays`, else once a tile.

    A pass never reads more than the `held` words that the operand has in DRAM, nor more than it uses.
    """
    if not stays:
        return np.minimum(per_tile, held)
    used = np.cumsum(per_tile)
    starts = np.flatnonzero(np.diff(each.group, prepend=-1))
    before_group = np.repeat((used - per_tile)[starts], np.diff(starts, append=len(used)))
    reached = np.minimum(used - before_group, held)
    return np.asarray(reached - np.minimum(used - before_group - per_tile, held), dtype=np.int64)
