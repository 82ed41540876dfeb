"""Blocks of the vectors that stream through a tile's folds, so that the psums of a block stay in the buffer.

A weight- or input-stationary tile of c columns keeps V·c psums between its row folds. Where these do not fit, V is cut
into blocks: each streams through all folds of the tile before the next one does. The psums of a block of L vectors take
L·c words; in return the array fills, and the stationary operand enters it, once more for every block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine_inputs import without_name
from zapsim.arrays.systolic.dram_words import dram_words
from zapsim.arrays.systolic.mapping import Blocking, SystolicMapping
from zapsim.arrays.systolic.pace import stage_cycles
from zapsim.arrays.systolic.tile_kernels import weigh_blocks
from zapsim.arrays.systolic.walk import walk_numbers
from zapsim.arrays.systolic.work import dense_table, dense_work, one_by_one
from zapsim.workload import ConvShape


def blocked(shape: ConvShape, mapping: SystolicMapping, arch: ArchSpec, coded: float = 1.0) -> SystolicMapping:
    """Choose the blocks of the dense layer that take the fewest cycles of array and DRAM channel together.

    Every stage of a predicted layer takes over what the buffer holds, so that a mask of which the array can leave out
    nothing never does better than the dense layer.

    Parameters
    ----------
    shape, mapping
        The layer, and the layer on the array.
    arch
        Says how large the buffer is, and how fast the channel.
    coded
        Size of the ifmap in DRAM as a share of its plain size.
    """
    if mapping.array.blocking == "none" and mapping.array.dataflow != "output-stationary":
        return mapping
    word_cycles = arch.word_bytes * arch.clock / (arch.dram.bandwidth * (1 - arch.dram.refresh))
    return _best(without_name(shape), mapping, arch.glb_words, word_cycles, coded)


@lru_cache(maxsize=1024)
def _best(
    shape: ConvShape, mapping: SystolicMapping, glb_words: int, word_cycles: float, coded: float
) -> SystolicMapping:
    """Choose the blocks, once for each layer shape and buffer; the channel takes `word_cycles` cycles for a word."""
    if mapping.array.dataflow == "output-stationary":
        beside = glb_words - mapping.T * _side_by_side(mapping)
        return replace(mapping, drifts=shape.ifmap_words <= beside)

    def cost(choice: _Choice) -> tuple[float, int]:
        moved = choice.ifmap * coded + choice.filters + 2 * choice.spilled
        return choice.cycles + moved * word_cycles, choice.mapping.blocks

    return min(_all_blocks(shape, mapping, glb_words), key=cost).mapping  # of equals the first: with most columns


class _Choice(NamedTuple):
    """Blocks of a dense layer, and what they take: cycles on the array, and words of DRAM."""

    mapping: SystolicMapping
    cycles: int = 0
    ifmap: int = 0
    filters: int = 0
    spilled: int = 0


@lru_cache(maxsize=256)
def _all_blocks(shape: ConvShape, mapping: SystolicMapping, glb_words: int) -> list[_Choice]:
    """List the blocks that a buffer can hold: once for all DRAM channels."""
    by_columns = [
        [replace(columns, blocking=choice, drifts=choice.streams_stay) for choice in held]
        for columns, held in _columns(shape, mapping, glb_words)
    ]
    if sum(map(len, by_columns)) == 1:  # there is nothing to compare
        return [_Choice(one) for mappings in by_columns for one in mappings]
    return [choice for mappings in by_columns if mappings for choice in _weighed(shape, mappings, glb_words)]


def _weighed(shape: ConvShape, mappings: Sequence[SystolicMapping], glb_words: int) -> list[_Choice]:
    """Say what each of some mappings takes that differ only in what the buffer holds; all have as many columns."""
    if mappings[0].array.count == 1:
        numbers = np.array([walk_numbers(shape, one, glb_words) for one in mappings], dtype=np.int64)
        taken = weigh_blocks(dense_table(mappings[0]), numbers)
        return [_Choice(one, *costs) for one, costs in zip(mappings, taken.tolist(), strict=True)]
    choices = []
    for one in mappings:
        dense = dense_work(one)
        words = dram_words(shape, one, one_by_one(dense), glb_words)
        ifmap, filters, _, spilled = words.table.sum(axis=1).tolist()
        choices.append(_Choice(one, stage_cycles(one, dense).cycles.total, ifmap, filters, spilled))
    return choices


def _columns(
    shape: ConvShape, mapping: SystolicMapping, glb_words: int
) -> Iterator[tuple[SystolicMapping, list[Blocking]]]:
    """Yield the layer on all columns, and on halves of them as long as these need not share the buffer's words.

    Half the columns have half the psums. These may stay where those of all columns are cut into short blocks, go to
    DRAM, or take the room of what streams. With each comes what the buffer can hold.
    """
    while True:
        held = list(_choices(shape, mapping, glb_words))
        yield mapping, held
        streams = any(choice.streams_stay for choice in held)
        roomy = any(
            choice.psums_stay and choice.vectors == mapping.T and choice.streams_stay == streams for choice in held
        )
        if roomy or mapping.array.cols == 1:
            return
        mapping = replace(mapping, array=mapping.array.model_copy(update={"cols": mapping.array.cols // 2}))


def _side_by_side(mapping: SystolicMapping) -> int:
    """Count the columns at work of the tiles that run side by side."""
    return min(mapping.groups * mapping.Sc, mapping.array.count * mapping.array.cols)


def _choices(shape: ConvShape, mapping: SystolicMapping, glb_words: int) -> Iterator[Blocking]:
    """Yield what the buffer can hold beside the array's own words, with the largest blocks for which it has room."""
    free_words = glb_words - mapping.array.pe_count
    cols = _side_by_side(mapping)
    by_filters = mapping.array.dataflow == "weight-stationary"
    streamed = (shape.ifmap_words if by_filters else shape.filter_words) // shape.groups
    for streams_stay in (True, False):
        beside_streams = free_words - streamed if streams_stay else free_words
        if streams_stay and beside_streams < 0:
            continue
        if mapping.row_folds == 1:
            yield Blocking(mapping.T, True, streams_stay, False, beside_streams)
            continue
        yield Blocking(mapping.T, False, streams_stay, False, beside_streams)
        for tile_stays in (True, False):
            words = beside_streams - (cols * mapping.Sr if tile_stays else 0)
            vectors = min(words // cols, mapping.T)
            if vectors > 0:
                yield Blocking(vectors, True, streams_stay, tile_stays, words - vectors * cols)
