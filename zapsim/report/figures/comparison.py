"""Two designs side by side: time and energy of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zapsim.metrics import METRICS
from zapsim.report.figures.layer_bars import name_bars, names_height, short_name
from zapsim.report.style import Layout, add_legend, bar_look, grid, legend_handles, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METRICS = (METRICS["latency"], METRICS["energy"])
_BAR = 0.4


@styled
def draw_comparison(
    records: Sequence[Mapping[str, Any]], names: tuple[str, str], layout: Layout, note: str = ""
) -> Figure:
    """Draw time and energy of each layer of A and B as bars, one panel below the other.

    Parameters
    ----------
    records
        A layer each, and the total: ``layer``, and each metric of A and B as in ``latency_ms_a``.
    names
        Names of A and B.
    layout
        Width and title.
    note
        What must be known of the masks.
    """
    layers = [record for record in records if record["layer"] != "total"]
    names_of_layers = [short_name(str(record["layer"])) for record in layers]
    figure = new_figure(layout, 3.0 + names_height(names_of_layers, layout), note)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, metric in zip(panels, _METRICS, strict=True):
        for index, (side, name) in enumerate(zip("ab", names, strict=True)):
            heights = [record[f"{metric.column}_{side}"] for record in layers]
            places = [place + (index - 0.5) * _BAR for place in range(len(layers))]
            axes.bar(places, heights, width=_BAR, label=name, **bar_look(index))
        axes.set_ylabel(f"{metric.heading}, {metric.unit}")
        grid(axes)
    name_bars(panels[1], names_of_layers, layout)
    add_legend(figure, legend_handles(panels[0]), 2 if layout.is_wide else 1)
    return figure
