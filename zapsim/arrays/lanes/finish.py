"""When lanes are done with their outputs, if these take different numbers of MACs, or wait in queues.

Outputs go through the kernels of :mod:`zapsim.arrays.lanes.kernels`. A mask remembers what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.engine import Demand
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.lanes import kernels, slice_kernels, static_kernels
from zapsim.arrays.lanes.ifmap_buffer import segment_pixels, window_pixels
from zapsim.arrays.lanes.mapping import LanesMapping, lane_macs
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

Ints: TypeAlias = NDArray[np.int64]
Totals: TypeAlias = tuple[int, int, int]
"""MACs; busy lane-cycles; MACs of the longest output of every filter in every step, summed."""


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


def dealt_pixels(shape: ConvShape, demand: Demand) -> int:
    """Count the pixels in which the stage may compute."""
    if demand.mask is None or demand.gate or demand.positions is None:
        return shape.N * shape.P * shape.Q
    return shape.N * int(demand.positions.sum())


def segment_size(shape: ConvShape, mapping: LanesMapping, pixels: int) -> int:
    """Count the pixels of a segment, among those that a stage deals."""
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
    return _Dealt(bits, macs, pixels, segment_size(shape, mapping, pixels))


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


def _static_finish(
    filters: int,
    mapping: LanesMapping,
    bits: NDArray[np.uint8],
    macs: NDArray[Any],
    segment: int,
    pace: tuple[int, int, int],
) -> tuple[Ints, Totals]:
    """Return the cycles of each domain in each leg, int64 (domains, legs), and the totals of the kernel."""
    whole, domain = mapping.whole, mapping.domain
    totals = np.empty(3, dtype=np.int64)
    parts = (whole.filters // domain.filters, whole.pixels // domain.pixels)
    legs = -(-filters // whole.filters), max(-(-len(macs) // segment), 1)
    finish = np.empty((*parts, *legs), dtype=np.int64)
    lanes = ((whole.filters, whole.pixels), (domain.filters, domain.pixels))
    static_kernels.static_lanes(bits, macs, filters, pace, lanes, segment, finish, totals)
    executed, busy, longest = totals.tolist()
    return finish.reshape(mapping.domains, -1), (executed, busy, longest)


@dataclass(frozen=True, slots=True)
class _StaticDemand:
    """What the work of lanes depends on beside the mask, unless outputs end early."""

    shape: ConvShape
    mapping: LanesMapping
    ifmap_nonzero: PackedMap | None
    pace: tuple[int, int, int]
    positions: bytes | None

    def demand(self, mask: PackedMap) -> Demand:
        """Rebuild the demand of a stage."""
        shape, positions, window = self.shape, None, None
        if self.positions is not None:
            positions = np.frombuffer(self.positions, dtype=np.bool_).reshape(shape.P, shape.Q)
        if self.ifmap_nonzero is not None:
            window = window_nonzero(shape, self.ifmap_nonzero)
        return Demand(mask, positions, window_nonzero=window, ifmap_nonzero=self.ifmap_nonzero)


def _remembered_finish(mask: PackedMap, layer: _StaticDemand) -> tuple[Ints, Totals]:
    """Work out :func:`_static_finish` once per mask and map: designs with these lanes all need the same."""
    dealt = _deal(layer.shape, layer.mapping, layer.demand(mask))
    assert dealt.macs is not None
    return _static_finish(layer.shape.K, layer.mapping, dealt.bits, dealt.macs, dealt.segment, layer.pace)


def _work_off(
    shape: ConvShape, mapping: LanesMapping, dealt: _Dealt, pace: tuple[int, int, int]
) -> tuple[Ints, Ints, Totals]:
    """Return the cycles of each pool in each leg, int64 (pools, legs), and groups and totals of the kernel."""
    whole, pool = mapping.whole, mapping.pool
    macs = np.empty((dealt.pixels, 0), dtype=np.int32) if dealt.macs is None else dealt.macs
    window = window_pixels(shape, mapping, dealt.pixels) if mapping.array.dispatch == "block-queue" else dealt.pixels
    parts = (whole.filters // pool.filters, whole.pixels // pool.pixels)
    finish = np.empty((*parts, -(-shape.K // whole.filters), dealt.segments), dtype=np.int64)
    groups, totals = np.empty(shape.K, dtype=np.int64), np.empty(3, dtype=np.int64)
    lanes = ((whole.filters, whole.pixels), (pool.filters, pool.pixels), mapping.domain.lanes)
    limits = (dealt.segment, max(window, 1))
    kernels.queued_lanes(dealt.bits, macs, pace, lanes, limits, finish, groups, totals)
    executed, busy, longest = totals.tolist()
    return finish.reshape(parts[0] * parts[1], -1), groups, (executed, busy, longest)


def _remembered_queues(mask: PackedMap, layer: _StaticDemand) -> tuple[Ints, Ints, Totals]:
    """Work out :func:`_work_off` once per mask and map."""
    dealt = _deal(layer.shape, layer.mapping, layer.demand(mask))
    return _work_off(layer.shape, layer.mapping, dealt, layer.pace)


def _pace(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> tuple[int, int, int]:
    """Return between how many MACs an output may end, how many a lane does of it at most, and how many per cycle."""
    array = mapping.array
    interval = array.check_interval if demand.exit_macs is not None else 1
    return interval, lane_macs(shape, mapping.slices, array.brick), array.macs_per_lane


def static_finish(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> tuple[Ints, Totals]:
    """Say when lanes are done with static outputs that take different numbers of MACs.

    Returns
    -------
    finish
        int64 (domains, legs): cycles of each domain in each leg.
    totals
        MACs; busy lane-cycles; MACs of the longest output of every filter in every step, summed.
    """
    layer = _static_demand(shape, mapping, demand)
    if layer is not None and demand.mask is not None:
        return demand.mask.summary(_remembered_finish, layer)
    dealt = _deal(shape, mapping, demand)
    assert dealt.macs is not None
    return _static_finish(shape.K, mapping, dealt.bits, dealt.macs, dealt.segment, _pace(shape, mapping, demand))


def queue_finish(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> tuple[Ints, Ints, Totals]:
    """Say when lanes are done with outputs that wait in queues.

    Returns
    -------
    finish
        int64 (pools, legs): cycles of each pool in each leg.
    groups
        int64 (K,): groups of outputs of each filter that start together.
    totals
        As for :func:`static_finish`.
    """
    layer = _static_demand(shape, mapping, demand)
    if layer is not None and demand.mask is not None:
        return demand.mask.summary(_remembered_queues, layer)
    pace = _pace(shape, mapping, demand)
    if demand.ifmap_nonzero is None and demand.exit_macs is None:  # all outputs, and all alike
        return _full_queues(shape, mapping, pace)
    return _work_off(shape, mapping, _deal(shape, mapping, demand), pace)


def _static_demand(shape: ConvShape, mapping: LanesMapping, demand: Demand) -> _StaticDemand | None:
    """Describe what the work depends on beside the mask; None if there is no mask, or outputs end early."""
    if demand.mask is None or demand.gate or demand.exit_macs is not None:
        return None
    positions = None if demand.positions is None else demand.positions.tobytes()
    return _StaticDemand(shape, mapping, demand.ifmap_nonzero, _pace(shape, mapping, demand), positions)


@lru_cache(maxsize=256)
def _full_queues(shape: ConvShape, mapping: LanesMapping, pace: tuple[int, int, int]) -> tuple[Ints, Ints, Totals]:
    """Work out :func:`_work_off` of a layer of which every output is computed, once per shape."""
    return _work_off(shape, mapping, _deal(shape, mapping, Demand()), pace)
