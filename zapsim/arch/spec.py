"""ArchSpec: one accelerator, complete and checked, all quantities in base units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from zapsim.arch.arrays import Array
from zapsim.arch.scaling import scaled
from zapsim.arch.section import (
    Bandwidth,
    Depth,
    Frequency,
    Latency,
    Overhead,
    Positive,
    Section,
    Size,
    Time,
    Whole,
    Width,
    Words,
    blame,
)
from zapsim.arch.tables import AreaTable, EnergyTable


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


class PredictorUnit(Section):
    """The hardware that runs the predictors.

    Attributes
    ----------
    unit
        ``dedicated``: a unit of its own, working on finished outputs while the array goes on. ``array``: a depthwise
        layer on the PE array, between the stages. ``ideal``: free.
    layers
        The layers that are predicted, of those with a predictor: ``all``; ``paying``: those in which prediction is
        expected to save cycles (:func:`zapsim.timing.layer.prediction_pays`); or their names.
    arithmetic
        Of a dedicated unit: ``int16``; ``int8``: weights and inputs of 8 bits; ``power-of-two``: inputs of 8 bits, and
        weights that shift them (:data:`ARITHMETIC`).
    lanes, latency
        Of a dedicated unit: MACs per cycle, and cycles from its last input to the last mask bit.
    weights
        Words of weights that a dedicated unit keeps; None: all that a layer needs. If a layer has more, they are read
        from DRAM again whenever the array comes back to a filter.
    granularity
        ``layer``: all pattern outputs of a layer first, then the predictor, then the rest. ``tile``: the same for one
        block of filters (and strip of rows) after the other.
    """

    unit: Literal["dedicated", "array", "ideal"]
    layers: Literal["all", "paying"] | tuple[str, ...] = "all"
    arithmetic: Literal["int16", "int8", "power-of-two"] = "int16"
    lanes: Positive = 1
    latency: Latency = 0
    weights: Words | None = None
    granularity: Literal["layer", "tile"] = "layer"

    @model_validator(mode="after")
    def _lanes_given(self) -> Self:
        if self.unit == "dedicated" and "lanes" not in self.model_fields_set:
            raise blame("lanes", "missing, a dedicated unit needs it (MACs per cycle)")
        return self

    @model_validator(mode="after")
    def _unit_has_the_arithmetic(self) -> Self:
        if self.arithmetic != "int16" and self.unit == "array":
            fault = f"'{self.arithmetic}' needs unit: dedicated; a predictor on the array computes in the array's words"
            raise blame("arithmetic", fault)
        return self

    @property
    def weights_per_word(self) -> int:
        """Weights that share a 16-bit word."""
        return 1 if self.arithmetic == "int16" else 2


class Arithmetic(NamedTuple):
    """What a lane of the predictor takes, as shares of what a 16-bit lane takes."""

    energy: float
    area: float


ARITHMETIC: Final = {
    "int16": Arithmetic(energy=1.0, area=1.0),
    "int8": Arithmetic(energy=0.5, area=0.4),
    "power-of-two": Arithmetic(energy=0.45, area=0.2),
}
"""Energy per predictor MAC and area per predictor lane, relative to ``int16``.

From M. Horowitz, "Computing's Energy Problem", ISSCC 2014, 45 nm: multiplying 8 bit takes 0.2 pJ and 282 µm², 16 bit a
quarter of the 3.1 pJ and 3,495 µm² of 32 bit; adding 16 bit 0.05 pJ and 67 µm². So an int8 MAC takes 0.30 of the energy
and 0.37 of the area of an int16 MAC, and a shift with an addition (counted as two additions) 0.12 and 0.14. Registers,
three quarters of a lane's energy and a tenth of its area, halve with 8-bit inputs, but for the sums. All values are
rounded up, in favour of ``int16``.
"""


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

    name: str
    description: str
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

    @property
    def prices(self) -> Mapping[str, float]:
        """Energy in pJ of each action: the table's, or what ``energy.scale`` makes of it."""
        energy = self.energy
        prices = energy.actions if energy.scale is None else scaled(energy.actions, energy.scale, self.word)
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
        return "; ".join(note for note in (scaled_from, without) if note)

    @property
    def hash(self) -> str:
        """SHA-256 of all values that can change a result; names and sources cannot."""
        values: dict[str, Any] = self.model_dump(
            mode="json", exclude={"name": True, "description": True, "sources": True, "dram": {"preset"}}
        )
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
