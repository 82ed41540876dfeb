"""ArchSpec: one accelerator, complete and checked, all quantities in base units."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from zapsim.arch.area_table import AreaTable
from zapsim.arch.arrays import Array
from zapsim.arch.memory import Buffers, Dram
from zapsim.arch.section import Energy, Frequency, Latency, Positive, Section, Width, Words, blame
from zapsim.counts import Counts
from zapsim.errors import did_you_mean

ENERGY_ACTIONS: tuple[str, ...] = (
    *(name for name in Counts().as_dict() if name not in {"macs_skipped", "macs_lost"}),
    "cycles",
)
"""What an energy table may price: the counts by their names, and ``cycles`` (clock network and leakage)."""


def _known_action(action: str) -> str:
    if action not in ENERGY_ACTIONS:
        hint = did_you_mean(action, ENERGY_ACTIONS) or f"; known: {', '.join(ENERGY_ACTIONS)}"
        raise ValueError(f"unknown action{hint}")
    return action


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


class EnergyTable(Section):
    """Energy per action in pJ; words are of the architecture's width."""

    technology: str
    actions: dict[Annotated[str, AfterValidator(_known_action)], Energy]

    @model_validator(mode="after")
    def _gating_saves(self) -> Self:
        gated, executed = (self.actions.get(action) for action in ("macs_gated", "macs_executed"))
        if gated is not None and executed is not None and gated > executed:
            raise blame("actions.macs_gated", f"{gated:g} pJ is more than the {executed:g} pJ of macs_executed")
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

    @property
    def word_bytes(self) -> float:
        """Bytes of a word."""
        return self.word / 8

    @property
    def glb_words(self) -> int:
        """Words of the GLB that a layer can use while it runs."""
        return int(self.buffers.glb.working / self.word_bytes)

    @property
    def hash(self) -> str:
        """SHA-256 of all values that can change a result (names and sources cannot)."""
        values: dict[str, Any] = self.model_dump(
            mode="json", exclude={"name": True, "description": True, "sources": True, "dram": {"preset"}}
        )
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
