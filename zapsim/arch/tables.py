"""The price lists of an architecture: pJ per action (``energy``), and µm² per part (``area``)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final, Self

from pydantic import AfterValidator, WithJsonSchema, model_validator

from zapsim.arch.memory_energy import ActionPrice
from zapsim.arch.scaling import Scale
from zapsim.arch.section import Area, Prose, Section, Share, Words, blame
from zapsim.counts import ACTIONS
from zapsim.errors import did_you_mean

ENERGY_ACTIONS: Final = tuple(ACTIONS)
"""What an energy table may price (:data:`zapsim.counts.ACTIONS`)."""

AREA_COMPONENT_OF: Final = {
    "macs": "mac",
    "ifmap_spad_bits": "spads",
    "filter_spad_bits": "spads",
    "ifmap_buffer_bits": "spads",
    "filter_buffer_bits": "spads",
    "psum_spad_bits": "spads",
    "bus_bits": "noc",
    "glb_bits": "glb",
    "predictor_lanes": "predictor",
    "predictor_buffer_bits": "predictor",
    "mask_units": "masks",
}
"""Component of each part: MAC units, bits of memories and buses, the predictor's lanes, logic that reads masks."""

AREA_PARTS: Final = tuple(AREA_COMPONENT_OF)
"""What an area table may give an area for."""


def _one_of(known: Collection[str], kind: str) -> AfterValidator:
    """Make a validator that refuses names which are not `known`."""

    def check(name: str) -> str:
        if name not in known:
            hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
            raise ValueError(f"unknown {kind}{hint}")
        return name

    return AfterValidator(check)


def _names(known: Collection[str]) -> WithJsonSchema:
    """List the `known` names in the JSON Schema."""
    return WithJsonSchema({"type": "string", "enum": list(known)})


class EnergyTable(Section):
    """Energy per action in pJ; words have the architecture's width.

    Attributes
    ----------
    technology
        The process that the energies belong to.
    include_dram
        Whether results include the energy of DRAM; without it they are those of the chip.
    scale
        Only for what-if studies: results are labelled as scaled.
    actions
        pJ of one of each of :data:`ENERGY_ACTIONS`; the price of a memory may say the size that it is for.
    """

    technology: Prose
    include_dram: bool = True
    scale: Scale | None = None
    actions: dict[Annotated[str, _one_of(ENERGY_ACTIONS, "action"), _names(ENERGY_ACTIONS)], ActionPrice]

    @model_validator(mode="after")
    def _less_costs_less(self) -> Self:
        for less, more in (("macs_gated", "macs_executed"), ("pe_idle_cycles", "pe_active_cycles")):
            low, high = self.actions.get(less), self.actions.get(more)
            if low is not None and high is not None and low > high:
                raise blame(f"actions.{less}", f"{low:g} pJ is more than the {high:g} pJ of {more}")
        return self


class Density(Section):
    """Shares of the area that the parts cover, more than 0 and at most 1: the rest is control, wires and gaps."""

    logic: Share
    memory: Share


class AreaTable(Section):
    """Area per part in µm², and how closely parts are packed.

    Attributes
    ----------
    technology
        The process that the areas belong to.
    density
        Of large memories (GLB, ifmap and filter buffers), and of everything else.
    predictor_buffer
        Words of the lines that a dedicated predictor holds while it goes over the outputs.
    parts
        µm² of one of each of :data:`AREA_PARTS`.
    """

    technology: Prose
    density: Density
    predictor_buffer: Words
    parts: dict[Annotated[str, _one_of(AREA_PARTS, "part"), _names(AREA_PARTS)], Area]
