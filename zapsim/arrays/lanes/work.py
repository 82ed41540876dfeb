"""Work on output lanes: how long the lanes take for the outputs of a stage, and how well they are used.

Outputs that all take equally long need no simulation: counting them by filter and pixel lane is enough. Others go
through the kernels of :mod:`zapsim.arrays.lanes.kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.engine import Demand
from zapsim.arrays.lanes import kernels
from zapsim.arrays.lanes.mapping import Extent, LanesMapping
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LaneWork:
    """The lanes' part of a stage.

    Attributes
    ----------
    mapping
        The layer on the array.
    dispatched
        int64 (pixel lanes, K): outputs dispatched, by pixel lane (i mod J) and filter.
    cycles
        Cycles until the last lane is done.
    macs
        MACs of the lane that does most, summed over the outputs (without slices: all MACs of the lanes).
    busy_lane_cycles
        Cycles in which lanes work, summed over lanes; lanes that share an output (slices) count as one.
    groups
        int64 (K,): groups of outputs of each filter that start together, summed over the parts of the array.
    streamed_macs
        MACs of the longest output of each filter in each such group, summed.
    """

    mapping: LanesMapping
    dispatched: Ints
    cycles: int
    macs: int
    busy_lane_cycles: int
    groups: Ints
    streamed_macs: int

    @property
    def outputs(self) -> int:
        """Outputs dispatched."""
        return int(self.dispatched.sum())

    @property
    def per_filter(self) -> Ints:
        """Outputs dispatched of each filter: int64 (K,)."""
        total: Ints = self.dispatched.sum(axis=0)
        return total

    @property
    def lane_cycles(self) -> int:
        """Cycles × lanes, busy or not."""
        return self.cycles * self.mapping.whole.lanes

    @property
    def balance(self) -> float:
        """Share of the lane-cycles that are busy, 0 to 1; what is missing is waiting and lanes without an output."""
        return self.busy_lane_cycles / self.lane_cycles if self.lane_cycles else 1.0

    def loads(self) -> Ints:
        """Count how often each filter's weights are loaded: once by every part of the array that uses them."""
        loaders, whole = self.mapping.loaders, self.mapping.whole
        if self.mapping.array.dispatch == "queue":
            return np.minimum(self.groups, whole.lanes // loaders.lanes)
        parts = self.dispatched.reshape(-1, loaders.pixels, self.dispatched.shape[1])
        loads: Ints = parts.any(axis=1).sum(axis=0)
        return loads

    def active_pes(self) -> int:
        """Count the PEs that get any output."""
        pe, whole = self.mapping.pe, self.mapping.whole
        if self.mapping.array.dispatch == "queue":
            return min(-(-self.outputs // pe.lanes), whole.lanes // pe.lanes)
        by_lane = _by_block(self.dispatched, whole).sum(axis=1)
        pixel_lanes, filter_lanes = by_lane.shape
        pes = by_lane.reshape(pixel_lanes // pe.pixels, pe.pixels, filter_lanes // pe.filters, pe.filters)
        return int(pes.any(axis=(1, 3)).sum())


def lane_work(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> LaneWork:
    """Work out what the lanes do in one stage; with ``demand.gate``, every output is dispatched."""
    dispatched = _dispatched(shape, mapping, None if demand.gate else demand.mask)
    macs = _macs(shape, mapping, demand)
    if macs is not None:
        return _uneven(shape, mapping, demand, macs, dispatched)
    output_cycles, outputs = mapping.dense_cycles(shape), int(dispatched.sum())
    groups = _groups(mapping, dispatched)
    return LaneWork(
        mapping,
        dispatched,
        cycles=_even_steps(mapping, dispatched) * output_cycles,
        macs=outputs * shape.macs_per_output,
        busy_lane_cycles=outputs * output_cycles,
        groups=groups,
        streamed_macs=int(groups.sum()) * shape.macs_per_output,
    )


def _dispatched(shape: ConvShape, mapping: LanesMapping, mask: PackedMap | None) -> Ints:
    """Count the outputs dispatched by pixel lane and filter: int64 (J, K)."""
    pixels, lanes = shape.N * shape.P * shape.Q, mapping.whole.pixels
    if mask is None:
        per_lane = (pixels - 1 - np.arange(lanes, dtype=np.int64)) // lanes + 1
        return np.repeat(per_lane[:, np.newaxis], shape.K, axis=1)
    width = mask.bits.shape[3]
    out = np.empty((lanes, width * 8), dtype=np.int32)
    kernels.residue_counts(mask.bits.reshape(pixels, width), kernels.SPREAD, out)
    return out[:, : shape.K].astype(np.int64)


def _groups(mapping: LanesMapping, dispatched: Ints) -> Ints:
    """Count the groups of outputs that start together and hold outputs of each filter: int64 (K,)."""
    domain = mapping.domain
    if mapping.array.dispatch == "queue":
        ends = np.cumsum(dispatched.sum(axis=0))
        starts = np.concatenate([[0], ends[:-1]])
        spanned: Ints = (ends - 1) // domain.lanes - starts // domain.lanes + 1
        return np.where(ends > starts, spanned, 0)
    longest: Ints = dispatched.reshape(-1, domain.pixels, dispatched.shape[1]).max(axis=1).sum(axis=0)
    return longest


def _even_steps(mapping: LanesMapping, dispatched: Ints) -> int:
    """Count the steps that the array takes if all outputs take equally long."""
    domain = mapping.domain
    if mapping.array.dispatch == "queue":
        groups = -(-int(dispatched.sum()) // domain.lanes)
        return -(-groups // mapping.domains)
    blocks = _by_block(dispatched, mapping.whole)
    pixel_lanes, count, filter_lanes = blocks.shape
    parts = blocks.reshape(
        pixel_lanes // domain.pixels, domain.pixels, count, filter_lanes // domain.filters, domain.filters
    )
    return int(parts.max(axis=(1, 4)).sum(axis=1).max())


def _by_block(dispatched: Ints, whole: Extent) -> Ints:
    """Arrange counts by pixel lane, block of filters, and filter lane."""
    pixel_lanes, filters = dispatched.shape
    blocks = -(-filters // whole.filters)
    padded = np.zeros((pixel_lanes, blocks * whole.filters), dtype=np.int64)
    padded[:, :filters] = dispatched
    return padded.reshape(pixel_lanes, blocks, whole.filters)


def _macs(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> NDArray[Any] | None:
    """Return MACs by pixel and column (of the lane that does most of an output); None: the same for all outputs."""
    pixels = shape.N * shape.P * shape.Q
    if demand.exit_macs is not None:
        return demand.exit_macs.reshape(pixels, shape.K)
    if demand.ifmap_nonzero is None:
        return None
    assert demand.window_nonzero is not None
    if mapping.slices == 1:
        return demand.window_nonzero.reshape(pixels, shape.groups)
    return slice_macs(shape, demand.ifmap_nonzero, mapping).reshape(pixels, shape.groups)


def slice_macs(shape: ConvShape, ifmap_nonzero: PackedMap, mapping: LanesMapping) -> NDArray[np.int32]:
    """Find the largest share of non-zero inputs that a lane gets of each output: int32 (N, P, Q, groups)."""
    brick, size = mapping.array.brick, shape.C_per_group
    counts = np.empty((shape.N, shape.H, shape.W, shape.groups, -(-size // brick)), dtype=np.int32)
    kernels.brick_counts(ifmap_nonzero.bits, shape.groups, size, brick, counts)
    out = np.empty((shape.N, shape.P, shape.Q, shape.groups), dtype=np.int32)
    corner = (shape.padding[0], shape.padding[2])
    kernels.slice_macs(counts, shape.R, shape.S, shape.stride, corner, shape.dilation, mapping.slices, out)
    return out


def _uneven(shape: ConvShape, mapping: LanesMapping, demand: Demand, macs: NDArray[Any], dispatched: Ints) -> LaneWork:
    """Work out what the lanes do if outputs take different numbers of MACs."""
    array, whole, domain = mapping.array, mapping.whole, mapping.domain
    bits = np.empty((0, 1), dtype=np.uint8)
    if demand.mask is not None and not demand.gate:
        bits = demand.mask.bits.reshape(len(macs), -1)
    exits, most = demand.exit_macs is not None, shape.macs_per_output
    pace = (array.check_interval if exits else 1, most, array.macs_per_lane)
    totals = np.empty(3, dtype=np.int64)
    if array.dispatch == "queue":
        cycles = kernels.queued_lanes(bits, macs, shape.K, pace, mapping.domains, domain.lanes, totals)
    else:
        finish = np.empty((whole.filters // domain.filters, whole.pixels // domain.pixels), dtype=np.int64)
        lanes = ((whole.filters, whole.pixels), (domain.filters, domain.pixels))
        kernels.static_lanes(bits, macs, shape.K, pace, *lanes, finish, totals)
        cycles = int(finish.max())
    executed, busy, longest = (int(total) for total in totals)
    groups = _groups(mapping, dispatched)
    streamed = longest if exits else int(groups.sum()) * most
    return LaneWork(mapping, dispatched, int(cycles), executed, busy, groups, streamed)
