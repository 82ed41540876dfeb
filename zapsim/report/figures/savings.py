"""Savings by layer: MACs, cycles and energy side by side, and the total."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zapsim.report.figures.layer_bars import LayerBar, layer_bars, name_bars, names_height, panel_name
from zapsim.report.figures.synthetic import synthetic_note
from zapsim.report.style import Layout, add_legend, bar_look, grid, legend_handles, new_figure, styled
from zapsim.results import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SAVINGS = (("MACs", "mac_saving"), ("cycles", "cycle_saving"), ("energy", "energy_saving"))
_BAR = 0.27


@styled
def draw_savings(results: Sequence[RunResult], layout: Layout) -> Figure:
    """Draw the share of the baseline's MACs, cycles and energy that each layer and the network save.

    Parameters
    ----------
    results
        At least one; each has its own panel, one below the other.
    layout
        Width and title.
    """
    bars = [[*layer_bars(result, layout), LayerBar("total", result.total)] for result in results]
    names = [bar.name for panel in bars for bar in panel]
    height = (1.5 + names_height(names[: len(bars[0])], layout)) * len(results)
    figure = new_figure(layout, height, synthetic_note(results))
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    for axes, result, panel_bars in zip(panels, results, bars, strict=True):
        _draw(axes, panel_bars, layout)
        axes.set_title(panel_name(result, results), loc="left")
    add_legend(figure, legend_handles(panels[0]), len(_SAVINGS))
    return figure


def _draw(axes: Axes, bars: Sequence[LayerBar], layout: Layout) -> None:
    for index, (label, attribute) in enumerate(_SAVINGS):
        heights = [100 * getattr(bar.comparison, attribute) for bar in bars]
        places = [place + (index - 1) * _BAR for place in range(len(bars))]
        axes.bar(places, heights, width=_BAR, label=label, **bar_look(index))
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(len(bars) - 1.5, color="black", linewidth=0.6, linestyle=":")
    name_bars(axes, [bar.name for bar in bars], layout)
    axes.set_ylabel("saved, % of the baseline")
    grid(axes)
