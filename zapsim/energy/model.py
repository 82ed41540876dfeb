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
    occurred = counts.as_dict() | {
        "cycles": total_cycles,
        "pe_idle_cycles": max(arch.array.pe_count * total_cycles - counts.pe_active_cycles, 0),
        "pe_control_cycles": counts.pe_active_cycles,
    }
    table = arch.prices
    left_out = set() if arch.energy.include_dram else {"dram"}
    missing = [
        action
        for action in ACTIONS
        if occurred[action] and action not in table and COMPONENT_OF[action] not in left_out
    ]
    if missing:
        raise ConfigError(
            f"{arch.name}: energy.actions.{action}: missing, and it occurred {occurred[action]} times; "
            "set its energy (such as '1 pJ'; '0 pJ' if it shall not count)"
            for action in missing
        )
    terms: dict[str, list[float]] = {component: [] for component in COMPONENTS if component not in left_out}
    for action in ACTIONS:
        if COMPONENT_OF[action] in terms:
            terms[COMPONENT_OF[action]].append(occurred[action] * table.get(action, 0.0))
    return {component: math.fsum(energies) for component, energies in terms.items()}
