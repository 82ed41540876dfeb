"""The row-stationary engine: cycles and actions of one stage of a layer on an Eyeriss-like array.

The equations are in :mod:`zapsim.arrays.row_stationary.equations`; here the mask says how much work each pass has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, Demand, StageResult
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.row_stationary.balance import by_density
from zapsim.arrays.row_stationary.equations import active_pes, layer_passes, pass_actions, pass_costs, pass_grid, tiles
from zapsim.arrays.row_stationary.kernels import pass_work
from zapsim.arrays.row_stationary.mapping import Ints, Resources, set_columns, strip_rows
from zapsim.arrays.row_stationary.search import map_layer
from zapsim.arrays.row_stationary.tiles import pass_tiles
from zapsim.counts import Counts, Cycles
from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape


class RowStationaryEngine:
    """Eyeriss's dataflow behind the engine interface."""

    served = STANDARD

    def map_layer(
        self, shape: ConvShape, arch: ArchSpec, shares: Sequence[float] = (1.0,), coded: float = 1.0
    ) -> PassParameters:
        """Return the layer's mapping: the one pinned by its name, or the best one found for its stages."""
        return map_layer(shape, arch, shares, coded)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage; a pass in which nothing is kept costs and loads nothing."""
        sizes, times = layer_passes(shape, mapping)
        have = Resources.of(arch)
        asked = shape.outputs if demand.kept is None else demand.kept.count()
        if demand.kept is None or demand.gate:
            computed = shape.outputs
            costs = pass_costs(shape, have, sizes)
            present = np.ones((shape.groups, *pass_grid(shape, mapping)), dtype=np.int64)
        else:
            computed = asked
            busiest, kept = work_per_pass(shape, mapping, demand.kept, _balance(arch))
            costs = pass_costs(shape, have, sizes, busiest, kept)
            present = (kept > 0).astype(np.int64)
        times = times * present

        def total(per_pass: Ints) -> int:
            return int((per_pass * times).sum())

        cycles = Cycles(**{part: total(getattr(costs, part)) for part in _PARTS})
        actions = {name: total(per_pass) for name, per_pass in pass_actions(shape, have, sizes, costs).items()}
        actions |= _mac_actions(shape, demand, asked, computed)
        ifmap_loads = _ifmap_loads(shape, mapping, demand, present)
        columns = sizes.t * set_columns(have, sizes.e)
        active = active_pes(shape, have, sizes) * (times > 0)
        waiting, working = total(costs.compute * columns), total(shape.S * sizes.q * costs.psum)
        imbalance = waiting / working if working else 1.0
        in_turn = pass_tiles(shape, have, mapping, costs, present, ifmap_loads)
        return StageResult(cycles, Counts(**actions), int(active.max()), in_turn, imbalance)


def _balance(arch: ArchSpec) -> str:
    assert isinstance(arch.array, RowStationaryArray)
    return arch.array.balance


_PARTS = ("compute", "psum_bus", "ifmap_bus", "filter_load", "ramp")


def work_per_pass(
    shape: ConvShape, mapping: PassParameters, kept: PackedMap, balance: str = "none"
) -> tuple[Ints, Ints]:
    """Return outputs of the busiest PE column, and of all, of each residency of psums on the array.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    kept
        Outputs to compute (N, P, Q, K).
    balance
        As in :class:`zapsim.arch.arrays.RowStationaryArray`.

    Returns
    -------
    busiest, total
        int64 (groups, filter tiles, row strips, image tiles); the same for every tile of channels.
    """
    rows = kept.summary(row_counts)
    if balance == "filter-sort":
        rows = np.ascontiguousarray(rows[:, :, by_density(shape, mapping, rows)])
    busiest = np.empty((shape.groups, *pass_grid(shape, mapping)), dtype=np.int64)
    total = np.empty_like(busiest)
    tile = mapping.n, mapping.e, mapping.p, mapping.t
    pass_work(rows, shape.groups, tile, balance == "row-pairing", busiest, total)
    return busiest, total


def row_counts(kept: PackedMap) -> NDArray[np.int32]:
    """Return the bits set in each row of each channel: int32 (images, rows, channels)."""
    images, rows, _, channels = kept.shape
    out = np.empty((images, rows, channels), dtype=np.int32)
    bits.row_counts(kept.words(), out)
    return out


def _mac_actions(shape: ConvShape, demand: Demand, asked: int, computed: int) -> dict[str, int]:
    """Return MACs and the spad reads and writes that go with them, for so many outputs asked for and computed.

    A MAC that switches reads an ifmap, a filter and a psum word and writes the psum (the first one of a psum reads
    nothing, but handing it up the column is a read more). One that is gated by a zero ifmap has read just that; one
    whose output is gated reads nothing.
    """
    executed = asked * shape.macs_per_output
    if demand.window_nonzero is not None:
        outputs = None if demand.kept is None else outputs_per_pixel(demand.kept, shape.groups)
        executed = switching_macs(shape, outputs, demand.window_nonzero)
    return {
        "macs_executed": executed,
        "macs_gated": computed * shape.macs_per_output - executed,
        "ifmap_spad_reads": asked * shape.macs_per_output,
        "filter_spad_reads": executed,
        "psum_spad_reads": executed,
        "psum_spad_writes": executed,
    }


def _ifmap_loads(shape: ConvShape, mapping: PassParameters, demand: Demand, present: Ints) -> int:
    """Return the words of ifmap strips that DRAM gives: each strip once for the passes of m filters.

    A strip takes its share of the coded map, as if zeros were spread evenly over it.
    """
    first_tiles = np.arange(0, present.shape[1], mapping.m // (mapping.p * mapping.t))
    loads = np.maximum.reduceat(present, first_tiles, axis=1)
    rows, images = strip_rows(shape, mapping.e)[:, np.newaxis], tiles(shape.N, mapping.n)
    words = int((loads * rows * images).sum()) * shape.C_per_group * shape.W
    coded = shape.ifmap_words if demand.ifmap_coded_words is None else demand.ifmap_coded_words
    return -(-words * coded // shape.ifmap_words)
