"""What DRAM moves for the tiles of a systolic stage, as the buffer has room.

The buffer holds first what stays on the array, then the psums of a tile, then the operand that every tile streams
(docs/models/systolic.md). A mapping with blocks says itself what the buffer holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arrays.systolic.mapping import Blocking, SystolicMapping
from zapsim.arrays.systolic.tile_kernels import blocked_operands, whole_operands
from zapsim.arrays.systolic.work import Counters, Work
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True, eq=False)
class DramWords:
    """DRAM words of each tile of the array, and the words of the buffer that stay free.

    ``table`` is int64 (4, tiles): words of the ifmap, of filters, 1 if all filters of a tile come before its first
    fold, and words of psums that are spilled.
    """

    table: Counters
    free_words: int
    ifmap_stays: bool = False
    filters_stay: bool = False


def dram_words(shape: ConvShape, mapping: SystolicMapping, tiles: Work, glb_words: int) -> DramWords:
    """Count what DRAM moves for each tile."""
    if mapping.blocking is not None:
        return _blocked_words(shape, mapping, mapping.blocking, tiles)
    array, by_psums = mapping.array, mapping.array.dataflow == "output-stationary"
    by_filters = array.dataflow == "weight-stationary"
    numbers = (
        by_psums,
        by_filters,
        mapping.T if by_psums else mapping.Sr,
        mapping.row_folds,
        shape.ifmap_words // shape.groups,
        shape.filter_words // shape.groups,
        glb_words - (0 if by_psums else array.pe_count),
        array.count,
        mapping.groups * mapping.col_folds,
    )
    table = np.empty((4, len(tiles.tile)), dtype=np.int64)
    free_words, stays = whole_operands(
        tiles.tile, tiles.group, tiles.cols, tiles.vectors, tiles.folds, np.array(numbers, dtype=np.int64), table
    )
    by_pixels = not by_psums and not by_filters
    return DramWords(table, int(free_words), stays and not by_pixels, stays and by_pixels)


def _blocked_words(shape: ConvShape, mapping: SystolicMapping, blocking: Blocking, tiles: Work) -> DramWords:
    """Count what DRAM moves for each tile of a weight- or input-stationary stage whose mapping says what stays."""
    by_filters = mapping.array.dataflow == "weight-stationary"
    shared_rows = max(shape.dilation[0] * (shape.R - 1) + 1, shape.stride[0])
    numbers = (
        by_filters,
        mapping.Sr,
        mapping.row_folds,
        shape.ifmap_words // shape.groups,
        shape.filter_words // shape.groups,
        shared_rows * shape.W * shape.C_per_group,
        blocking.streams_stay,
        blocking.tile_stays,
        blocking.psums_stay,
        mapping.array.count,
    )
    table = np.empty((4, len(tiles.tile)), dtype=np.int64)
    blocked_operands(
        tiles.tile, tiles.group, tiles.cols, tiles.vectors, tiles.blocks, np.array(numbers, dtype=np.int64), table
    )
    stays = blocking.streams_stay
    return DramWords(table, blocking.free_words, stays and by_filters, stays and not by_filters)
