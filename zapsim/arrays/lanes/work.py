"""Work on output lanes: how long the lanes take for the outputs of a stage, and how well they are used.

Static outputs that all take equally long need no simulation: counting them by filter and pixel lane is enough. Others
go through the kernels of :mod:`zapsim.arrays.lanes.kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.engine import Demand
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.lanes import kernels, slice_kernels, use_kernels
from zapsim.arrays.lanes.ifmap_buffer import segment_pixels, window_pixels
from zapsim.arrays.lanes.mapping import LanesMapping, lane_macs
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


@dataclass(frozen=True, slots=True, eq=False)
class LaneWork:
    """The lanes' part of a stage.

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

    def loads(self) -> Ints:
        """Count how often each filter's weights are loaded: once by every part of the array that uses them."""
        if self.mapping.array.dispatch == "block-queue":
            return np.minimum(self.groups, self.mapping.whole.lanes // self.mapping.loaders.lanes)
        return self.use.loads

    def active_pes(self) -> int:
        """Count the PEs that get any output."""
        pe, whole = self.mapping.pe, self.mapping.whole
        if self.mapping.array.dispatch == "block-queue":
            return min(-(-self.outputs // pe.lanes), whole.lanes // pe.lanes)
        return use_kernels.active_pes(self.dispatched, whole.filters, (pe.filters, pe.pixels))


@dataclass(frozen=True, slots=True, eq=False)
class _Dealt:
    """The outputs of a stage as they are dealt: pixels in their order, in segments.

    `bits` is uint8 (pixels, bytes), or (0, 1) if all are computed; `macs` is (pixels, columns) as kernels take it, or
    None if all outputs take the same; `segment` is the number of pixels in a segment.
    """

    bits: NDArray[np.uint8]
    macs: NDArray[Any] | None
    pixels: int
    segment: int

    @property
    def segments(self) -> int:
        """Segments, the last of which may be shorter."""
        return max(-(-self.pixels // self.segment), 1)


def lane_work(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> LaneWork:
    """Work out what the lanes do in one stage; with ``demand.gate``, every output is dispatched."""
    if mapping.array.dispatch != "static":
        return _queued(shape, mapping, demand, _deal(shape, mapping, demand))
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


def _dealt_pixels(shape: ConvShape, demand: Demand) -> int:
    """Count the pixels in which the stage may compute."""
    if demand.mask is None or demand.gate or demand.positions is None:
        return shape.N * shape.P * shape.Q
    return shape.N * int(demand.positions.sum())


def _segment(shape: ConvShape, mapping: LanesMapping, pixels: int) -> int:
    return max(pixels if mapping.array.dispatch == "block-queue" else segment_pixels(shape, mapping, pixels), 1)


def _deal(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> _Dealt:
    """Put the pixels in which the stage may compute in their order: others take no turn."""
    pixels = shape.N * shape.P * shape.Q
    bits = np.empty((0, 1), dtype=np.uint8)
    macs = _macs(shape, mapping, demand)
    if demand.mask is not None and not demand.gate:
        bits = demand.mask.bits.reshape(pixels, -1)
        if demand.positions is not None:
            dealt = np.flatnonzero(np.tile(demand.positions.ravel(), shape.N))
            pixels, bits, macs = len(dealt), bits[dealt], None if macs is None else macs[dealt]
    return _Dealt(bits, macs, pixels, _segment(shape, mapping, pixels))


def _dispatched(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> Ints:
    """Count the outputs dispatched by segment, pixel lane and filter: int64 (segments, J, K)."""
    lanes, pixels = mapping.whole.pixels, _dealt_pixels(shape, demand)
    segment = _segment(shape, mapping, pixels)
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
    return ifmap_nonzero.summary(_slice_macs, shape, mapping.array.brick, mapping.slices)


def _slice_macs(ifmap_nonzero: PackedMap, shape: ConvShape, brick: int, slices: int) -> NDArray[np.int32]:
    size = shape.C_per_group
    counts = np.empty((shape.N, shape.H, shape.W, shape.groups, -(-size // brick)), dtype=np.int32)
    words = ifmap_nonzero.words()
    slice_kernels.brick_counts(words.reshape(-1, words.shape[-1]), size, brick, counts.reshape(-1, *counts.shape[3:]))
    out = np.empty((shape.N, shape.P, shape.Q, shape.groups), dtype=np.int32)
    corner = (shape.padding[0], shape.padding[2])
    slice_kernels.slice_macs(counts, shape.R, shape.S, shape.stride, corner, shape.dilation, slices, out)
    return out


def _uneven(
    shape: ConvShape, mapping: LanesMapping, demand: Demand, dispatched: Ints, use: FilterUse, groups: Ints
) -> LaneWork:
    """Work out what the lanes do with static outputs that take different numbers of MACs."""
    pace = _pace(shape, mapping, demand)
    if demand.ifmap_nonzero is None or demand.mask is None or demand.gate:
        dealt = _deal(shape, mapping, demand)
        assert dealt.macs is not None
        finish, totals = _static_finish(shape.K, mapping, dealt.bits, dealt.macs, dealt.segment, pace)
    else:
        positions = None if demand.positions is None else demand.positions.tobytes()
        layer = _SkippedInputs(shape, mapping, demand.ifmap_nonzero, pace, positions)
        finish, totals = demand.mask.summary(_remembered_finish, layer)
    executed, busy, longest = totals
    streamed = longest if demand.exit_macs is not None else int(groups.sum()) * shape.macs_per_output
    cycles = _all_done(mapping, finish)
    return LaneWork(mapping, dispatched, use, cycles, executed, busy, groups, streamed)


def _static_finish(
    filters: int,
    mapping: LanesMapping,
    bits: NDArray[np.uint8],
    macs: NDArray[Any],
    segment: int,
    pace: tuple[int, int, int],
) -> tuple[Ints, tuple[int, int, int]]:
    """Return the cycles of each domain in each leg, int64 (domains, legs), and the totals of the kernel."""
    whole, domain = mapping.whole, mapping.domain
    totals = np.empty(3, dtype=np.int64)
    parts = (whole.filters // domain.filters, whole.pixels // domain.pixels)
    legs = -(-filters // whole.filters), max(-(-len(macs) // segment), 1)
    finish = np.empty((*parts, *legs), dtype=np.int64)
    lanes = ((whole.filters, whole.pixels), (domain.filters, domain.pixels))
    kernels.static_lanes(bits, macs, filters, pace, lanes, segment, finish, totals)
    executed, busy, longest = totals.tolist()
    return finish.reshape(mapping.domains, -1), (executed, busy, longest)


@dataclass(frozen=True, slots=True)
class _SkippedInputs:
    """What the finish of static lanes depends on beside the mask, if zero inputs are skipped."""

    shape: ConvShape
    mapping: LanesMapping
    ifmap_nonzero: PackedMap
    pace: tuple[int, int, int]
    positions: bytes | None


def _remembered_finish(mask: PackedMap, layer: _SkippedInputs) -> tuple[Ints, tuple[int, int, int]]:
    """Work out :func:`_static_finish` once per mask and map: designs with these lanes all need the same."""
    shape, mapping = layer.shape, layer.mapping
    positions = None
    if layer.positions is not None:
        positions = np.frombuffer(layer.positions, dtype=np.bool_).reshape(shape.P, shape.Q)
    window = window_nonzero(shape, layer.ifmap_nonzero)
    demand = Demand(mask, positions, window_nonzero=window, ifmap_nonzero=layer.ifmap_nonzero)
    dealt = _deal(shape, mapping, demand)
    assert dealt.macs is not None
    return _static_finish(shape.K, mapping, dealt.bits, dealt.macs, dealt.segment, layer.pace)


def _queued(shape: ConvShape, mapping: LanesMapping, demand: Demand, dealt: _Dealt) -> LaneWork:
    """Work out what the lanes do with outputs that wait in queues."""
    whole, pool = mapping.whole, mapping.pool
    even = dealt.macs is None
    macs = np.empty((dealt.pixels, 0), dtype=np.int32) if dealt.macs is None else dealt.macs
    window = window_pixels(shape, mapping, dealt.pixels) if mapping.array.dispatch == "block-queue" else dealt.pixels
    parts = (whole.filters // pool.filters, whole.pixels // pool.pixels)
    finish = np.empty((*parts, -(-shape.K // whole.filters), dealt.segments), dtype=np.int64)
    groups, totals = np.empty(shape.K, dtype=np.int64), np.empty(3, dtype=np.int64)
    lanes = ((whole.filters, whole.pixels), (pool.filters, pool.pixels), mapping.domain.lanes)
    limits = (dealt.segment, max(window, 1))
    pace = _pace(shape, mapping, demand)
    kernels.queued_lanes(dealt.bits, macs, pace, lanes, limits, finish, groups, totals)
    executed, busy, longest = (int(total) for total in totals)
    dispatched = _dispatched(shape, mapping, demand).sum(axis=0)
    use = FilterUse.of(shape, mapping, dispatched)
    return LaneWork(
        mapping,
        dispatched,
        use,
        cycles=_all_done(mapping, finish.reshape(parts[0] * parts[1], -1)),
        macs=use.outputs * shape.macs_per_output if even else executed,
        busy_lane_cycles=busy,
        groups=groups,
        streamed_macs=longest if demand.exit_macs is not None else int(groups.sum()) * shape.macs_per_output,
    )


def _pace(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> tuple[int, int, int]:
    """Return between how many MACs an output may end, how many a lane does of it at most, and how many per cycle."""
    array = mapping.array
    interval = array.check_interval if demand.exit_macs is not None else 1
    return interval, lane_macs(shape, mapping.slices, array.brick), array.macs_per_lane
