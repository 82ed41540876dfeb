"""The output-lanes engine: cycles and actions of one stage on lanes that compute whole outputs.

Sources: Akhlaghi et al., "SnaPEA", ISCA 2018 (early exit); Albericio et al., "Cnvlutin", ISCA 2016 (skipped inputs).
The model is described in ``docs/models/output-lanes.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, Served, StageResult
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.lanes.mapping import LanesMapping, map_lanes
from zapsim.arrays.lanes.traffic import Macs, storage_counts
from zapsim.arrays.lanes.work import LaneWork, lane_work
from zapsim.counts import Counts
from zapsim.errors import PolicyError
from zapsim.workload import ConvShape


class LanesEngine:
    """Output lanes behind the engine interface."""

    served = Served(frozenset({"dense", "gate", "skip", "early-exit"}), frozenset({"dense", "gate", "skip"}))

    def map_layer(
        self, shape: ConvShape, arch: ArchSpec, _shares: Sequence[float] = (1.0,), _coded: float = 1.0
    ) -> LanesMapping:
        """Return how `shape` is dealt to the lanes of `arch`; the same for every mask."""
        return map_lanes(shape, arch)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: LanesMapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage.

        Raises
        ------
        PolicyError
            If outputs are gated or inputs looked at while outputs end early (no trace says which MACs that leaves), or
            if several lanes share such an output (none of them sees its sign).
        """
        if demand.exit_macs is not None and (demand.gate or demand.window_nonzero is not None):
            raise PolicyError(f"layer {shape.name}: early exit goes with dense inputs and without gated outputs")
        if demand.exit_macs is not None and mapping.slices > 1:
            raise PolicyError(f"{arch.name}: early exit needs lanes with whole outputs, not spread.lanes = slices")
        work = lane_work(shape, mapping, demand)
        macs = _macs(shape, demand, work)
        storage, cycles, tiles = storage_counts(shape, arch, work, demand, macs)
        pes, busy = work.active_pes(), work.busy_lane_cycles
        clocked = pes * mapping.array.lanes * cycles.total
        counts = Counts(macs_executed=macs.executed, macs_gated=macs.gated, pe_active_cycles=clocked) + storage
        return StageResult(cycles, counts, pes, tiles, work.lane_cycles / busy if busy else 1.0)


def _macs(shape: ConvShape, demand: Demand, work: LaneWork) -> Macs:
    """Return the MACs of a stage; no output is computed that was not asked for, so that none is lost."""
    if demand.exit_macs is not None:
        return Macs(work.macs, 0, work.macs)
    asked = shape.outputs if demand.kept is None else demand.kept.count()
    outputs = None
    if demand.kept is not None and demand.window_nonzero is not None:
        outputs = outputs_per_pixel(demand.kept, shape.groups)
    elif demand.kept is not None:
        return _without_inputs(shape, asked, work)
    executed = switching_macs(shape, outputs, demand.window_nonzero)
    if demand.ifmap_nonzero is None:
        return Macs(executed, work.outputs * shape.macs_per_output - executed, asked * shape.macs_per_output)
    dispatched = switching_macs(shape, None if demand.gate else outputs, demand.window_nonzero)
    return Macs(executed, dispatched - executed, executed)


def _without_inputs(shape: ConvShape, asked: int, work: LaneWork) -> Macs:
    """Return the MACs if no input is looked at."""
    executed = asked * shape.macs_per_output
    return Macs(executed, work.outputs * shape.macs_per_output - executed, executed)
