"""The row-stationary engine: cycles and actions of one stage of a layer on an Eyeriss-like array.

The equations are in :mod:`zapsim.mapping.row_stationary_passes`; here the mask says how much work each pass has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zapsim.arch.spec import ArchSpec, PassParameters
from zapsim.counts import Counts, Cycles
from zapsim.kernels import bits
from zapsim.kernels.row_stationary import pass_work
from zapsim.mapping.row_stationary import Ints, Resources, strip_rows
from zapsim.mapping.row_stationary_passes import layer_passes, pass_actions, pass_costs, pass_grid, tiles
from zapsim.mapping.row_stationary_search import map_layer
from zapsim.timing.engine import STANDARD, Demand, StageResult
from zapsim.timing.gating import outputs_per_pixel, switching_macs
from zapsim.trace.packed import PackedMap
from zapsim.workload import ConvShape


class RowStationaryEngine:
    """Eyeriss's dataflow behind the engine interface."""

    served = STANDARD

    def map_layer(self, shape: ConvShape, arch: ArchSpec, shares: Sequence[float] = (1.0,)) -> PassParameters:
        """Return the layer's mapping: the one pinned by its name, or the best one found for its stages."""
        return map_layer(shape, arch, shares)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage; a pass in which nothing is kept costs and loads nothing."""
        sizes, times = layer_passes(shape, mapping)
        filter_tiles, strips, image_tiles = pass_grid(shape, mapping)
        if demand.kept is None or demand.gate:
            costs = pass_costs(shape, Resources.of(arch), sizes)
            present = np.full((1, filter_tiles, strips, image_tiles), shape.groups)
        else:
            busiest, kept = work_per_pass(shape, mapping, demand.kept)
            costs = pass_costs(shape, Resources.of(arch), sizes, busiest, kept)
            present = (kept > 0).astype(np.int64)
        times = times * present

        def total(per_pass: Ints) -> int:
            return int((per_pass * times).sum())

        cycles = Cycles(**{part: total(getattr(costs, part)) for part in _PARTS})
        actions = {name: total(per_pass) for name, per_pass in pass_actions(shape, sizes, costs).items()}
        ifmaps = _ifmap_loads(shape, mapping, present)
        if demand.ifmap_coded_words is not None:
            ifmaps = -(-ifmaps * demand.ifmap_coded_words // shape.ifmap_words)
        reads, writes = actions["filter_bus_words"] + ifmaps, _outputs_computed(shape, demand)
        counts = Counts(dram_reads=reads, dram_writes=writes, **_mac_actions(shape, demand), **actions)
        active = shape.R * sizes.r * sizes.e * sizes.t * (times > 0)
        return StageResult(cycles, counts, int(active.max()))


_PARTS = ("compute", "psum_bus", "ifmap_bus", "filter_load", "ramp")


def work_per_pass(shape: ConvShape, mapping: PassParameters, kept: PackedMap) -> tuple[Ints, Ints]:
    """Return outputs of the busiest PE column, and of all, of each residency of psums on the array.

    Returns
    -------
    busiest, total
        int64 (groups, filter tiles, row strips, image tiles); the same for every tile of channels.
    """
    rows = np.empty((shape.N, shape.P, shape.K), dtype=np.int32)
    bits.row_counts(kept.bits, rows)
    busiest = np.empty((shape.groups, *pass_grid(shape, mapping)), dtype=np.int64)
    total = np.empty_like(busiest)
    pass_work(rows, shape.groups, mapping.n, mapping.e, mapping.p, mapping.t, busiest, total)
    return busiest, total


def _outputs_computed(shape: ConvShape, demand: Demand) -> int:
    """Return the outputs that take their cycles."""
    return shape.outputs if demand.kept is None or demand.gate else demand.kept.count()


def _mac_actions(shape: ConvShape, demand: Demand) -> dict[str, int]:
    """Return MACs and the spad reads and writes that go with them.

    A MAC that switches reads an ifmap, a filter and a psum word and writes the psum (the first one of a psum reads
    nothing, but handing it up the column is a read more). One that is gated by a zero ifmap has read just that; one
    whose output is gated reads nothing.
    """
    asked = (shape.outputs if demand.kept is None else demand.kept.count()) * shape.macs_per_output
    executed = asked
    if demand.window_nonzero is not None:
        outputs = None if demand.kept is None else outputs_per_pixel(demand.kept, shape.groups)
        executed = switching_macs(shape, outputs, demand.window_nonzero)
    return {
        "macs_executed": executed,
        "macs_gated": _outputs_computed(shape, demand) * shape.macs_per_output - executed,
        "ifmap_spad_reads": asked,
        "filter_spad_reads": executed,
        "psum_spad_reads": executed,
        "psum_spad_writes": executed,
    }


def _ifmap_loads(shape: ConvShape, mapping: PassParameters, present: Ints) -> int:
    """Return the plain words of ifmap strips that DRAM gives: each strip once for the passes of m filters."""
    first_tiles = np.arange(0, present.shape[1], mapping.m // (mapping.p * mapping.t))
    loads = np.maximum.reduceat(present, first_tiles, axis=1)
    rows, images = strip_rows(shape, mapping.e)[:, np.newaxis], tiles(shape.N, mapping.n)
    return int((loads * rows * images).sum()) * shape.C_per_group * shape.W
