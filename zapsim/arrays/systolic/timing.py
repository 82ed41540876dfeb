"""Systolic arrays in time: cycles and actions of one stage of a layer.

Dense cycles are SCALE-Sim v3's, to the cycle; a mask compacts the vectors that are issued (docs/models/systolic.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, Demand, StageResult
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.systolic.mapping import SystolicMapping, map_systolic, ramp_cycles, systolic_array
from zapsim.arrays.systolic.tiles import fold_tiles
from zapsim.arrays.systolic.traffic import Use, storage_counts
from zapsim.arrays.systolic.work import Work, dense_work, masked_work
from zapsim.counts import Counts, Cycles
from zapsim.workload import ConvShape


class SystolicEngine:
    """Weight-, output- and input-stationary arrays."""

    served = STANDARD

    def map_layer(
        self, shape: ConvShape, arch: ArchSpec, _shares: Sequence[float] = (1.0,), _coded: float = 1.0
    ) -> SystolicMapping:
        """Return how `shape` is put on the array of `arch`; the same for every mask."""
        return map_systolic(shape, systolic_array(arch))

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: SystolicMapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage.

        A stage with work is counted from cycle 0, as SCALE-Sim counts a layer: one cycle less than its folds have.
        """
        kept, window = demand.kept, demand.window_nonzero
        issued = None
        if kept is None or demand.gate:
            work = dense_work(mapping)
        else:
            work, issued = masked_work(mapping, kept, window is not None, demand.positions)
        switching = _switching(shape, demand, work, issued)
        asked = shape.outputs if kept is None else kept.count()
        taken = shape.outputs if demand.gate else asked
        macs = Counts(
            macs_executed=switching,
            macs_gated=work.outputs * shape.macs_per_output - switching,
            macs_lost=(work.outputs - taken) * shape.macs_per_output,
        )
        read = (asked if demand.gate else work.outputs) * shape.macs_per_output
        storage = storage_counts(mapping, work, Use(read, switching))
        tiles = fold_tiles(shape, mapping, work, _pixels(shape, demand), arch.glb_words, demand.ifmap_coded_words)
        cycles, pes = stage_cycles(mapping, work), _active_pes(mapping, work)
        clocked = Counts(pe_active_cycles=pes * cycles.total)
        return StageResult(cycles, macs + storage + clocked, pes, tiles)


def _pixels(shape: ConvShape, demand: Demand) -> int:
    """Return the pixels that a stage puts on the array."""
    positions = demand.positions
    return shape.N * (shape.P * shape.Q if positions is None or demand.gate else int(positions.sum()))


def stage_cycles(mapping: SystolicMapping, work: Work) -> Cycles:
    """Return the cycles of a stage: ``compute`` is what streams, ``ramp`` fills and drains the array."""
    folds = work.total(work.folds)
    if not folds:
        return Cycles()
    if mapping.array.dataflow == "output-stationary":
        streamed, used_rows = folds * mapping.T, work.total(work.vectors)
    else:
        streamed, used_rows = work.total(work.folds * work.vectors), work.total(np.ones_like(work.cols)) * mapping.Sr
    ramp = ramp_cycles(mapping.array, folds, used_rows, work.total(work.folds * work.cols))
    total = ramp + streamed - 1
    compute = min(streamed, total)
    return Cycles(compute=compute, ramp=total - compute)


def _switching(shape: ConvShape, demand: Demand, work: Work, issued: NDArray[np.int32] | None) -> int:
    """Return the MACs that switch: of the outputs computed (or, if these are gated, kept) those with inputs."""
    if demand.kept is None:
        return switching_macs(shape, None, demand.window_nonzero)
    if demand.gate:
        return switching_macs(shape, outputs_per_pixel(demand.kept, shape.groups), demand.window_nonzero)
    if issued is None:
        return work.outputs * shape.macs_per_output
    in_map = issued.T.reshape(shape.N, shape.P, shape.Q, shape.groups)
    return switching_macs(shape, in_map, demand.window_nonzero)


def _active_pes(mapping: SystolicMapping, work: Work) -> int:
    """Return the largest number of PEs that work at the same time."""
    if not len(work.cols):
        return 0
    spread = work.vectors if mapping.array.dataflow == "output-stationary" else np.full_like(work.cols, mapping.Sr)
    return int((np.minimum(spread, mapping.array.rows) * work.cols).max())
