"""Work on output lanes: how long the lanes take for the outputs of a stage, and how well they are used.

Static outputs that all take equally long need no simulation: counting them by filter and pixel lane is enough. Others
go through the kernels of :mod:`zapsim.arrays.lanes.kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.engine import Demand
from zapsim.arrays.lanes import kernels, use_kernels
from zapsim.arrays.lanes.finish import dealt_pixels, queue_finish, segment_size, static_finish
from zapsim.arrays.lanes.mapping import LanesMapping
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FilterUse:
    """Which filters the outputs of a stage use.

    Attributes
    ----------
    per_filter, loads
        int64 (K,): outputs of each filter; parts of the array (static lanes that load together) that need its weights.
    outputs
        All outputs.
    filters, passes, groups
        Filters with any output; blocks of filters of one group that have one; groups that have one.
    """

    per_filter: Ints
    loads: Ints
    outputs: int
    filters: int
    passes: int
    groups: int

    @classmethod
    def of(cls, shape: ConvShape, mapping: LanesMapping, dispatched: Ints) -> FilterUse:
        """Count what outputs dispatched by pixel lane and filter, int64 (pixel lanes, K), use."""
        per_filter, loads = np.empty(shape.K, dtype=np.int64), np.empty(shape.K, dtype=np.int64)
        sizes = (mapping.whole.filters, shape.K_per_group)
        counts = use_kernels.filter_use(dispatched, mapping.loaders.pixels, sizes, per_filter, loads)
        return cls(per_filter, loads, int(per_filter.sum()), *counts)


@dataclass(frozen=True, eq=False)
class LaneWork:
    """The lanes' part of a stage: it follows from the mask and from how the array deals outputs to lanes.

    Attributes
    ----------
    mapping
        The layer on the array.
    dispatched
        int64 (pixel lanes, K): outputs dispatched, by pixel lane (i mod J) and filter.
    use
        What follows from it: which filters are used where.
    cycles
        Cycles until the last lane is done.
    macs
        MACs of the lane that does most, summed over the outputs (without slices: all MACs of the lanes).
    busy_lane_cycles
        Cycles in which lanes work, summed over lanes; lanes that share an output (slices) count as one.
    groups
        int64 (K,): groups of outputs that start together and hold some of each filter, summed over the array's parts.
    streamed_macs
        MACs of the longest output of each filter in each such group, summed.
    """

    mapping: LanesMapping
    dispatched: Ints
    use: FilterUse
    cycles: int
    macs: int
    busy_lane_cycles: int
    groups: Ints
    streamed_macs: int

    @property
    def outputs(self) -> int:
        """Outputs dispatched."""
        return self.use.outputs

    def streams(self, shape: ConvShape, per_weight: int) -> bool:
        """Say whether weights are streamed (:meth:`zapsim.arrays.lanes.mapping.LanesMapping.streams`)."""
        return self.mapping.streams(shape, per_weight)

    @property
    def per_filter(self) -> Ints:
        """Outputs dispatched of each filter: int64 (K,)."""
        return self.use.per_filter

    @property
    def lane_cycles(self) -> int:
        """Cycles × lanes, busy or not."""
        return self.cycles * self.mapping.whole.lanes

    @property
    def balance(self) -> float:
        """Share of the lane-cycles that are busy, 0 to 1; what is missing is waiting and lanes without an output."""
        return self.busy_lane_cycles / self.lane_cycles if self.lane_cycles else 1.0

    @cached_property
    def loads(self) -> int:
        """Count how often weights of a filter are loaded: once by every part of the array that uses them."""
        if self.mapping.array.dispatch == "block-queue":
            return int(np.minimum(self.groups, self.mapping.whole.lanes // self.mapping.loaders.lanes).sum())
        return int(self.use.loads.sum())

    @cached_property
    def active_pes(self) -> int:
        """Count the PEs that get any output."""
        pe, whole = self.mapping.pe, self.mapping.whole
        if self.mapping.array.dispatch == "block-queue":
            return min(-(-self.outputs // pe.lanes), whole.lanes // pe.lanes)
        return int(use_kernels.active_pes(self.dispatched, whole.filters, (pe.filters, pe.pixels)))


def lane_work(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> LaneWork:
    """Work out what the lanes do in one stage; with ``demand.gate``, every output is dispatched."""
    if mapping.array.dispatch != "static":
        return _queued(shape, mapping, demand)
    by_segment = _dispatched(shape, mapping, demand)
    whole, domain, blocks = mapping.whole, mapping.domain, -(-shape.K // mapping.whole.filters)
    legs = np.empty((mapping.domains, len(by_segment) * blocks), dtype=np.int64)
    groups, dispatched = np.empty(shape.K, dtype=np.int64), np.empty((whole.pixels, shape.K), dtype=np.int64)
    lanes = (whole.filters, domain.filters, domain.pixels)
    use_kernels.even_steps(by_segment, lanes, legs, groups, dispatched)
    use = FilterUse.of(shape, mapping, dispatched)
    if demand.exit_macs is not None or demand.ifmap_nonzero is not None:
        return _uneven(shape, mapping, demand, dispatched, use, groups)
    output_cycles = mapping.dense_cycles(shape)
    return LaneWork(
        mapping,
        dispatched,
        use,
        cycles=_all_done(mapping, legs) * output_cycles,
        macs=use.outputs * shape.macs_per_output,
        busy_lane_cycles=use.outputs * output_cycles,
        groups=groups,
        streamed_macs=int(groups.sum()) * shape.macs_per_output,
    )


def _dispatched(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> Ints:
    """Count the outputs dispatched by segment, pixel lane and filter: int64 (segments, J, K)."""
    lanes, pixels = mapping.whole.pixels, dealt_pixels(shape, demand)
    segment = segment_size(shape, mapping, pixels)
    if demand.mask is not None and not demand.gate:
        positions = None if demand.positions is None else demand.positions.tobytes()
        return demand.mask.summary(_residue_counts, lanes, segment, positions)
    starts = np.arange(0, max(pixels, 1), segment)
    in_segment = np.minimum(segment, pixels - starts)
    by_lane = (in_segment[:, np.newaxis] - 1 - np.arange(lanes)) // lanes + 1
    return np.ascontiguousarray(np.repeat(by_lane[:, :, np.newaxis], shape.K, axis=2))


def _residue_counts(mask: PackedMap, lanes: int, segment: int, positions: bytes | None) -> Ints:
    """Count the outputs of each filter by pixel lane, of the pixels at `positions` (None: all), segment by segment."""
    images, rows, cols, filters = mask.shape
    bits = mask.bits.reshape(images * rows * cols, -1)
    if positions is not None:
        bits = bits[np.flatnonzero(np.tile(np.frombuffer(positions, dtype=np.bool_), images))]
    starts = range(0, max(len(bits), 1), segment)
    out = np.empty((len(starts), lanes, filters), dtype=np.int64)
    counts = np.empty((lanes, bits.shape[1] * 8), dtype=np.int32)
    for number, start in enumerate(starts):
        kernels.residue_counts(bits[start : start + segment], kernels.SPREAD, counts)
        out[number] = counts[:, :filters]
    return out


def _all_done(mapping: LanesMapping, legs: Ints) -> int:
    """Return when the last part of the array is done, from the time that each takes for each leg (parts, legs).

    A leg is a segment of pixels in a block of filters. If ifmap buffers have a size, all parts begin a leg together.
    """
    if mapping.array.ifmap_buffer is None:
        return int(legs.sum(axis=1).max())
    return int(legs.max(axis=0).sum())


def _uneven(
    shape: ConvShape, mapping: LanesMapping, demand: Demand, dispatched: Ints, use: FilterUse, groups: Ints
) -> LaneWork:
    """Work out what the lanes do with static outputs that take different numbers of MACs."""
    finish, totals = static_finish(shape, mapping, demand)
    executed, busy, longest = totals
    streamed = longest if demand.exit_macs is not None else int(groups.sum()) * shape.macs_per_output
    cycles = _all_done(mapping, finish)
    return LaneWork(mapping, dispatched, use, cycles, executed, busy, groups, streamed)


def _queued(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> LaneWork:
    """Work out what the lanes do with outputs that wait in queues."""
    finish, groups, (executed, busy, longest) = queue_finish(shape, mapping, demand)
    dispatched = _dispatched(shape, mapping, demand).sum(axis=0)
    use, even = FilterUse.of(shape, mapping, dispatched), demand.exit_macs is None and demand.ifmap_nonzero is None
    return LaneWork(
        mapping,
        dispatched,
        use,
        cycles=_all_done(mapping, finish),
        macs=use.outputs * shape.macs_per_output if even else executed,
        busy_lane_cycles=busy,
        groups=groups,
        streamed_macs=longest if demand.exit_macs is not None else int(groups.sum()) * shape.macs_per_output,
    )
