"""The output-lanes engine: cycles and actions of one stage on lanes that compute whole outputs.

Sources: Akhlaghi et al., "SnaPEA", ISCA 2018 (early exit); Albericio et al., "Cnvlutin", ISCA 2016 (skipped inputs).
``docs/models/output-lanes.md`` states the model and what it leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import WHOLE_LAYER, Demand, Served, StageResult, StageShare
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.lanes.ifmap_buffer import streamed_words
from zapsim.arrays.lanes.mapping import LanesMapping, map_lanes
from zapsim.arrays.lanes.tiles import DramWords, no_tiles, strip_tiles
from zapsim.arrays.lanes.work import LaneWork, lane_work
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts, Cycles
from zapsim.errors import PolicyError
from zapsim.workload import ConvShape

INDEX_WORDS = 1
"""Words beside every reordered weight: the place of its input in the window (SnaPEA's index buffer)."""


class Macs(NamedTuple):
    """MACs of a stage: executed, gated, and demanded (their ifmap word is read)."""

    executed: int
    gated: int
    demanded: int


class _Operand(NamedTuple):
    """Words of one operand: from DRAM, over the bus, into the PEs' buffers, and those that the first MAC waits for.

    ``once``: DRAM gives them when they are first used, and they stay; else as often as they pass the bus. ``held``
    words of the GLB are taken meanwhile.
    """

    dram: int
    bus: int
    written: int
    first: int
    once: bool
    held: int


class LanesEngine:
    """Output lanes behind the engine interface."""

    served = Served(frozenset({"dense", "gate", "skip", "early-exit"}), frozenset({"dense", "gate", "skip"}))

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, _coded: float = 1.0
    ) -> list[LanesMapping]:
        """Deal `shape` to the lanes of `arch`; the mapping is the same for every stage and mask.

        Where the weights at work at a time do not fit the GLB, they come from DRAM as often as they are streamed. Then
        fewer filters may be at work: as many as take the fewest cycles of lanes and DRAM channel for the dense layer.
        """
        per_weight = 1 + INDEX_WORDS if any(stage.early_exit for stage in stages) else 1
        return [_best_mapping(shape, arch, per_weight)] * len(stages)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: LanesMapping, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage.

        Raises
        ------
        PolicyError
            If outputs are gated, or zero inputs known, while outputs end early (no trace says which MACs that leaves),
            or if several lanes share such an output (none of them sees its sign).
        """
        if demand.exit_macs is not None and (demand.gate or demand.window_nonzero is not None):
            raise PolicyError(f"layer {shape.name}: early exit goes with dense inputs and without gated outputs")
        if demand.exit_macs is not None and mapping.slices > 1:
            raise PolicyError(f"{arch.name}: early exit needs lanes with whole outputs, not spread.lanes = slices")
        work = demand.once(_lane_work, shape, arch, mapping)
        macs = _macs(shape, demand, work)
        counts, cycles, tiles = storage_counts(shape, arch, work, demand, macs)
        busy = work.busy_lane_cycles
        return StageResult(cycles, counts, work.active_pes, tiles, work.lane_cycles / busy if busy else 1.0)


def _best_mapping(shape: ConvShape, arch: ArchSpec, per_weight: int) -> LanesMapping:
    """Find how many filters are at work at a time, in halves of what the array has; all, if their weights fit."""
    whole = mapping = map_lanes(shape, arch)
    weights = shape.macs_per_output * per_weight
    choices = [whole]
    while mapping.streams(shape, per_weight) and min(mapping.whole.filters, shape.K) * weights > arch.glb_words:
        smaller = mapping.with_fewer_filters()
        if smaller is None:
            break
        choices.append(mapping := smaller)
    if len(choices) == 1:
        return whole
    return min(choices, key=lambda choice: _dense_cycles(shape, arch, choice, per_weight))  # of equals the first: all


def _dense_cycles(shape: ConvShape, arch: ArchSpec, mapping: LanesMapping, per_weight: int) -> float:
    """Count the cycles of the dense layer: of lanes and channel the longer, and what is not brought ahead."""
    work = lane_work(shape, mapping, Demand())
    filters, ifmap = _operands(shape, arch, work, Demand(), per_weight)
    word_cycles = arch.word_bytes * arch.clock / (arch.dram.bandwidth * (1 - arch.dram.refresh))
    ahead = arch.buffers.prefetch
    exposed = (0 if ahead.ifmap else ifmap.dram) + (0 if ahead.filter else filters.dram)
    cycles = _cycles(work, filters, ifmap).total
    return max(cycles + exposed * word_cycles, (ifmap.dram + filters.dram + work.outputs) * word_cycles)


def _lane_work(shape: ConvShape, _arch: ArchSpec, mapping: LanesMapping, demand: Demand) -> LaneWork:
    return lane_work(shape, mapping, demand)


def _macs(shape: ConvShape, demand: Demand, work: LaneWork) -> Macs:
    """Count the MACs of a stage; every output that is computed is demanded, so no MAC is lost."""
    if demand.exit_macs is not None:
        return Macs(work.macs, 0, work.macs)
    demanded = shape.outputs if demand.mask is None else demand.mask.count()
    outputs = None
    if demand.mask is not None and demand.window_nonzero is not None:
        outputs = outputs_per_pixel(demand.mask, shape.groups)
    elif demand.mask is not None:
        return _without_inputs(shape, demanded, work)
    executed = switching_macs(shape, outputs, demand.window_nonzero)
    if demand.ifmap_nonzero is None:
        return Macs(executed, work.outputs * shape.macs_per_output - executed, demanded * shape.macs_per_output)
    dispatched = switching_macs(shape, None if demand.gate else outputs, demand.window_nonzero)
    return Macs(executed, dispatched - executed, executed)


def _without_inputs(shape: ConvShape, demanded: int, work: LaneWork) -> Macs:
    """Count the MACs if zero inputs make no difference."""
    executed = demanded * shape.macs_per_output
    return Macs(executed, work.outputs * shape.macs_per_output - executed, executed)


def storage_counts(
    shape: ConvShape, arch: ArchSpec, work: LaneWork, demand: Demand, macs: Macs
) -> tuple[Counts, Cycles, Tiles]:
    """Count MACs and accesses of buffers and buses; return them with the cycles of the stage and its tiles."""
    if not work.outputs:
        counts = Counts(macs_executed=macs.executed, macs_gated=macs.gated)
        return counts, Cycles(), no_tiles(shape, work, arch.glb_words)
    per_weight = 1 if demand.exit_macs is None else 1 + INDEX_WORDS
    glb_words = arch.glb_words
    filters, ifmap = _operands(shape, arch, work, demand, per_weight)
    merged = work.mapping.slices * work.outputs if work.mapping.slices > 1 else 0
    cycles = _cycles(work, filters, ifmap)
    counts = Counts(
        macs_executed=macs.executed,
        macs_gated=macs.gated,
        ifmap_spad_reads=macs.demanded,
        ifmap_spad_writes=ifmap.written,
        filter_spad_reads=macs.executed * per_weight,
        filter_spad_writes=filters.written,
        psum_spad_reads=macs.executed + merged,
        psum_spad_writes=macs.executed,
        ifmap_bus_words=ifmap.bus,
        filter_bus_words=filters.bus,
        psum_bus_words=work.outputs,
        bus_deliveries=ifmap.written + filters.written + work.outputs,
        glb_reads=ifmap.bus + filters.bus,
        glb_writes=work.outputs,
        pe_active_cycles=work.active_pes * work.mapping.array.lanes * cycles.total,
    )
    free_words = glb_words - filters.held - ifmap.held
    dram = DramWords(ifmap.dram, ifmap.once, filters.dram, filters.once, free_words)
    return counts, cycles, strip_tiles(shape, work, dram, cycles.total)


def _cycles(work: LaneWork, filters: _Operand, ifmap: _Operand) -> Cycles:
    """Split the stage's cycles: first weights in, then lanes and buses side by side, then last outputs out."""
    buses = work.mapping.array.buses
    last = min(work.outputs, work.mapping.whole.lanes)
    ramp = -(-filters.first // buses.filter) - (-last // buses.psum)
    # Each bus is blamed only for what it takes beyond the lanes and the buses before it.
    lanes = work.cycles
    with_ifmap = max(lanes, -(-ifmap.bus // buses.ifmap))
    with_filters = max(with_ifmap, -(-(filters.bus - filters.first) // buses.filter))
    with_psums = max(with_filters, -(-(work.outputs - last) // buses.psum))
    return Cycles(
        compute=lanes,
        ifmap_bus=with_ifmap - lanes,
        filter_load=with_filters - with_ifmap,
        psum_bus=with_psums - with_filters,
        ramp=ramp,
    )


def _operands(
    shape: ConvShape, arch: ArchSpec, work: LaneWork, demand: Demand, per_weight: int
) -> tuple[_Operand, _Operand]:
    """Give the GLB to the operands for which DRAM then moves the fewest words: filters and ifmap."""
    glb_words = arch.glb_words
    filters = _filters(shape, work, per_weight, glb_words)
    ifmap = _ifmap(shape, arch, work, demand, glb_words - filters.held)
    if not filters.once or ifmap.once or not work.streams(shape, per_weight):
        return filters, ifmap
    passing = _filters(shape, work, per_weight, 0)
    kept = _ifmap(shape, arch, work, demand, glb_words - passing.held)
    if kept.once and passing.dram + kept.dram < filters.dram + ifmap.dram:
        return passing, kept
    return filters, ifmap


def _filters(shape: ConvShape, work: LaneWork, per_weight: int, glb_words: int) -> _Operand:
    """Count the words of weights that move; ``glb_words`` are those that they may take.

    Filters that fit the PEs' buffers are loaded once by every part of the array that uses them; others are streamed
    for every group of outputs that start together, as far as the longest of them gets.
    """
    mapping = work.mapping
    pe, shared_queue = mapping.pe, mapping.array.dispatch == "block-queue"
    words = shape.macs_per_output * per_weight
    used = work.use.filters
    in_flight = min(mapping.whole.filters, used)
    resident = not work.streams(shape, per_weight)
    if resident:
        bus, first, listeners = work.loads * words, in_flight * words, mapping.loaders
    else:
        bus, first, listeners = work.streamed_macs * per_weight, in_flight * per_weight, mapping.domain
    pes = listeners.lanes // pe.lanes if shared_queue else listeners.pixels // pe.pixels
    stays = resident or in_flight * words <= glb_words
    first = min(first, bus)
    held = in_flight * words if stays and not resident else first
    return _Operand(used * words if stays else bus, bus, bus * max(pes, 1), first, stays, held)


def _ifmap(shape: ConvShape, arch: ArchSpec, work: LaneWork, demand: Demand, glb_words: int) -> _Operand:
    """Count the ifmap words that move: all of a group's channels, once for every block of filters with any output.

    Values that no output of the dense layer reads stay where they are.
    """
    mapping = work.mapping
    pe, whole, reach = mapping.pe, mapping.whole, _outputs_per_input(shape)
    passes = work.use.passes
    bits = _offset_bits(work, demand)
    plain = streamed_words(shape, mapping, demand.positions)
    words = plain + -(-plain * bits // arch.word)
    map_words = shape.ifmap_words_read // shape.groups
    once = work.use.groups * (map_words + -(-map_words * bits // arch.word))
    bus = passes * words
    if mapping.array.dispatch == "block-queue":
        listeners = min(whole.lanes // pe.lanes, reach * min(whole.filters, shape.K))
    else:
        listeners = -(-min(whole.filters, shape.K) // pe.filters) * min(whole.pixels // pe.pixels, reach)
    dram = _coded(shape, demand, once if once <= glb_words else bus)
    stays = once <= glb_words
    return _Operand(dram, bus, passes * plain * listeners, 0, stays, dram if stays else 0)


def _coded(shape: ConvShape, demand: Demand, words: int) -> int:
    """Convert ifmap words to those that DRAM holds of them."""
    if demand.ifmap_coded_words is None:
        return words
    return -(-words * demand.ifmap_coded_words // shape.ifmap_words)


def _outputs_per_input(shape: ConvShape) -> int:
    """Count the outputs of a channel that read one ifmap value, at most."""
    rows, cols = (-(-taps // step) for taps, step in zip((shape.R, shape.S), shape.stride, strict=True))
    return rows * cols


def _offset_bits(work: LaneWork, demand: Demand) -> int:
    """Count the bits beside each ifmap value: its place in its brick, or whether it is zero; 0 if none is skipped."""
    if demand.ifmap_nonzero is None:
        return 0
    return max(1, (work.mapping.array.brick - 1).bit_length()) if work.mapping.slices > 1 else 1
