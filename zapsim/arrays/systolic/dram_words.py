"""What DRAM moves for the tiles of a systolic stage, as the buffer has room.

The buffer holds first what stays on the array, then the psums of a tile, then the operand that every tile streams
(docs/models/systolic.md). A mapping with blocks says itself what the buffer holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arrays.systolic.mapping import SystolicMapping
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
    numbers = np.array(operand_numbers(shape, mapping, glb_words), dtype=np.int64)
    table = np.empty((4, len(tiles.tile)), dtype=np.int64)
    by_pixels = mapping.array.dataflow == "input-stationary"
    if mapping.blocking is None:
        free_words, stays = whole_operands(
            tiles.tile, tiles.group, tiles.cols, tiles.vectors, tiles.folds, numbers, table
        )
    else:
        blocked_operands(tiles.tile, tiles.group, tiles.cols, tiles.vectors, tiles.blocks, numbers, table)
        free_words, stays = mapping.blocking.free_words, mapping.blocking.streams_stay
    return DramWords(table, int(free_words), stays and not by_pixels, stays and by_pixels)


def operand_numbers(shape: ConvShape, mapping: SystolicMapping, glb_words: int) -> tuple[int, ...]:
    """Gather the numbers that the kernels take.

    They are :func:`zapsim.arrays.systolic.tile_kernels.whole_operands`, or, for a mapping that says what stays,
    :func:`zapsim.arrays.systolic.tile_kernels.blocked_operands`.
    """
    array, by_psums = mapping.array, mapping.array.dataflow == "output-stationary"
    by_filters = array.dataflow == "weight-stationary"
    of_group = shape.ifmap_words // shape.groups, shape.filter_words // shape.groups
    if mapping.blocking is None:
        depth, room = (mapping.T, glb_words) if by_psums else (mapping.Sr, glb_words - array.pe_count)
        tiles = mapping.groups * mapping.col_folds
        return by_psums, by_filters, depth, mapping.row_folds, *of_group, room, array.count, tiles
    shared = max(shape.dilation[0] * (shape.R - 1) + 1, shape.stride[0]) * shape.W * shape.C_per_group
    held = mapping.blocking
    stays = held.streams_stay, held.tile_stays, held.psums_stay
    return by_filters, mapping.Sr, mapping.row_folds, *of_group, shared, *stays, array.count
