"""Prices from Accelergy's energy reference tables (ERT), as its versions 0.2 to 0.5 and their summaries write them.

A table has components (``eyeriss_like.PE[0..167].ifmap_spad``) with actions (``read``) and pJ of each. An action that
is listed for several arguments (whether address and data change) has their mean, as in Accelergy's own summaries.
Which component is which memory follows from the last part of its name, or is said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from zapsim.errors import ConfigError, did_you_mean, shown
from zapsim.reading.yaml_text import read_mapping

ROLES: Final[dict[str, dict[str, str]]] = {
    "mac": {
        "compute": "macs_executed", "mac_random": "macs_executed", "multiply": "macs_executed",
        "mac_gated": "macs_gated", "gated_compute": "macs_gated",
    },
    **{
        memory: {"read": f"{memory}_reads", "write": f"{memory}_writes"}
        for memory in ("ifmap_spad", "filter_spad", "psum_spad", "glb", "dram")
    },
}  # fmt: skip
"""What a component can be, and which of its actions has which price."""

_NAMES: Final = {
    "mac": ("mac", "intmac", "lmac", "macc"),
    "ifmap_spad": ("ifmap_spad", "inputs_spad", "peinputbuffer"),
    "filter_spad": ("filter_spad", "weights_spad", "weight_spad", "peweightbuffer"),
    "psum_spad": ("psum_spad", "peaccubuffer"),
    "glb": ("glb", "shared_glb", "globalbuffer", "global_buffer"),
    "dram": ("dram", "mainmemory", "main_memory"),
}
"""Last parts of names, in small letters, that say what a component is."""

MOST_PJ: Final = 1e6
"""No action on chip or of DRAM takes a microjoule; what does is in another unit."""


@dataclass(frozen=True, slots=True)
class ImportedPrices:
    """What a table says.

    Attributes
    ----------
    prices
        pJ per word (or MAC) by zapsim's action.
    components
        The component of each role that the table has.
    unused
        Components, and actions of used components (``component: action``), that no price was made of.
    """

    prices: dict[str, float]
    components: dict[str, str]
    unused: tuple[str, ...]


def read_table(
    path: Path, roles: Mapping[str, str] | None = None, words: Mapping[str, int] | None = None
) -> ImportedPrices:
    """Read the prices in an energy reference table.

    Parameters
    ----------
    path
        YAML file.
    roles
        Component by role of :data:`ROLES`, for names that do not say it; the whole name or its last part.
    words
        Words that an access of a role moves (GLB and DRAM often move several); 1 if not given.

    Raises
    ------
    ConfigError
        If the file is no such table, a component is unknown or not unique, or an energy is out of bounds.
    """
    table = _tables(read_mapping(path), path.name)
    components = _components(table, roles or {}, path.name)
    role_of = {component: role for role, component in components.items()}
    prices: dict[str, float] = {}
    unused = []
    for component, actions in table.items():
        if component not in role_of:
            unused.append(component)
            continue
        role = role_of[component]
        for action, energy in actions.items():
            price = ROLES[role].get(action)
            if price is None:
                unused.append(f"{component}: {action}")
            else:
                prices[price] = energy / (words or {}).get(role, 1)
    if not prices:
        raise ConfigError(
            f"{path.name}: no component that has a price here; say what they are, as in "
            f"--component glb={next(iter(table))}; components: {', '.join(table)}"
        )
    return ImportedPrices(prices, components, tuple(unused))


def _components(table: Mapping[str, Any], roles: Mapping[str, str], file: str) -> dict[str, str]:
    """Find the component of each role."""
    candidates: dict[str, list[str]] = {}
    taken = set()
    for role, name in roles.items():
        matches = [component for component in table if name in (component, _last(component))]
        if len(matches) != 1:
            what = f"{len(matches)} components are called" if matches else "no component is called"
            last_names = [_last(component) for component in table]
            hint = did_you_mean(name, last_names) or f"; components: {', '.join(table)}"
            raise ConfigError(f"{file}: {what} '{name}'{hint}")
        candidates[role] = matches
        taken.add(matches[0])
    for component in table:
        for role, names in _NAMES.items():
            if role not in roles and component not in taken and _last(component).lower() in names:
                candidates.setdefault(role, []).append(component)
    for role, matches in candidates.items():
        if len(matches) > 1:
            raise ConfigError(
                f"{file}: {' and '.join(matches)} could each be {role}; choose with --component {role}=NAME"
            )
    return {role: matches[0] for role, matches in candidates.items()}


def _last(component: str) -> str:
    """Return the last part of a component's name, without the range of its instances."""
    return re.sub(r"\[[^\]]*\]$", "", component).rpartition(".")[2]


def _tables(document: Mapping[str, Any], file: str) -> dict[str, dict[str, float]]:
    """Return pJ by component and action, whatever version wrote them."""
    table: dict[str, dict[str, list[float]]] = {}
    for component, action, energy in _entries(document, file):
        pj = _energy(energy, f"{file}: {component}: {action}")
        table.setdefault(component, {}).setdefault(action, []).append(pj)
    if not table:
        raise ConfigError(f"{file}: holds no components with actions")
    return {component: {action: fmean(pj) for action, pj in actions.items()} for component, actions in table.items()}


def _entries(document: Mapping[str, Any], file: str) -> Iterator[tuple[str, str, object]]:
    """Yield component, action and energy of every entry."""
    try:
        if "ERT" in document:
            tables = document["ERT"]["tables"]
        elif "table_summary" in document.get("ERT_summary", {}):
            tables = document["ERT_summary"]["table_summary"]
        elif "ERT_summary" in document:
            summaries = document["ERT_summary"]["ERT summaries"].items()
            tables = [
                {"name": name, "actions": [{"name": action, **values} for action, values in actions.items()]}
                for name, actions in summaries
            ]
        else:
            raise KeyError
        for one in tables:
            for action in one["actions"]:
                energy = next(action[key] for key in ("energy", "average_energy", "average energy") if key in action)
                yield str(one["name"]), str(action["name"]), energy
    except (KeyError, TypeError, AttributeError, StopIteration, RuntimeError):
        raise ConfigError(
            f"{file}: not an energy reference table; expected Accelergy's ERT.yaml or ERT_summary.yaml "
            "(ERT: tables: [{name, actions: [{name, energy}]}])"
        ) from None


def _energy(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{place}: expected an energy in pJ such as 2.2, got {shown(value)}")
    if not (math.isfinite(value) and 0 <= value <= MOST_PJ):
        raise ConfigError(
            f"{place}: expected an energy from 0 to {MOST_PJ:,.0f} pJ, got {value:g}; is it in another unit?"
        )
    return float(value)
