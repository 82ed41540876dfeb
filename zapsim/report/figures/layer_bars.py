"""The layers of a result as bars: those that save nothing become one, and so do those that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from zapsim.comparison import Comparison
from zapsim.report.style import Layout
from zapsim.results import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTHING = 0.0005
"""A saving below this share is 0.0 % in the tables."""

_MOST = {"column": 19, "page": 44}
"""Bars whose names do not overlap, the total not counted."""

_LONGEST = 24
"""Characters of a name that are shown."""

_CHARACTER = 0.062
"""Inches of a character of a name."""


@dataclass(frozen=True, slots=True)
class LayerBar:
    """A layer, or several that are shown as one."""

    name: str
    comparison: Comparison


def layer_bars(result: RunResult, layout: Layout) -> list[LayerBar]:
    """Return the layers in the network's order; then, as one, those that save nothing or that do not fit.

    If not all fit, those with the largest change in cycles and energy, as shares of the network's, are shown.
    """
    layers = [LayerBar(short_name(layer.shape.name), layer.comparison) for layer in result.layers]
    whole = result.total.baseline
    cycles, energy = whole.cycles.total, whole.total_energy_pj or 1.0

    def change(bar: LayerBar) -> float:
        before, after = bar.comparison.baseline, bar.comparison.policy
        saved_cycles = abs(before.cycles.total - after.cycles.total) / cycles
        return max(saved_cycles, abs(before.total_energy_pj - after.total_energy_pj) / energy)

    shown = [bar for bar in layers if _saves(bar.comparison)] or layers
    most = _MOST[layout.width]
    if len(shown) > most:
        kept = sorted(shown, key=change, reverse=True)[: most - 1]
        shown = [bar for bar in shown if bar in kept]
    others = [bar for bar in layers if bar not in shown]
    if len(others) < 2:  # one layer has a name
        return [bar for bar in layers if bar in shown or bar in others]
    return [*shown, LayerBar(f"{len(others)} other layers", reduce(add, (bar.comparison for bar in others)))]


def _saves(comparison: Comparison) -> bool:
    """Say whether anything is saved or lost that a table would show."""
    savings = comparison.mac_saving, comparison.cycle_saving, comparison.energy_saving
    return any(abs(saving) >= NOTHING for saving in savings)


def short_name(name: str) -> str:
    """Shorten the name of a layer to its end, which tells it from its neighbours."""
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def name_bars(axes: Axes, names: Sequence[str], layout: Layout) -> None:
    """Write the names of bars below them: across if there is room, else upright."""
    axes.set_xticks(range(len(names)), names, rotation=90 if _are_upright(names, layout) else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(names) - 0.4)


def names_height(names: Sequence[str], layout: Layout) -> float:
    """Return the inches that the names of bars take."""
    return _CHARACTER * max(map(len, names)) + 0.1 if _are_upright(names, layout) else 0.15


def _are_upright(names: Sequence[str], layout: Layout) -> bool:
    return _CHARACTER * max(map(len, names)) > 0.95 * (layout.inches - 0.6) / len(names)


def panel_name(result: RunResult, results: Sequence[RunResult]) -> str:
    """Name what tells a result from the others; empty if there is but one."""
    aspects: tuple[Callable[[RunResult], str], ...] = (
        lambda one: one.arch, lambda one: one.arch_summary, lambda one: one.network, lambda one: one.policy,
        lambda one: one.operating_point, lambda one: ", ".join(one.patterns),
    )  # fmt: skip
    differing = [aspect(result) for aspect in aspects if len({aspect(one) for one in results}) > 1]
    if len(results) > 1 and len({one.arch for one in results}) == len(results):
        return result.arch
    return ", ".join(dict.fromkeys(differing)) or (result.arch if len(results) > 1 else "")
