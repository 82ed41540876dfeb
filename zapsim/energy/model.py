"""Counts × energy per action, by component: first all actions, then one multiplication each."""

from __future__ import annotations

import math

from zapsim.arch.spec import ArchSpec
from zapsim.counts import ACTIONS, Counts
from zapsim.errors import ConfigError

COMPONENT_OF: dict[str, str] = {name: action.component for name, action in ACTIONS.items()}
"""Component of each action."""

COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(COMPONENT_OF.values()))
"""Names of the components, in the order of reports; ``clock`` is the clock network and leakage."""

_OCCURRED = (*Counts().as_dict(), "pe_idle_cycles", "pe_control_cycles", "cycles")
"""What can occur, in the order in which :func:`energy_by_component` lists it."""

_ACTIONS_OF: dict[str, list[tuple[str, int]]] = {
    component: [(action, _OCCURRED.index(action)) for action in ACTIONS if COMPONENT_OF[action] == component]
    for component in COMPONENTS
}
"""The actions of each component, and their places in :data:`_OCCURRED`."""


def energy_by_component(arch: ArchSpec, counts: Counts, total_cycles: int) -> dict[str, float]:
    """Multiply counts with prices: pJ of each of :data:`COMPONENTS`, without DRAM if the architecture leaves it out.

    Parameters
    ----------
    arch
        Says what an action costs (``energy``), how many PEs there are, and whether DRAM counts.
    counts
        Actions of the array and of the predictor, with the PE-cycles of all `total_cycles`.
    total_cycles
        Cycles of the layer, with those in which the array waits.

    Raises
    ------
    ConfigError
        If actions occurred for which the architecture's table has no price; it names them all.
    """
    active = counts.pe_active_cycles
    occurred = (*counts.values(), max(arch.array.pe_count * total_cycles - active, 0), active, total_cycles)
    table, with_dram = arch.prices, arch.energy.include_dram
    energies: dict[str, float] = {}
    missing: list[tuple[str, int]] = []
    for component, actions in _ACTIONS_OF.items():
        if component == "dram" and not with_dram:
            continue
        terms = []
        for action, place in actions:
            price = table.get(action)
            if price is not None:
                terms.append(occurred[place] * price)
            elif occurred[place]:
                missing.append((action, occurred[place]))
        energies[component] = math.fsum(terms)
    if missing:
        order = list(ACTIONS)
        raise ConfigError(
            f"{arch.name}: energy.actions.{action}: missing, and it occurred {times} times; "
            "set its energy (such as '1 pJ'; '0 pJ' if it shall not count)"
            for action, times in sorted(missing, key=lambda entry: order.index(entry[0]))
        )
    return energies
