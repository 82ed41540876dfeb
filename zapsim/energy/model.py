"""Counts × energy per action, by component; first all actions, then one multiplication each."""

from __future__ import annotations

from zapsim.arch.spec import ENERGY_ACTIONS, ArchSpec
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
    "pe_to_pe": "noc",
    "glb": "glb",
    "dram": "dram",
    "predictor": "predictor",
    "mask_bits": "predictor",
    "cycles": "clock",
}

COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(_PREFIXES.values()))
"""Names of the components, in the order of reports; ``clock`` is the clock network and leakage."""

COMPONENT_OF: dict[str, str] = {
    action: next(part for prefix, part in _PREFIXES.items() if action.startswith(prefix)) for action in ENERGY_ACTIONS
}
"""Component of each action."""


def energy_by_component(arch: ArchSpec, counts: Counts, total_cycles: int) -> dict[str, float]:
    """Return pJ by component (every component of :data:`COMPONENTS`, also those that are 0).

    Raises
    ------
    ConfigError
        If an action occurred for which the architecture's table has no energy.
    """
    occurred = counts.as_dict() | {"cycles": total_cycles}
    table = arch.energy.actions
    missing = [action for action in ENERGY_ACTIONS if occurred[action] and action not in table]
    if missing:
        raise ConfigError(
            f"{arch.name}: energy.actions.{action}: missing, and it occurred {occurred[action]} times; "
            "set its energy (such as '1 pJ'; '0 pJ' if it shall not count)"
            for action in missing
        )
    energy = dict.fromkeys(COMPONENTS, 0.0)
    for action in ENERGY_ACTIONS:
        energy[COMPONENT_OF[action]] += occurred[action] * table.get(action, 0.0)
    return energy
