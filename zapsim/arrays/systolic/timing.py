"""The systolic engine: cycles and actions of one stage of a layer on a weight-, output- or input-stationary array.

Dense cycles are SCALE-Sim v3's, to the cycle; a mask compacts the vectors that are issued. Every word in a PE's
register came from the buffer or from a neighbour; every word that left the array came out of a psum register.
``docs/models/systolic.md`` states the relations and what is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, WHOLE_LAYER, Demand, Served, StageResult, StageShare
from zapsim.arrays.engine_inputs import without_name
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.systolic.blocking import blocked
from zapsim.arrays.systolic.mapping import SystolicMapping, map_systolic, systolic_array, unblocked
from zapsim.arrays.systolic.pace import stage_cycles
from zapsim.arrays.systolic.tiles import fold_tiles
from zapsim.arrays.systolic.walk import (
    Totals,
    Walked,
    issued_switching,
    masked_tiles,
    stage_frame,
    stage_pixels,
    walked,
)
from zapsim.arrays.systolic.work import Work, dense_work, masked_work, one_by_one
from zapsim.counts import Counts
from zapsim.workload import ConvShape

OUTPUT_STATIONARY = Served(
    frozenset({"dense", "skip"}),
    STANDARD.inputs,
    "an output is final only with its fold, so that no other of its fold can be gated; use zap, which skips",
)
"""Policies that an output-stationary array can serve."""


class SystolicEngine:
    """Weight-, output- and input-stationary arrays."""

    def __init__(self, served: Served = STANDARD) -> None:
        """Create an engine that serves these policies."""
        self.served = served

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0
    ) -> list[SystolicMapping]:
        """Put `shape` on the array of `arch`; the mapping is the same for every stage and mask."""
        return [blocked(shape, map_systolic(shape, systolic_array(arch)), arch, coded)] * len(stages)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: SystolicMapping, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage.

        A layer is counted from cycle 0, as SCALE-Sim does: one cycle less than its folds have. With blocks, a stage
        that has only some of the pixels is a part of the layer like a block, and counted in full.
        """
        masked = demand.mask is not None and not demand.gate
        part = mapping.array.blocking == "searched" and masked and demand.positions is not None
        switching = None
        if mapping.array.count == 1:
            frame = demand.once(stage_frame, shape, arch, mapping)
            table = frame.dense
            if masked:
                table, switching = demand.summary(masked_tiles, (without_name(shape), unblocked(mapping)))
            ran = walked(frame, table)
        else:
            work, issued = dense_work(mapping), None
            if masked and demand.mask is not None:
                work, issued = masked_work(mapping, demand.mask, demand.window_nonzero is not None, demand.positions)
            ran = stage_on_arrays(shape, arch, mapping, work, part, demand)
            switching = None if issued is None else issued_switching(shape, demand, issued)
        outputs = ran.totals.outputs
        if switching is None:
            switching = _switching(shape, mapping, demand, outputs)
        demanded = shape.outputs if demand.mask is None else demand.mask.count()
        occupying = demanded if masked else shape.outputs  # gated outputs take their cycles, too
        tested = outputs * shape.macs_per_output
        if demand.gate:
            tested -= (outputs - demanded) * _gateable_products(mapping)
        counts = storage_counts(mapping, ran.totals, Use(tested, switching)).plus(
            macs_executed=switching,
            macs_gated=outputs * shape.macs_per_output - switching,
            macs_lost=(outputs - occupying) * shape.macs_per_output,
            pe_active_cycles=ran.active_pes * ran.cycles.total,
        )
        return StageResult(ran.cycles, counts, ran.active_pes, ran.tiles, ran.imbalance)


def stage_on_arrays(
    shape: ConvShape, arch: ArchSpec, mapping: SystolicMapping, work: Work, part: bool, demand: Demand
) -> Walked:
    """Time a stage on any number of arrays, step by step; on one array, :func:`walked` does the same in one call."""
    pace = stage_cycles(mapping, work, part)
    tiles = fold_tiles(
        shape, mapping, work, pace, stage_pixels(shape, demand), arch.glb_words, demand.ifmap_coded_words
    )
    totals = Totals(
        work.total(work.vectors),
        work.total(work.cols * work.blocks),
        work.total(work.cols * work.row_pairs),
        work.total(work.cols * work.folds),
        work.outputs,
    )
    return Walked(pace.cycles, _active_pes(mapping, work), tiles, totals, pace.imbalance)


def _gateable_products(mapping: SystolicMapping) -> int:
    """Count the products of an output that are left when the pattern can be final: those of the last row fold."""
    return mapping.Sr - (mapping.row_folds - 1) * mapping.array.rows


def _switching(shape: ConvShape, mapping: SystolicMapping, demand: Demand, outputs: int) -> int:
    """Count the MACs that switch: of all issued outputs, but those of gated ones in the last row fold.

    Zero inputs that are gated are taken to be as frequent in the last fold as in all. Where a mask says which outputs
    are issued, they are counted pixel by pixel (:func:`issued_switching`).
    """
    if demand.mask is None:
        return switching_macs(shape, None, demand.window_nonzero)
    if demand.gate:
        every = switching_macs(shape, None, demand.window_nonzero)
        demanded = switching_macs(shape, outputs_per_pixel(demand.mask, shape.groups), demand.window_nonzero)
        return every - (every - demanded) * _gateable_products(mapping) // mapping.Sr
    return outputs * shape.macs_per_output


def _active_pes(mapping: SystolicMapping, work: Work) -> int:
    """Find the largest number of PEs that work at the same time."""
    if not len(work.cols):
        return 0
    spread = work.vectors if mapping.array.dataflow == "output-stationary" else np.full_like(work.cols, mapping.Sr)
    pes = np.minimum(spread, mapping.array.rows) * work.cols
    if mapping.array.count == 1:
        return int(pes.max())
    tiles = one_by_one(work)
    return int(np.bincount(tiles.tile // mapping.array.count, np.repeat(pes, work.alike)).max())


@dataclass(frozen=True, slots=True)
class Use:
    """How many MACs of a stage use the words on the array.

    Attributes
    ----------
    tested
        MACs that read their ifmap word: all that are issued, but those of gated outputs.
    switching
        MACs that also read their filter word and, where psums are stationary, read and write their psum.
    """

    tested: int
    switching: int


@dataclass(frozen=True, slots=True)
class _Moves:
    """Words of one operand that enter the array, and that are handed from PE to PE after that."""

    words: int
    hops: int

    @property
    def arrivals(self) -> int:
        """Words written to the PEs' registers."""
        return self.words + self.hops


def storage_counts(mapping: SystolicMapping, totals: Totals, use: Use) -> Counts:
    """Count accesses of registers and of the on-chip buffer, and hops from PE to PE.

    Parameters
    ----------
    mapping, totals, use
        The layer on the array, sums over the tiles of the stage, and the MACs that use their words.
    """
    if mapping.array.dataflow == "output-stationary":
        return _output_stationary(mapping, totals, use)
    return _operand_stationary(mapping, totals, use)


def _output_stationary(mapping: SystolicMapping, totals: Totals, use: Use) -> Counts:
    """Ifmap words enter at the left, filter words at the top; psums stay, and leave down the columns."""
    T = mapping.T
    outputs = totals.outputs
    issued = outputs * T
    ifmap_in = totals.vectors * T
    filter_in = totals.col_folds * T
    ifmap = _Moves(ifmap_in, issued - ifmap_in)
    filters = _Moves(filter_in, issued - filter_in)
    drain = totals.col_pairs
    return Counts(
        ifmap_spad_reads=use.tested,
        ifmap_spad_writes=ifmap.arrivals,
        filter_spad_reads=use.switching,
        filter_spad_writes=filters.arrivals,
        psum_spad_reads=use.switching + outputs + drain,
        psum_spad_writes=use.switching + drain,
        ifmap_bus_words=ifmap.words,
        filter_bus_words=filters.words,
        psum_bus_words=outputs,
        bus_deliveries=ifmap.words + filters.words + outputs,
        pe_to_pe_words=ifmap.hops + filters.hops + drain,
        glb_reads=ifmap.words + filters.words,
        glb_writes=outputs,
    )


def _operand_stationary(mapping: SystolicMapping, totals: Totals, use: Use) -> Counts:
    """One operand is shifted in from the top and stays; the other enters at the left; psums go down the columns."""
    outputs = totals.outputs
    issued = outputs * mapping.Sr
    stays = _Moves(totals.col_blocks * mapping.Sr, totals.col_pairs)
    entering = totals.vectors * mapping.Sr
    streams = _Moves(entering, issued - entering)
    psum_out = outputs * mapping.row_folds
    psum_in = psum_out - outputs
    filters, ifmap = (stays, streams) if mapping.array.dataflow == "weight-stationary" else (streams, stays)
    return Counts(
        ifmap_spad_reads=use.tested,
        ifmap_spad_writes=ifmap.arrivals,
        filter_spad_reads=use.switching,
        filter_spad_writes=filters.arrivals,
        psum_spad_reads=issued,
        psum_spad_writes=issued,
        ifmap_bus_words=ifmap.words,
        filter_bus_words=filters.words,
        psum_bus_words=psum_in + psum_out,
        bus_deliveries=ifmap.words + filters.words + psum_in + psum_out,
        pe_to_pe_words=ifmap.hops + filters.hops + issued - psum_out,
        glb_reads=ifmap.words + filters.words + psum_in,
        glb_writes=psum_out,
    )
