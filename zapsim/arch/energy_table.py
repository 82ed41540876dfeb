"""The ``energy`` section of an architecture: pJ per action, and what is to be made of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from zapsim.arch.scaling import Scale
from zapsim.arch.section import Energy, Section, blame
from zapsim.counts import Counts
from zapsim.errors import did_you_mean

ENERGY_ACTIONS: tuple[str, ...] = (
    *(name for name in Counts().as_dict() if name not in {"macs_skipped", "macs_lost"}),
    "pe_idle_cycles",
    "pe_control_cycles",
    "cycles",
)
"""What an energy table may price: the counts by their names, and what follows from the cycles.

``cycles`` are those of the whole chip (trunk of the clock network, leakage), ``pe_active_cycles`` those of every PE in
use, ``pe_idle_cycles`` those of every other PE; ``pe_control_cycles`` (control, FIFOs) are as many as the active ones.
"""


def _known_action(action: str) -> str:
    if action not in ENERGY_ACTIONS:
        hint = did_you_mean(action, ENERGY_ACTIONS) or f"; known: {', '.join(ENERGY_ACTIONS)}"
        raise ValueError(f"unknown action{hint}")
    return action


class EnergyTable(Section):
    """Energy per action in pJ; words are of the architecture's width.

    Attributes
    ----------
    technology
        The process that the energies belong to.
    include_dram
        Whether results hold the energy of DRAM; without it they are those of the chip.
    scale
        Only for what-if studies: what comes out is labelled as scaled.
    actions
        pJ of one of each of :data:`ENERGY_ACTIONS`.
    """

    technology: str
    include_dram: bool = True
    scale: Scale | None = None
    actions: dict[Annotated[str, AfterValidator(_known_action)], Energy]

    @model_validator(mode="after")
    def _less_costs_less(self) -> Self:
        for less, more in (("macs_gated", "macs_executed"), ("pe_idle_cycles", "pe_active_cycles")):
            low, high = self.actions.get(less), self.actions.get(more)
            if low is not None and high is not None and low > high:
                raise blame(f"actions.{less}", f"{low:g} pJ is more than the {high:g} pJ of {more}")
        return self
