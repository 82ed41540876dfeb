"""Counts × energy per action, by component; first all actions, then one multiplication each."""

from __future__ import annotations

import math

from zapsim.arch.arrays import pe_count
from zapsim.arch.energy_table import ENERGY_ACTIONS
from zapsim.arch.spec import ArchSpec
from zapsim.counts import Counts
from zapsim.errors import ConfigError

_PREFIXES = {  # what an action's name begins with -> component
    "macs": "mac",
    "ifmap_spad": "spads",
    "filter_spad": "spads",
    "psum_spad": "spads",
    "ifmap_bus": "noc",
    "filter_bus": "noc",
    "psum_bus": "noc",
    "bus_deliveries": "noc",
    "pe_to_pe": "noc",
    "glb": "glb",
    "dram": "dram",
    "predictor": "predictor",
    "mask_bits": "predictor",
    "cycles": "clock",
    "pe_active": "clock",
    "pe_idle": "clock",
    "pe_control": "control",
}

COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(_PREFIXES.values()))
"""Names of the components, in the order of reports; ``clock`` is the clock network and leakage."""

COMPONENT_OF: dict[str, str] = {
    action: next(part for prefix, part in _PREFIXES.items() if action.startswith(prefix)) for action in ENERGY_ACTIONS
}
"""Component of each action."""


def energy_by_component(arch: ArchSpec, counts: Counts, total_cycles: int) -> dict[str, float]:
    """Return pJ by component: every one of :data:`COMPONENTS`, also those that are 0, but for DRAM if left out.

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
        If an action occurred for which the architecture's table has no energy.
    """
    occurred = counts.as_dict() | {
        "cycles": total_cycles,
        "pe_idle_cycles": max(pe_count(arch.array) * total_cycles - counts.pe_active_cycles, 0),
        "pe_control_cycles": counts.pe_active_cycles,
    }
    table = arch.prices
    left_out = set() if arch.energy.include_dram else {"dram"}
    missing = [
        action
        for action in ENERGY_ACTIONS
        if occurred[action] and action not in table and COMPONENT_OF[action] not in left_out
    ]
    if missing:
        raise ConfigError(
            f"{arch.name}: energy.actions.{action}: missing, and it occurred {occurred[action]} times; "
            "set its energy (such as '1 pJ'; '0 pJ' if it shall not count)"
            for action in missing
        )
    terms: dict[str, list[float]] = {component: [] for component in COMPONENTS if component not in left_out}
    for action in ENERGY_ACTIONS:
        if COMPONENT_OF[action] in terms:
            terms[COMPONENT_OF[action]].append(occurred[action] * table.get(action, 0.0))
    return {component: math.fsum(energies) for component, energies in terms.items()}
