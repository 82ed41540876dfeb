"""The work of a stage on a systolic array: its tiles, compacted to the vectors with a demanded output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.systolic import kernels
from zapsim.arrays.systolic.mapping import Count, SystolicMapping
from zapsim.tracefile.packed import PackedMap

Counters = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The tiles of a stage; a tile is what shares the array's columns within one group.

    All arrays are int64 (tiles,), and tiles without work are left out.

    Attributes
    ----------
    alike
        How many tiles the entry stands for.
    tile
        Number of the (first) tile among all of the layer.
    group
        Group of the tile.
    cols
        Columns that the tile uses: filters (weight- and output-stationary) or pixels (input-stationary).
    vectors
        Vectors that the tile issues, each on all its columns: pixels (weight- and output-stationary) or filters.
    blocks
        Blocks in which the vectors stream: the stationary operand enters the array anew for each.
    folds
        Folds of the tile, in all blocks.
    row_pairs
        r · (r - 1) / 2 summed over the tile's folds, r being the rows that a fold uses.
    """

    alike: Counters
    tile: Counters
    group: Counters
    cols: Counters
    vectors: Counters
    blocks: Counters
    folds: Counters
    row_pairs: Counters

    def total(self, per_tile: Counters) -> int:
        """Sum a quantity over all tiles."""
        return int((self.alike * per_tile).sum())

    @property
    def outputs(self) -> int:
        """Outputs that the array computes, demanded or not."""
        return self.total(self.vectors * self.cols)


def one_by_one(work: Work) -> Work:
    """Spell the work out: an entry for every tile, also for those that are alike."""
    if (work.alike == 1).all():
        return work
    before = np.cumsum(work.alike) - work.alike
    tile = np.repeat(work.tile - before, work.alike) + np.arange(int(work.alike.sum()))
    rest = (work.group, work.cols, work.vectors, work.blocks, work.folds, work.row_pairs)
    return Work(np.ones_like(tile), tile, *(np.repeat(values, work.alike) for values in rest))


def pairs(rows: int, vectors: Count) -> Count:
    """Sum r · (r - 1) / 2 over the folds that `vectors` fill, one after another, on an array of `rows` rows."""
    full, rest = vectors // rows, vectors % rows
    return full * (rows * (rows - 1) // 2) + rest * (rest - 1) // 2


def blocks_of(mapping: SystolicMapping, vectors: Counters) -> Counters:
    """Count the blocks in which `vectors` stream: each takes as many as there are, up to its size."""
    if mapping.blocking is None:
        return np.minimum(vectors, 1)
    return -(-vectors // mapping.blocking.vectors)


def dense_work(mapping: SystolicMapping) -> Work:
    """Build the tiles of a layer of which every output is computed: the full ones and the partial one."""
    array = mapping.array
    full, rest = divmod(mapping.Sc, array.cols)
    kinds = [(count, cols) for count, cols in ((full, array.cols), (1, rest)) if count and cols]
    alike, cols = np.tile(np.array(kinds, dtype=np.int64), (mapping.groups, 1)).T
    by_rows = array.dataflow == "output-stationary"
    vectors = np.full_like(alike, mapping.Sr if by_rows else mapping.T)
    blocks = blocks_of(mapping, vectors)
    return Work(
        alike=alike,
        tile=np.cumsum(alike) - alike,
        group=np.repeat(np.arange(mapping.groups, dtype=np.int64), len(kinds)),
        cols=cols,
        vectors=vectors,
        blocks=blocks,
        folds=mapping.row_folds * blocks,
        row_pairs=pairs(array.rows, np.full_like(alike, mapping.Sr)) * blocks,
    )


TILE, GROUP, COLS, VECTORS, FOLDS, ROW_PAIRS = range(6)
"""Rows of a table of the work: int64 (6, tiles)."""


def work_table(work: Work) -> Counters:
    """Put the tiles of a stage, of which none stands for others, into one table."""
    return np.stack([work.tile, work.group, work.cols, work.vectors, work.folds, work.row_pairs])


def dense_table(mapping: SystolicMapping) -> Counters:
    """Spell out the tiles of a dense layer: int64 (6, tiles), as if its vectors streamed in one block."""
    array, tiles = mapping.array, mapping.col_folds
    table = np.empty((6, mapping.groups * tiles), dtype=np.int64)
    table[TILE] = np.arange(table.shape[1])
    table[GROUP] = table[TILE] // tiles
    table[COLS] = array.cols
    table[COLS, tiles - 1 :: tiles] = mapping.Sc - (tiles - 1) * array.cols
    table[VECTORS] = mapping.Sr if array.dataflow == "output-stationary" else mapping.T
    table[FOLDS] = mapping.row_folds
    table[ROW_PAIRS] = pairs(array.rows, mapping.Sr)
    return table


def masked_work(
    mapping: SystolicMapping, mask: PackedMap, with_issued: bool, positions: NDArray[np.bool_] | None = None
) -> tuple[Work, NDArray[np.int32] | None]:
    """Build the tiles of a stage that must compute the outputs of `mask`, and tell where outputs are issued.

    A vector is issued for a tile if at least one of the tile's outputs is demanded, and then computes all of them. What
    is computed beyond the mask lies on pixels with a demanded output.

    Parameters
    ----------
    mapping
        The layer on the array.
    mask
        Outputs to compute (N, P, Q, K).
    with_issued
        Whether to return the second value, else None: int32 (groups, N·P·Q), the outputs issued at each pixel.
    positions
        bool (P, Q): pixels that are put on the array at all, known beforehand; None: all.
    """
    if counts_only(mapping) and not with_issued:
        return _filter_tiles(mapping, mask.summary(vectors_by_tile, mapping.array.cols, mapping.groups), None, False)
    words = _ordered_channels(mapping, mask.summary(pixel_words), mask.channels)
    order = _pixel_order(mapping, words, mask, positions)
    pixels = words.shape[1]
    if order is not None:
        words = np.ascontiguousarray(words[:, order])
    size = mask.channels // mapping.groups
    if mapping.array.dataflow == "input-stationary":
        work, issued = _pixel_tiles(mapping, words, size, with_issued)
    else:
        vectors = _tile_vectors(words, tile_bounds(mapping.array.cols, size, mapping.groups))
        work, issued = _filter_tiles(mapping, vectors, words, with_issued)
    if issued is None or order is None:
        return work, issued
    in_map = np.zeros((len(issued), pixels), dtype=np.int32)
    in_map[:, order] = issued
    return work, in_map


def pixel_words(mask: PackedMap) -> NDArray[np.uint64]:
    """Pack the bits of each pixel into 64-bit words: uint64 (ceil(K / 64), N·P·Q)."""
    size = mask.bits.shape[-1]
    flat = mask.bits.reshape(-1, size)
    if size % 8:
        padded = np.zeros((len(flat), -(-size // 8) * 8), dtype=np.uint8)
        padded[:, :size] = flat
        flat = padded
    words = np.ascontiguousarray(flat).view("<u8")
    return np.ascontiguousarray(words.T, dtype=np.uint64)


def _ordered_channels(mapping: SystolicMapping, words: NDArray[np.uint64], channels: int) -> NDArray[np.uint64]:
    """Sort the filters of each group by how many of their outputs are demanded, most first, if so set."""
    if mapping.array.channel_order == "as-is":
        return words
    counts = np.empty(channels, dtype=np.int64)
    kernels.channel_counts(words, counts)
    within = np.argsort(-counts.reshape(mapping.groups, -1), axis=1, kind="stable")
    size = within.shape[1]
    order = (within + size * np.arange(mapping.groups)[:, np.newaxis]).reshape(-1).astype(np.int64)
    out = np.empty_like(words)
    kernels.reorder_channels(words, order, out)
    return out


def _pixel_order(
    mapping: SystolicMapping, words: NDArray[np.uint64], mask: PackedMap, positions: NDArray[np.bool_] | None
) -> NDArray[np.int64] | None:
    """Order the pixels that are put on the array; None: all, as in the map.

    Grouped: by how many eighths of the outputs are demanded (rounded up, most first), within an eighth by the masks
    themselves, read as numbers.
    """
    if mapping.array.pixel_order == "raster":
        return None if positions is None else np.flatnonzero(np.tile(positions.reshape(-1), len(mask.bits)))
    demanded = np.bitwise_count(words).sum(axis=0, dtype=np.int64)
    eighths = -(-8 * demanded // mask.channels)
    return np.lexsort((*words[::-1], -eighths)).astype(np.int64)


def counts_only(mapping: SystolicMapping) -> bool:
    """Tell whether the number of vectors of each tile says everything: neither their order nor that of filters does."""
    array = mapping.array
    if array.channel_order != "as-is" or array.dataflow == "input-stationary":
        return False
    return array.dataflow == "weight-stationary" or array.crosses_folds


@lru_cache(maxsize=256)
def tile_bounds(cols: int, size: int, groups: int) -> Counters:
    """Return the first filter and the end of each tile of filters: int64 (tiles, 2)."""
    starts = np.arange(0, size, cols, dtype=np.int64)
    one_group = np.stack([starts, np.minimum(starts + cols, size)], axis=1)
    every = one_group + size * np.arange(groups, dtype=np.int64)[:, np.newaxis, np.newaxis]
    return np.ascontiguousarray(every.reshape(-1, 2))


def _tile_vectors(words: NDArray[np.uint64], bounds: Counters) -> Counters:
    vectors = np.empty(len(bounds), dtype=np.int64)
    kernels.tile_vectors(words, bounds, vectors)
    return vectors


def vectors_by_tile(mask: PackedMap, cols: int, groups: int) -> Counters:
    """Count the pixels with a demanded output in each tile of `cols` filters: int64 (tiles,)."""
    return _tile_vectors(mask.summary(pixel_words), tile_bounds(cols, mask.channels // groups, groups))


def issued_outputs(mask: PackedMap, cols: int, groups: int) -> NDArray[np.int32]:
    """Count the outputs of each pixel that tiles of `cols` filters issue: int32 (groups, N·P·Q)."""
    words = mask.summary(pixel_words)
    issued = np.empty((groups, words.shape[1]), dtype=np.int32)
    kernels.issued_outputs(words, tile_bounds(cols, mask.channels // groups, groups), issued)
    return issued


def _filter_tiles(
    mapping: SystolicMapping, vectors: Counters, words: NDArray[np.uint64] | None, with_issued: bool
) -> tuple[Work, NDArray[np.int32] | None]:
    """Build tiles of filters, to which pixels stream (weight-stationary) or which pixels fill row by row.

    `words` are needed if folds keep their pixels, or `with_issued`.
    """
    array, size = mapping.array, mapping.Sc
    bounds = tile_bounds(array.cols, size, mapping.groups)
    blocks = blocks_of(mapping, vectors)
    if array.dataflow == "weight-stationary":
        folds = mapping.row_folds * blocks
        row_pairs = pairs(array.rows, np.full_like(vectors, mapping.Sr)) * blocks
    elif array.crosses_folds:
        folds = -(-vectors // array.rows)
        row_pairs = pairs(array.rows, vectors)
    else:
        assert words is not None
        folds_and_pairs = np.empty((len(bounds), 2), dtype=np.int64)
        kernels.tile_folds(words, bounds, array.rows, folds_and_pairs)
        folds, row_pairs = folds_and_pairs.T
    group = np.repeat(np.arange(mapping.groups, dtype=np.int64), len(bounds) // mapping.groups)
    issued = None
    if with_issued:
        assert words is not None
        issued = np.empty((mapping.groups, words.shape[1]), dtype=np.int32)
        kernels.issued_outputs(words, bounds, issued)
    return _with_work(group, bounds[:, 1] - bounds[:, 0], vectors, blocks, folds, row_pairs), issued


def _pixel_tiles(
    mapping: SystolicMapping, words: NDArray[np.uint64], size: int, with_issued: bool
) -> tuple[Work, NDArray[np.int32] | None]:
    """Build tiles of pixels, to which filters stream (input-stationary)."""
    array, groups = mapping.array, mapping.groups
    filters_and_pixels = np.empty((groups, mapping.col_folds, 2), dtype=np.int64)
    issued = np.empty((groups, words.shape[1]) if with_issued else (0, 0), dtype=np.int32)
    kernels.tile_filters(words, array.cols, size, array.crosses_folds, filters_and_pixels, issued)
    vectors, cols = filters_and_pixels.reshape(-1, 2).T
    blocks = blocks_of(mapping, vectors)
    work = _with_work(
        group=np.repeat(np.arange(groups, dtype=np.int64), mapping.col_folds),
        cols=cols,
        vectors=vectors,
        blocks=blocks,
        folds=mapping.row_folds * blocks,
        row_pairs=pairs(array.rows, np.full_like(vectors, mapping.Sr)) * blocks,
    )
    return work, issued if with_issued else None


def _with_work(
    group: Counters, cols: Counters, vectors: Counters, blocks: Counters, folds: Counters, row_pairs: Counters
) -> Work:
    """Build the work of the tiles that issue something."""
    tile, alike = np.arange(len(vectors)), np.ones(len(vectors), dtype=np.int64)
    work = (alike, tile, group, cols, vectors, blocks, folds, row_pairs)
    busy = vectors > 0
    chosen = work if busy.all() else [values[busy] for values in work]
    return Work(*map(np.ascontiguousarray, chosen))
