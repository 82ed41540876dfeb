"""The row-stationary array of an architecture, and how layers are mapped to it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from zapsim.arch.array_section import Buses, PEGrid
from zapsim.arch.section import Positive, Section, Words, blame


class Spads(Section):
    """Scratch pads of one PE, in words."""

    ifmap: Words
    filter: Words
    psum: Words


class PassParameters(Section):
    """Mapping of a row-stationary layer: the names of Eyeriss (JSSC 2017, Table III).

    m filters of psums stay in the GLB; n ifmaps; a set is e ofmap rows wide; a PE holds p filters × q channels;
    r sets work on different channels and t sets on different filters.
    """

    m: Positive
    n: Positive
    e: Positive
    p: Positive
    q: Positive
    r: Positive
    t: Positive


class StageMappings(Section):
    """Mappings of a layer's stages: A computes the pattern, B the rest. A stage that is not named is searched for."""

    A: PassParameters | None = None
    B: PassParameters | None = None


def _names_stages(pinned: object) -> str:
    """Tell a mapping of each stage from one of the layer, by the keys."""
    if isinstance(pinned, Section):
        return type(pinned).__name__
    keys = pinned if isinstance(pinned, dict) else {}
    return "StageMappings" if keys and not any(key in PassParameters.model_fields for key in keys) else "PassParameters"


Pinned = Annotated[
    Annotated[PassParameters, Tag("PassParameters")] | Annotated[StageMappings, Tag("StageMappings")],
    Discriminator(_names_stages),
]
"""The mapping of a layer, or one for each of its stages."""


class RowStationaryMapping(Section):
    """How layers are mapped: searched for `objective`, except those pinned by name.

    Attributes
    ----------
    objective
        What the search minimises.
    search
        Both ways find the same mappings: ``pruned`` leaves out what a bound shows to be no better, ``exhaustive`` looks
        at all.
    stages
        Each stage of a layer has the mapping that is best for it alone (``apart``), or all have the one that is best
        for their sum (``together``). With ``predictor.granularity: tile`` they are together, because the stages
        alternate by blocks of the same outputs.
    pinned
        Mappings by the layer's name: one for all stages, or one for each that is named.
    """

    objective: Literal["latency", "energy", "edp"] = "latency"
    search: Literal["pruned", "exhaustive"] = "pruned"
    stages: Literal["together", "apart"] = "apart"
    pinned: dict[str, Pinned] = Field(default_factory=dict)

    @property
    def pinned_by_stage(self) -> list[str]:
        """Names of the layers of which single stages are pinned."""
        return [layer for layer, pinned in self.pinned.items() if isinstance(pinned, StageMappings)]

    @model_validator(mode="after")
    def _stages_are_apart(self) -> Self:
        if self.stages == "together" and self.pinned_by_stage:
            fault = "names stages, which have one mapping with stages: together; write stages: apart, or one mapping"
            raise blame(f"pinned.{self.pinned_by_stage[0]}", fault)
        return self


class RowStationaryArray(PEGrid):
    """Eyeriss's array: a row of a filter stays in a PE, psums go up the columns.

    Attributes
    ----------
    balance
        How the work of PE columns is evened out. ``none``: filters are dealt to passes and columns in the layer's
        order, and a column works on one ofmap row of a strip. ``filter-sort``: the filters with the most demanded
        outputs come first, so that those of a pass are alike. ``filter-deal``: filters are dealt by their demanded
        outputs, so that all columns of all passes have about as many; those without any come last. Both count the
        masks that are run, and so bound what an order settled beforehand can save. ``row-pairing``: a column works on
        two ofmap rows of a strip, one of its upper and one of its lower half; so a set is half as wide.
    psums
        What the GLB keeps for a filter and a strip: all Q outputs of each row (``full``), or only those that the stage
        makes (``compact``). Stage B's filters are then taken in sets as large as the GLB holds, which the mask says at
        run time.
    masks
        How mask bits reach the PEs, in every pass anew: over ``wires`` of their own, or as words on the
        ``ifmap-bus``.
    """

    filters_bypass_glb: ClassVar[bool] = True
    reads_masks_by_pass: ClassVar[bool] = True
    tiles_by_granularity: ClassVar[bool] = True

    dataflow: Literal["row-stationary"]
    spads: Spads
    buses: Buses
    balance: Literal["none", "filter-sort", "filter-deal", "row-pairing"] = "none"
    psums: Literal["full", "compact"] = "full"
    masks: Literal["wires", "ifmap-bus"] = "wires"
    mapping: RowStationaryMapping = RowStationaryMapping()

    @property
    def summary(self) -> str:
        """The array in a few words."""
        size = f"{self.rows}×{self.cols} {self.dataflow}"
        return f"{size}, filters ordered by the masks that are run (a bound)" if self.sorts_by_masks else size

    @property
    def sorts_by_masks(self) -> bool:
        """Whether filters are ordered by the masks that are run, which no order settled beforehand can match."""
        return self.balance in {"filter-sort", "filter-deal"}

    @property
    def spad_words(self) -> dict[str, int]:
        """The spads of a PE."""
        return {"ifmap_spad": self.spads.ifmap, "filter_spad": self.spads.filter, "psum_spad": self.spads.psum}

    @property
    def stored_words(self) -> dict[str, int]:
        """Spads of every PE, and a register for what each bus brings it in a cycle (psums: each way)."""
        words_per_pe = {**self.spad_words, "bus": self.buses.words_per_cycle}
        return {part: self.pe_count * words for part, words in words_per_pe.items()}

    @property
    def mask_units(self) -> int:
        """PEs: each takes windows, and the filters wanted there, from a list."""
        return self.pe_count

    @property
    def filters_sorted_by(self) -> str | None:
        """The balance, if it orders filters."""
        return f"balance = {self.balance}" if self.sorts_by_masks else None

    @property
    def dealt_anew_by(self) -> str | None:
        """Orders of filters follow the outputs of the stage, so do sets of compact psums; pinned stages differ."""
        if self.filters_sorted_by is not None:
            return self.filters_sorted_by
        if self.psums == "compact":
            return "psums = compact"
        return f"mapping.pinned.{self.mapping.pinned_by_stage[0]}" if self.mapping.pinned_by_stage else None
