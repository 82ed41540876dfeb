"""ArchSpec: one accelerator, complete and checked, all quantities in base units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from zapsim.arch.arrays import Array
from zapsim.arch.memory_energy import MemorySize, resize_factors, resize_notes
from zapsim.arch.predictor_section import ARITHMETIC, PredictorUnit
from zapsim.arch.scaling import scaled
from zapsim.arch.section import (
    Bandwidth,
    Depth,
    Frequency,
    Overhead,
    Prose,
    Section,
    Size,
    Time,
    Whole,
    Width,
    blame,
)
from zapsim.arch.tables import AreaTable, EnergyTable
from zapsim.reading.text import Line
from zapsim.remembered import once_per_object


class GlobalBuffer(Section):
    """The global buffer (GLB).

    Attributes
    ----------
    size
        All of it, in bytes.
    resident
        The part set aside for feature maps that stay on chip from one layer to the next, in bytes.
    """

    size: Size
    resident: Whole = 0

    @model_validator(mode="after")
    def _some_of_it_works(self) -> Self:
        if self.resident >= self.size:
            raise blame("resident", f"{self.resident} B leave nothing of the {self.size} B of size to work with")
        return self

    @property
    def working(self) -> int:
        """Bytes that hold tiles of ifmaps, filters and psums while a layer runs."""
        return self.size - self.resident


class FilterBuffer(Section):
    """A buffer beside the GLB that holds the filters of the tiles fetched ahead."""

    size: Size


class Prefetch(Section):
    """How many tiles DRAM works ahead of the array, for each tensor; 0: its transfers do not overlap with compute.

    A tile's ifmap (filters) may be fetched when the array has finished the tile `ifmap` (`filter`) + 1 before it; a
    tile may start when the ofmap words of the tile `ofmap` + 1 before it are written. Spilled psums go with ifmaps.
    """

    ifmap: Depth = 1
    filter: Depth = 1
    ofmap: Depth = 1


class Buffers(Section):
    """On-chip memories behind the array."""

    glb: GlobalBuffer
    filters: FilterBuffer | None = None
    prefetch: Prefetch = Prefetch()


class Dram(Section):
    """Off-chip memory: one channel that reads and writes share.

    Attributes
    ----------
    preset
        Name of the file of shipped values that this section starts from.
    bandwidth
        Bytes per second at the pins.
    latency
        Nanoseconds from a request's last burst on the channel to its data on chip; the channel goes on meanwhile.
    burst
        Bytes of the smallest transfer: every request is rounded up to it.
    refresh
        Share of the time in which the channel refreshes and moves nothing.
    compression
        How feature maps are held: plain; in Eyeriss's runs of zeros; or as non-zero values and one bit per value.
    """

    preset: str | None = None
    bandwidth: Bandwidth
    latency: Time = 0.0
    burst: Size = 1
    refresh: Overhead = 0.0
    compression: Literal["none", "rlc", "bitmask"] = "none"


class ClockGating(Section):
    """Whether the clock of PEs that wait stops.

    Attributes
    ----------
    mode
        ``none``: every PE that the mapping uses stays clocked, as in the Eyeriss chip, which stops the clock of unused
        PEs only. ``stalled``: the clock of a PE stops while it waits for a slower PE, a bus, DRAM or the predictor.
    remaining
        Share of a waiting PE's clock and control energy that gating cells and the tree above them still take. The
        default is from Jacobson et al., "Stretching the Limits of Clock-Gating Efficiency in Server-Class Processors",
        HPCA 2005: clocking latches only when they are used saves 66 % of their clock power.
    """

    mode: Literal["none", "stalled"] = "none"
    remaining: Overhead = 0.34


class ArchSpec(Section):
    """One accelerator.

    Attributes
    ----------
    word
        Bits of a word (ifmap, filter and psum words alike).
    clock
        Hz of the array.
    inputs
        What a MAC does with a zero ifmap value, under policies that leave inputs as set.
    clock_gating
        Whether the clock of PEs that wait stops.
    area
        Needed by what asks for areas, and by nothing else.
    sources
        Where values come from: the source of each value by its path (``energy.actions.dram_reads``), if it has one.
        Gathered from the file; not a key of it.
    """

    name: Line
    description: Prose
    array: Array
    word: Width
    clock: Frequency
    buffers: Buffers
    dram: Dram
    inputs: Literal["dense", "gate", "skip"] = "dense"
    predictor: PredictorUnit
    clock_gating: ClockGating = ClockGating()
    energy: EnergyTable
    area: AreaTable | None = None
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _filter_buffer_is_used(self) -> Self:
        if self.buffers.filters is not None and not self.array.filters_bypass_glb:
            fault = f"belongs to a row-stationary array, not to one with dataflow: {self.array.dataflow}"
            raise blame("buffers.filters", fault)
        return self

    @model_validator(mode="after")
    def _blocks_are_the_same_in_both_stages(self) -> Self:
        """Refuse what deals a stage's outputs anew while stages alternate block by block."""
        setting = self.array.dealt_anew_by
        if self.predictor.granularity == "tile" and setting is not None:
            fault = f"'tile' needs blocks of the same outputs in both stages, but array.{setting} deals them anew"
            raise blame("predictor.granularity", fault)
        return self

    @property
    def word_bytes(self) -> float:
        """Bytes of a word."""
        return self.word / 8

    @property
    def glb_words(self) -> int:
        """Words of the GLB that a layer can use while it runs."""
        return int(self.buffers.glb.working / self.word_bytes)

    @model_validator(mode="after")
    def _prices_are_of_memories(self) -> Self:
        """Refuse a price for a size of what has none here."""
        sizes = self.memory_sizes
        for action, price in self.energy.actions.items():
            if price.size is not None and action not in sizes:
                fault = f"this architecture has no such memory with a size, so leave out 'at {price.size}'"
                raise blame(f"energy.actions.{action}", fault)
        return self

    @property
    def memory_sizes(self) -> dict[str, MemorySize]:
        """Size of the memory that each action reads or writes, as far as it has one that can be chosen."""
        glb = MemorySize(self.buffers.glb.size, "B")
        sizes = {"glb_reads": glb, "glb_writes": glb, "mask_bits_written": glb, "mask_bits_read": glb}  # bits lie in it
        for spad, words in self.array.spad_words.items():
            sizes[f"{spad}_reads"] = sizes[f"{spad}_writes"] = MemorySize(words, "words")
        return sizes

    @property
    def resized(self) -> dict[str, float]:
        """By what the prices of memories are multiplied, because they are for another size than the memory has."""
        return _resized(self)

    @property
    def prices(self) -> Mapping[str, float]:
        """Energy in pJ of each action: the table's, for the sizes of the memories, or scaled by ``energy.scale``."""
        energy = self.energy
        prices: Mapping[str, float] = energy.actions
        if resized := self.resized:
            prices = {**prices, **{action: prices[action] * factor for action, factor in resized.items()}}
        if energy.scale is not None:
            prices = scaled(prices, energy.scale, self.word)
        share = ARITHMETIC[self.predictor.arithmetic].energy
        if share == 1 or "predictor_macs" not in prices:
            return prices
        return {**prices, "predictor_macs": prices["predictor_macs"] * share}

    @property
    def process(self) -> str:
        """The process that the energies belong to, such as ``65 nm, 1.0 V``, and whether they are scaled to it."""
        scale = self.energy.scale
        return self.energy.technology if scale is None else f"{scale.to_node:g} nm, {scale.to_voltage:g} V (scaled)"

    @property
    def energy_note(self) -> str:
        """What a reader must know about the energies beside their sources; empty if nothing."""
        scaled_from = "" if self.energy.scale is None else f"{self.energy.scale.note(self.word)}, not measured"
        without = "" if self.energy.include_dram else "energies without DRAM"
        return "; ".join(note for note in (*self.size_notes, scaled_from, without) if note)

    @property
    def size_notes(self) -> list[str]:
        """What the size law did to the prices, a line for each memory; empty if all are for the sizes at hand."""
        return resize_notes(self.energy.actions, self.memory_sizes, self.word)

    @property
    def hash(self) -> str:
        """SHA-256 of all values that can change a result; names and sources cannot."""
        names = type(self).model_fields.keys() - {"name", "description", "sources"}
        values: dict[str, str] = {name: _sorted_json(getattr(self, name)) for name in names}
        if resized := self.resized:
            values["resized"] = json.dumps(resized, sort_keys=True)
        text = ", ".join(f'"{name}": {values[name]}' for name in sorted(values))
        return hashlib.sha256(f"{{{text}}}".encode()).hexdigest()


@once_per_object
def _resized(arch: ArchSpec) -> dict[str, float]:
    return resize_factors(arch.energy.actions, arch.memory_sizes, arch.word)


@once_per_object
def _sorted_json(value: object) -> str:
    """Write a section (or a value) as JSON with sorted keys: once for all variants of an architecture that share it."""
    if isinstance(value, Section):
        value = value.model_dump(mode="json", exclude={"preset"} if isinstance(value, Dram) else None)
    return json.dumps(value, sort_keys=True)
