"""ArchSpec: one accelerator, complete and checked, all quantities in base units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from zapsim.arch.area_table import AreaTable
from zapsim.arch.arrays import Array, RowStationaryArray
from zapsim.arch.energy_table import EnergyTable
from zapsim.arch.memory import Buffers, Dram
from zapsim.arch.scaling import scaled
from zapsim.arch.section import Frequency, Latency, Positive, Section, Width, Words, blame


class PredictorUnit(Section):
    """The hardware that runs the predictors.

    Attributes
    ----------
    unit
        ``dedicated``: a unit of its own, working on finished outputs while the array goes on. ``array``: a depthwise
        layer on the PE array, between the stages. ``ideal``: free.
    lanes, latency
        Of a dedicated unit: MACs a cycle, and cycles from its last input to the last mask bit.
    weights
        Words of weights that a dedicated unit keeps; None: all that a layer needs. If a layer has more, they are read
        from DRAM again whenever the array comes back to a filter.
    granularity
        ``layer``: all pattern outputs of a layer first, then the predictor, then the rest. ``tile``: the same for one
        block of filters (and strip of rows) after the other.
    """

    unit: Literal["dedicated", "array", "ideal"]
    lanes: Positive = 1
    latency: Latency = 0
    weights: Words | None = None
    granularity: Literal["layer", "tile"] = "layer"

    @model_validator(mode="after")
    def _lanes_given(self) -> Self:
        if self.unit == "dedicated" and "lanes" not in self.model_fields_set:
            raise blame("lanes", "missing, a dedicated unit needs it (MACs a cycle)")
        return self


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
    energy: EnergyTable
    area: AreaTable | None = None
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _filters_have_a_bus(self) -> Self:
        if self.buffers.filters is not None and not isinstance(self.array, RowStationaryArray):
            fault = f"belongs to a row-stationary array, not to one with dataflow: {self.array.dataflow}"
            raise blame("buffers.filters", fault)
        return self

    @model_validator(mode="after")
    def _blocks_are_the_same_in_both_stages(self) -> Self:
        """Refuse what deals a stage's outputs anew while stages alternate block by block."""
        anew = [("balance", "filter-sort"), ("pixel_order", "grouped"), ("channel_order", "by-density")]
        if self.array.dataflow == "input-stationary":
            anew.append(("fold_boundary", "crossed"))
        for key, value in anew if self.predictor.granularity == "tile" else ():
            if getattr(self.array, key, None) == value:
                fault = (
                    f"'tile' needs blocks of the same outputs in both stages, but array.{key} = {value} deals them anew"
                )
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
        return energy.actions if energy.scale is None else scaled(energy.actions, energy.scale, self.word)

    @property
    def energy_note(self) -> str:
        """What a reader must know of the energies beside their sources; empty if nothing."""
        scaled_from = "" if self.energy.scale is None else f"{self.energy.scale.note(self.word)}, not measured"
        without = "" if self.energy.include_dram else "energies without DRAM"
        return "; ".join(note for note in (scaled_from, without) if note)

    @property
    def hash(self) -> str:
        """SHA-256 of all values that can change a result (names and sources cannot)."""
        values: dict[str, Any] = self.model_dump(
            mode="json", exclude={"name": True, "description": True, "sources": True, "dram": {"preset"}}
        )
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
