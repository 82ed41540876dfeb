"""Counts × energy per action, by component: first all actions, then one multiplication each."""

from __future__ import annotations

import math
from operator import itemgetter, mul
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.counts import ACTIONS, Counts
from zapsim.errors import ConfigError
from zapsim.remembered import once_per_object

COMPONENT_OF: dict[str, str] = {name: action.component for name, action in ACTIONS.items()}
"""Component of each action."""

COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(COMPONENT_OF.values()))
"""Names of the components, in the order of reports; ``clock`` is the clock network and leakage."""

_OCCURRED = (*Counts().as_dict(), "pe_idle_cycles", "pe_control_cycles", "cycles")
"""What can occur, in the order in which :func:`energy_by_component` lists it."""

_ACTIVE = _OCCURRED.index("pe_active_cycles")

_PLACES: dict[str, itemgetter[tuple[Any, ...]]] = {
    # With the zero, so that a component with one action gives a tuple, too.
    component: itemgetter(
        len(_OCCURRED), *(_OCCURRED.index(name) for name in ACTIONS if COMPONENT_OF[name] == component)
    )
    for component in COMPONENTS
}
"""Takes the energies of a component's actions, and the zero behind them, out of those of :data:`_OCCURRED`."""


class _PriceList(NamedTuple):
    """Prices of an architecture.

    pJ of everything in :data:`_OCCURRED` (0 without a price); the components that count; the places of actions without
    a price; the number of PEs.
    """

    prices: tuple[float, ...]
    components: tuple[tuple[str, itemgetter[tuple[Any, ...]]], ...]
    unpriced: tuple[int, ...]
    pes: int


@once_per_object
def _price_list(arch: ArchSpec) -> _PriceList:
    table = arch.prices
    components = tuple(entry for entry in _PLACES.items() if entry[0] != "dram" or arch.energy.include_dram)
    counted = {name for name in ACTIONS if COMPONENT_OF[name] in dict(components)}
    return _PriceList(
        tuple(table.get(name, 0.0) for name in _OCCURRED),
        components,
        tuple(place for place, name in enumerate(_OCCURRED) if name in counted and name not in table),
        arch.array.pe_count,
    )


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
    prices, components, unpriced, pes = _price_list(arch)
    occurred = (*counts.values(), max(pes * total_cycles - active, 0), active, total_cycles)
    missing = [place for place in unpriced if occurred[place]]
    if missing:
        order = list(ACTIONS)
        named = sorted(
            ((_OCCURRED[place], occurred[place]) for place in missing), key=lambda entry: order.index(entry[0])
        )
        raise ConfigError(
            f"{arch.name}: energy.actions.{action}: missing, and it occurred {times} times; "
            "set its energy (such as '1 pJ'; '0 pJ' if it should not count)"
            for action, times in named
        )
    energies = (*map(mul, occurred, prices), 0.0)
    return {component: math.fsum(of_component(energies)) for component, of_component in components}


def energies(arch: ArchSpec, counts: NDArray[np.int64], total_cycles: NDArray[np.int64]) -> NDArray[np.float64]:
    """Multiply the counts of many layers at once: float64 (layers, components), what :func:`energy_by_component` gives.

    A component that the architecture leaves out has 0 pJ.

    Parameters
    ----------
    arch
        As there.
    counts
        int64 (layers, fields of :class:`~zapsim.counts.Counts`).
    total_cycles
        int64 (layers,).

    Raises
    ------
    ConfigError
        As there, for the first layer at fault.
    """
    prices, components, unpriced, pes = _price_list(arch)
    active = counts[:, _ACTIVE]
    idle = np.maximum(pes * total_cycles - active, 0)
    occurred = np.column_stack([counts, idle, active, total_cycles])
    missing = occurred[:, unpriced].any(axis=1)
    if missing.any():
        layer = int(missing.argmax())
        energy_by_component(arch, Counts.of(counts[layer].tolist()), int(total_cycles[layer]))
    by_layer = np.zeros((len(counts), len(prices) + 1))
    by_layer[:, :-1] = occurred * np.array(prices)
    result = np.zeros((len(counts), len(COMPONENTS)))
    places = [COMPONENTS.index(component) for component, _ in components]
    result[:, places] = [
        [math.fsum(of_component(layer)) for _, of_component in components] for layer in by_layer.tolist()
    ]
    return result
