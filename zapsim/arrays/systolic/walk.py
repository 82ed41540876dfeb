"""A stage on one systolic array in a single walk over its tiles.

What the walk does is written down on whole arrays in :mod:`zapsim.arrays.systolic.pace` (cycles),
:mod:`zapsim.arrays.systolic.work` (tiles) and :mod:`zapsim.arrays.systolic.tiles` (folds, words of DRAM), which also
serve several arrays side by side. A test holds both to the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.gating import switching_macs
from zapsim.arrays.systolic.dram_words import operand_numbers
from zapsim.arrays.systolic.mapping import SystolicMapping
from zapsim.arrays.systolic.pace import once_cycles
from zapsim.arrays.systolic.tile_kernels import Stage, walk_stage
from zapsim.arrays.systolic.tiles import MOST_TILES, piece_size, pixel_reach, windows_apart
from zapsim.arrays.systolic.work import (
    VECTORS,
    Counters,
    counts_only,
    dense_table,
    issued_outputs,
    masked_work,
    vectors_by_tile,
    work_table,
)
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Cycles
from zapsim.workload import ConvShape


class Totals(NamedTuple):
    """Sums over the tiles of a stage: vectors; columns × blocks, × pairs of rows, × folds; outputs that are issued."""

    vectors: int
    col_blocks: int
    col_pairs: int
    col_folds: int
    outputs: int


class Walked(NamedTuple):
    """A stage on the array: cycles, the most PEs at work, its tiles, sums over them, and imbalance."""

    cycles: Cycles
    active_pes: int
    tiles: Tiles
    totals: Totals
    imbalance: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class StageFrame:
    """What is the same whenever a stage runs: everything but its mask.

    Attributes
    ----------
    dense
        Table of the work if every output is computed.
    numbers
        What :func:`zapsim.arrays.systolic.tile_kernels.walk_stage` takes.
    blocks, reach, visits, ifmap_apart, by_pixels
        As in :class:`zapsim.arrays.tiles.Tiles`; whether pixels are stationary.
    free_words
        Words of the buffer that stay free, if the mapping says so.
    """

    dense: Counters
    numbers: Counters
    blocks: int
    reach: Counters
    visits: int
    ifmap_apart: bool
    by_pixels: bool
    free_words: int | None


def stage_frame(shape: ConvShape, arch: ArchSpec, mapping: SystolicMapping, demand: Demand) -> StageFrame:
    """Gather what the walk takes, whatever the mask will be."""
    array, by_pixels = mapping.array, mapping.array.dataflow == "input-stationary"
    in_group = -(-stage_pixels(shape, demand) // array.cols) if by_pixels else mapping.col_folds
    blocks, coded = mapping.groups * in_group, demand.ifmap_coded_words
    part = array.blocking == "searched" and demand.mask is not None and not demand.gate and demand.positions is not None
    return StageFrame(
        dense_table(mapping),
        np.array(walk_numbers(shape, mapping, arch.glb_words, in_group, part, coded), dtype=np.int64),
        blocks,
        pixel_reach(shape, mapping.groups, in_group, 1) if by_pixels else np.arange(blocks, dtype=np.int64),
        in_group if by_pixels else 1,
        windows_apart(shape),
        by_pixels,
        None if mapping.blocking is None else mapping.blocking.free_words,
    )


def walk_numbers(
    shape: ConvShape,
    mapping: SystolicMapping,
    glb_words: int,
    in_group: int = 1,
    part: bool = False,
    coded: int | None = None,
) -> tuple[int, ...]:
    """Gather the numbers that a walk takes: those of :class:`zapsim.arrays.systolic.tile_kernels.Stage`, and operands.

    Parameters
    ----------
    shape, mapping, glb_words
        The layer on the array, and the words of the buffer.
    in_group
        Blocks of a group.
    part
        Whether the stage is a part of a layer and not counted from cycle 0.
    coded
        Words of the whole ifmap as DRAM holds it; None: as they are.
    """
    array, by_psums = mapping.array, mapping.array.dataflow == "output-stationary"
    stage = Stage(
        by_psums=by_psums,
        by_filters=array.dataflow == "weight-stationary",
        rows=array.rows,
        cols=array.cols,
        Sr=mapping.Sr,
        T=mapping.T,
        row_folds=mapping.row_folds,
        col_folds=mapping.col_folds,
        given=by_psums and not array.crosses_folds,
        block_size=0 if mapping.blocking is None else mapping.blocking.vectors,
        piece_size=piece_size(mapping),
        overlapped_fill=array.fill == "overlapped",
        overlapped_drain=by_psums and array.drain == "overlapped",
        full_folds=array.partial_folds == "full",
        once=once_cycles(mapping) - (0 if part else 1),
        in_group=in_group,
        by_rows=by_psums and array.blocking == "searched",
        most_tiles=MOST_TILES,
        coded=-1 if coded is None else coded,
        ifmap=shape.ifmap_words,
    )
    return *stage, *operand_numbers(shape, mapping, glb_words)


def stage_pixels(shape: ConvShape, demand: Demand) -> int:
    """Count the pixels that a stage puts on the array."""
    count = demand.pixel_count
    return shape.N * (shape.P * shape.Q if count is None or demand.gate else count)


class MaskedTiles(NamedTuple):
    """What a mask makes of the tiles of a stage, however the buffer is used.

    `table` is that of the work (:func:`zapsim.arrays.systolic.work.work_table`), `switching` counts the MACs that
    switch, if inputs are gated.
    """

    table: Counters
    switching: int | None


def masked_tiles(demand: Demand, key: tuple[ConvShape, SystolicMapping]) -> MaskedTiles:
    """Count what the outputs of a demand leave of each tile; `key` is the layer and its mapping without blocks."""
    (shape, mapping), mask = key, demand.mask
    assert mask is not None
    if counts_only(mapping):
        table = dense_table(mapping)
        table[VECTORS] = mask.summary(vectors_by_tile, mapping.array.cols, mapping.groups)
        issued = None if demand.window_nonzero is None else issued_outputs(mask, mapping.array.cols, mapping.groups)
    else:
        work, issued = masked_work(mapping, mask, demand.window_nonzero is not None, demand.positions)
        table = work_table(work)
    return MaskedTiles(table, None if issued is None else issued_switching(shape, demand, issued))


def issued_switching(shape: ConvShape, demand: Demand, issued: NDArray[np.int32]) -> int:
    """Count the MACs that switch of outputs that are issued, int32 (groups, N·P·Q)."""
    in_map = issued.T.reshape(shape.N, shape.P, shape.Q, shape.groups)
    return switching_macs(shape, in_map, demand.window_nonzero)


def walked(frame: StageFrame, work: Counters) -> Walked:
    """Walk over the tiles of a stage: `work` is its table."""
    sums = np.empty(10, dtype=np.int64)
    table = walk_stage(work, frame.numbers, sums)
    compute, ramp, active_pes, *totals, free_words, stays = sums.tolist()
    tiles = Tiles(
        table,
        frame.blocks,
        frame.reach,
        frame.visits,
        max(free_words if frame.free_words is None else frame.free_words, 0),
        frame.ifmap_apart,
        bool(stays) and not frame.by_pixels,
        bool(stays) and frame.by_pixels,
    )
    return Walked(Cycles(compute, ramp=ramp), active_pes, tiles, Totals(*totals))
