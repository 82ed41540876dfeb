"""The row-stationary engine: cycles and actions of one stage of a layer on an Eyeriss-like array.

The equations are in :mod:`zapsim.arrays.row_stationary.equations`; here the mask says how much work each pass has, and
the passes are added up.

A pass takes as long as its busiest PE column. The order of a layer's filters is free (it is settled with the weights,
and the next layer's channels follow it), so with ``balance: filter-sort`` filters of about the same density share a
pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, Demand, StageResult
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.row_stationary.equations import active_pes, pass_actions, pass_costs
from zapsim.arrays.row_stationary.kernels import pass_work
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    PassSizes,
    Resources,
    pass_grid,
    pass_sizes,
    row_stationary_array,
    set_columns,
    strip_rows,
    tile_classes,
    tiles,
)
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
        """Take the mapping pinned for the layer's name, or else find the best one for its stages."""
        return map_layer(shape, arch, shares, coded)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage; a pass without any demanded output costs and loads nothing."""
        array = Resources.of(arch)
        sizes, times = layer_passes(shape, mapping)
        demanded = shape.outputs if demand.mask is None else demand.mask.count()
        if demand.mask is None or demand.gate:
            computed = shape.outputs
            costs = pass_costs(shape, array, sizes)
            present = np.ones((shape.groups, *pass_grid(shape, mapping)), dtype=np.int64)
        else:
            computed = demanded
            busiest, outputs = work_per_pass(shape, mapping, demand.mask, row_stationary_array(arch).balance)
            costs = pass_costs(shape, array, sizes, busiest, outputs)
            present = (outputs > 0).astype(np.int64)
        times = times * present

        def total(per_pass: Ints) -> int:
            return int((per_pass * times).sum())

        cycles = Cycles(
            compute=total(costs.compute),
            psum_bus=total(costs.psum_bus),
            ifmap_bus=total(costs.ifmap_bus),
            filter_load=total(costs.filter_load),
            ramp=total(costs.ramp),
        )
        actions = {name: total(per_pass) for name, per_pass in pass_actions(shape, array, sizes, costs).items()}
        actions |= _mac_actions(shape, demand, demanded, computed)
        ifmap_loads = _ifmap_loads(shape, mapping, demand, present)
        active = active_pes(shape, array, sizes) * (times > 0)
        # All columns of a pass take the cycles of the busiest one; their outputs say how many of these they work.
        waiting = total(costs.compute * sizes.t * set_columns(array, sizes.e))
        working = total(shape.S * sizes.q * costs.psum)
        return StageResult(
            cycles,
            Counts(**actions),
            int(active.max()),
            pass_tiles(shape, array, mapping, costs, present, ifmap_loads),
            imbalance=waiting / working if working else 1.0,
        )


@lru_cache(maxsize=1024)
def layer_passes(shape: ConvShape, mapping: PassParameters) -> tuple[PassSizes, Ints]:
    """Return the passes of one group of a layer, and how often each occurs.

    Returns
    -------
    sizes
        Arrays that broadcast to (2, 1, filter tiles, row strips, image tiles); the first axis holds the full tiles of
        channels and the last, partial one; the second is for groups, which are alike.
    times
        int64 (2, 1, 1, 1, 1): number of channel tiles of each class.
    """
    qr, times = tile_classes(shape.C_per_group, np.array(mapping.q * mapping.r))
    sizes = pass_sizes(
        tiles(shape.K_per_group, mapping.p * mapping.t)[:, None, None],
        np.array(mapping.t),
        qr[:, None, None, None, None],
        np.array(mapping.r),
        tiles(shape.P, mapping.e)[:, None],
        tiles(shape.N, mapping.n),
    )
    return sizes, times[:, None, None, None, None]


def work_per_pass(
    shape: ConvShape, mapping: PassParameters, mask: PackedMap, balance: str = "none"
) -> tuple[Ints, Ints]:
    """Count the outputs of the busiest PE column, and of all, for each residency of psums on the array.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    mask
        Outputs to compute (N, P, Q, K).
    balance
        As in :class:`zapsim.arch.arrays.RowStationaryArray`.

    Returns
    -------
    busiest, total
        int64 (groups, filter tiles, row strips, image tiles); the same for every tile of channels.
    """
    rows = mask.summary(row_counts)
    if balance == "filter-sort":
        rows = np.ascontiguousarray(rows[:, :, by_density(shape, mapping, rows)])
    busiest = np.empty((shape.groups, *pass_grid(shape, mapping)), dtype=np.int64)
    total = np.empty_like(busiest)
    tile = mapping.n, mapping.e, mapping.p, mapping.t
    pass_work(rows, shape.groups, tile, balance == "row-pairing", busiest, total)
    return busiest, total


def row_counts(mask: PackedMap) -> NDArray[np.int32]:
    """Count the bits set in each row of each channel: int32 (images, rows, channels)."""
    images, rows, _, channels = mask.shape
    out = np.empty((images, rows, channels), dtype=np.int32)
    bits.row_counts(mask.words(), out)
    return out


def by_density(shape: ConvShape, mapping: PassParameters, rows: NDArray[np.int32]) -> NDArray[np.intp]:
    """Order filters by density, as they are dealt to passes and columns: intp (K,).

    Within each group the filters with the most outputs come first, so that those of a pass are alike; within a pass
    they are dealt to the columns to and fro, so that no column gets all of the first.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    rows
        int32 (N, P, K): outputs to compute in each ofmap row. Their sum stands for the density that is known when the
        weights are laid out, so this is the best that a static order can do.
    """
    densities = rows.sum(axis=(0, 1), dtype=np.int64).reshape(shape.groups, shape.K_per_group)
    densest_first = np.argsort(-densities, axis=1, kind="stable")
    first_filters = np.arange(0, shape.K, shape.K_per_group)[:, np.newaxis]
    filters_of_pass = tiles(shape.K_per_group, mapping.p * mapping.t)
    starts = np.cumsum(filters_of_pass) - filters_of_pass
    places = np.concatenate(
        [start + _to_and_fro(int(size), mapping.t) for start, size in zip(starts, filters_of_pass, strict=True)]
    )
    order = np.empty_like(densest_first)
    order[:, places] = densest_first + first_filters
    return order.ravel()


@lru_cache(maxsize=1024)
def _to_and_fro(filters: int, columns: int) -> NDArray[np.intp]:
    """List the places of a pass in the order in which they are filled: a round over all columns, the next one back."""
    share = -(-filters // columns)
    column, turn = np.divmod(np.arange(filters), share)
    return np.lexsort((np.where(turn % 2, -column, column), turn))


def _mac_actions(shape: ConvShape, demand: Demand, demanded: int, computed: int) -> dict[str, int]:
    """Count MACs, and the spad reads and writes that go with them, for so many demanded and computed outputs.

    A MAC that switches reads an ifmap, a filter and a psum word and writes the psum (the first one of a psum reads
    nothing, but handing it up the column is one more read). One that is gated by a zero ifmap has read just that; one
    whose output is gated reads nothing.
    """
    executed = demanded * shape.macs_per_output
    if demand.window_nonzero is not None:
        outputs = None if demand.mask is None else outputs_per_pixel(demand.mask, shape.groups)
        executed = switching_macs(shape, outputs, demand.window_nonzero)
    return {
        "macs_executed": executed,
        "macs_gated": computed * shape.macs_per_output - executed,
        "ifmap_spad_reads": demanded * shape.macs_per_output,
        "filter_spad_reads": executed,
        "psum_spad_reads": executed,
        "psum_spad_writes": executed,
    }


def _ifmap_loads(shape: ConvShape, mapping: PassParameters, demand: Demand, present: Ints) -> int:
    """Count the words of ifmap strips that DRAM gives: each strip once for the passes of m filters.

    A strip takes its share of the coded map, as if zeros were spread evenly over it.
    """
    first_tiles = np.arange(0, present.shape[1], mapping.m // (mapping.p * mapping.t))
    loads = np.maximum.reduceat(present, first_tiles, axis=1)
    rows, images = strip_rows(shape, mapping.e)[:, np.newaxis], tiles(shape.N, mapping.n)
    words = int((loads * rows * images).sum()) * shape.C_per_group * shape.W
    coded = shape.ifmap_words if demand.ifmap_coded_words is None else demand.ifmap_coded_words
    return -(-words * coded // shape.ifmap_words)
