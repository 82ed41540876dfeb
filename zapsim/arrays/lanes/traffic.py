"""Storage accesses of an output-lanes array, and the time that its buses take beside the lanes.

``docs/models/output-lanes.md`` states the relations and what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.lanes.tiles import DramWords, no_tiles, strip_tiles
from zapsim.arrays.lanes.work import LaneWork
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts, Cycles
from zapsim.workload import ConvShape

INDEX_WORDS = 1
"""Words beside every reordered weight: the place of its input in the window (SnaPEA's index buffer)."""


@dataclass(frozen=True, slots=True)
class Macs:
    """MACs of a stage: executed, gated, and those whose output was asked for (their ifmap word is read)."""

    executed: int
    gated: int
    asked: int


@dataclass(frozen=True, slots=True)
class _Operand:
    """Words of one operand: from DRAM, over the bus, into the PEs' buffers, and those needed before the first MAC.

    ``once``: DRAM gives them when they are first needed, and they stay; else as often as they pass the bus.
    """

    dram: int
    bus: int
    written: int
    first: int
    once: bool


def storage_counts(
    shape: ConvShape, arch: ArchSpec, work: LaneWork, demand: Demand, macs: Macs
) -> tuple[Counts, Cycles, Tiles]:
    """Return all counts but the MACs, the cycles of the stage, and its tiles."""
    if not work.outputs:
        return Counts(), Cycles(), no_tiles(shape, work, arch.glb_words)
    per_weight = 1 if demand.exit_macs is None else 1 + INDEX_WORDS
    glb_words = arch.glb_words
    filters = _filters(shape, work, per_weight, glb_words)
    ifmap = _ifmap(shape, arch, work, demand, glb_words - filters.first)
    merged = work.mapping.slices * work.outputs if work.mapping.slices > 1 else 0
    counts = Counts(
        ifmap_spad_reads=macs.asked,
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
    )
    cycles = _cycles(work, filters, ifmap)
    room = glb_words - filters.first - (ifmap.dram if ifmap.once else 0)
    dram = DramWords(ifmap.dram, ifmap.once, filters.dram, filters.once, room)
    return counts, cycles, strip_tiles(shape, work, dram, cycles.total)


def _cycles(work: LaneWork, filters: _Operand, ifmap: _Operand) -> Cycles:
    """Return the stage's cycles: first weights in, then lanes and buses side by side, then last outputs out."""
    buses = work.mapping.array.buses
    last = min(work.outputs, work.mapping.whole.lanes)
    ramp = -(-filters.first // buses.filter) - (-last // buses.psum)
    busy = {
        "ifmap_bus": -(-ifmap.bus // buses.ifmap),
        "filter_load": -(-(filters.bus - filters.first) // buses.filter),
        "psum_bus": -(-(work.outputs - last) // buses.psum),
    }
    waits, reached = {}, work.cycles
    for part, cycles in busy.items():
        waits[part] = max(cycles - reached, 0)
        reached += waits[part]
    return Cycles(compute=work.cycles, ramp=ramp, **waits)


def _filters(shape: ConvShape, work: LaneWork, per_weight: int, glb_words: int) -> _Operand:
    """Return what moves of the weights.

    Filters that fit the PEs' buffers are loaded once by every part of the array that uses them; others are streamed
    for every group of outputs that start together, as far as the longest of them gets.
    """
    mapping = work.mapping
    pe, static = mapping.pe, mapping.array.dispatch == "static"
    words = shape.macs_per_output * per_weight
    used = int(np.count_nonzero(work.per_filter))
    in_flight = min(mapping.filters_in_flight(shape), used)
    resident = words * min(pe.filters, shape.K) <= mapping.array.filter_buffer
    if resident:
        bus, first, listeners = int(work.loads().sum()) * words, in_flight * words, mapping.loaders
    else:
        bus, first, listeners = work.streamed_macs * per_weight, in_flight * per_weight, mapping.domain
    pes = listeners.pixels // pe.pixels if static else listeners.lanes // pe.lanes
    stays = resident or in_flight * words <= glb_words
    return _Operand(used * words if stays else bus, bus, bus * max(pes, 1), min(first, bus), stays)


def _ifmap(shape: ConvShape, arch: ArchSpec, work: LaneWork, demand: Demand, glb_words: int) -> _Operand:
    """Return what moves of the ifmap: all of its group's channels, once for every block of filters with any output.

    Values that no output of the dense layer reads stay where they are.
    """
    mapping = work.mapping
    pe, whole, reach = mapping.pe, mapping.whole, _outputs_per_input(shape)
    filters = np.flatnonzero(work.per_filter)
    at_once = mapping.filters_in_flight(shape)
    group = filters // shape.K_per_group
    passes = len(np.unique(np.stack([filters // at_once, group]), axis=1).T)
    plain = shape.ifmap_words_read // shape.groups
    words = plain + -(-plain * _offset_bits(work, demand) // arch.word)
    once = len(np.unique(group)) * words
    bus = passes * words
    if mapping.array.dispatch == "static":
        listeners = -(-min(whole.filters, shape.K) // pe.filters) * min(whole.pixels // pe.pixels, reach)
    else:
        listeners = min(whole.lanes // pe.lanes, reach * at_once)
    dram = _coded(shape, demand, once if once <= glb_words else bus)
    return _Operand(dram, bus, passes * plain * listeners, 0, once <= glb_words)


def _coded(shape: ConvShape, demand: Demand, words: int) -> int:
    """Return ifmap words as DRAM holds them."""
    if demand.ifmap_coded_words is None:
        return words
    return -(-words * demand.ifmap_coded_words // shape.ifmap_words)


def _outputs_per_input(shape: ConvShape) -> int:
    """Return how many outputs of a channel read one ifmap value, at most."""
    rows, cols = (-(-taps // step) for taps, step in zip((shape.R, shape.S), shape.stride, strict=True))
    return rows * cols


def _offset_bits(work: LaneWork, demand: Demand) -> int:
    """Return the bits beside each ifmap value: its place in its brick, or whether it is zero; 0 if none is skipped."""
    if demand.ifmap_nonzero is None:
        return 0
    return max(1, (work.mapping.array.brick - 1).bit_length()) if work.mapping.slices > 1 else 1
