"""Stacked energy: what each component takes, under the baseline and under the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from zapsim.energy.model import COMPONENTS
from zapsim.report.figures.layer_bars import layer_bars, name_bars, names_height, panel_name
from zapsim.report.figures.synthetic import synthetic_note
from zapsim.report.style import Layout, add_legend, bar_look, grid, legend_handles, new_figure, styled
from zapsim.results import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPONENT_NAMES: Final = {
    "mac": "MAC units",
    "spads": "scratch pads",
    "noc": "buses",
    "glb": "global buffer",
    "dram": "DRAM",
    "predictor": "predictor",
    "clock": "clock",
    "control": "control",
}
"""Names of the components in words."""

_UNITS = (("nJ", 1e3), ("µJ", 1e6), ("mJ", 1e9), ("J", 1e12))
_BAR = 0.38

_Pair = tuple[str, tuple[Mapping[str, float], Mapping[str, float]]]


@styled
def draw_energy(results: Sequence[RunResult], layout: Layout) -> Figure:
    """Draw two stacked bars per layer of one result, or per result: the baseline's energy and the policy's.

    Parameters
    ----------
    results
        One: its layers, in joules. Several: the whole network of each, in percent of its own baseline.
    layout
        Width and title.
    """
    first = results[0]
    if len(results) == 1:
        bars = layer_bars(first, layout)
        most = max(max(bar.comparison.baseline.total_energy_pj, bar.comparison.policy.total_energy_pj) for bar in bars)
        unit, scale = next(((unit, pj) for unit, pj in reversed(_UNITS) if most >= pj), _UNITS[0])
        pairs = [(bar.name, (bar.comparison.baseline.energy_pj, bar.comparison.policy.energy_pj)) for bar in bars]
        scales, label = [scale] * len(pairs), f"energy, {unit}"
    else:
        totals = [result.total for result in results]
        scales = [(total.baseline.total_energy_pj or 1.0) / 100 for total in totals]
        names = [panel_name(result, results) for result in results]
        energies = [(total.baseline.energy_pj, total.policy.energy_pj) for total in totals]
        pairs = list(zip(names, energies, strict=True))
        label = "energy, % of the baseline"
    height = 1.9 + names_height([name for name, _ in pairs], layout)
    figure = new_figure(layout, height, synthetic_note(results))
    axes = figure.subplots()
    _draw(axes, pairs, scales, layout)
    axes.set_ylabel(label)
    baselines, policies = ("/".join(dict.fromkeys(names)) for names in (
        [one.baseline for one in results], [one.policy for one in results]
    ))  # fmt: skip
    axes.set_xlabel(f"left bar: {baselines}, right bar: {policies}")
    add_legend(figure, legend_handles(axes)[::-1], 8 if layout.is_wide else 3)
    return figure


def _draw(axes: Axes, pairs: Sequence[_Pair], scales: Sequence[float], layout: Layout) -> None:
    """Stack the components that take energy anywhere; each has the same look in all figures."""
    reached = [[0.0] * len(pairs), [0.0] * len(pairs)]
    for index, part in enumerate(COMPONENTS):
        if not any(energy.get(part) for _, both in pairs for energy in both):
            continue
        for side, (offset, bottoms) in enumerate(zip((-_BAR / 2, _BAR / 2), reached, strict=True)):
            heights = [pair[1][side].get(part, 0.0) / scale for pair, scale in zip(pairs, scales, strict=True)]
            places = [place + offset for place in range(len(pairs))]
            label = COMPONENT_NAMES.get(part, part) if side else None
            axes.bar(places, heights, width=_BAR, bottom=bottoms, label=label, **bar_look(index))
            reached[side] = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    name_bars(axes, [name for name, *_ in pairs], layout)
    axes.set_ylim(0, 1.05 * max(max(heights) for heights in reached))
    grid(axes)
