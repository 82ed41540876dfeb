"""Plots of a Pareto front: a plot (matplotlib), or an interactive page (plotly)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zapsim.errors import check_extra
from zapsim.files import check_writable, write_atomically
from zapsim.report.plot import check_plot, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row: TypeAlias = Mapping[str, Any]

_COLOURS = 10
"""Kinds of designs that colours tell apart, at most."""

_MOST_POINTS = 20_000
"""Designs besides the front that are drawn at most, an even sample."""


@dataclass(frozen=True, slots=True)
class FrontPlot:
    """The contents of a plot.

    Attributes
    ----------
    title
        Text above the plot.
    rows, best
        All designs, and those on the front, by column.
    goals
        Columns that the front optimises, and whether more is better.
    choices
        Columns of the choices; the first ones that are text determine the colours.
    """

    title: str
    rows: Sequence[Row]
    best: Sequence[Row]
    goals: Sequence[tuple[str, bool]]
    choices: Sequence[str]


def check_front_plot(path: Path) -> None:
    """Refuse a plot that cannot be drawn, before any work.

    Raises
    ------
    ZapsimError
        If the file's ending is not one of html, png, svg, pdf, it cannot be written, or a library is missing.
    """
    if path.suffix != ".html":
        check_plot(path)
        return
    check_writable(path)
    check_extra("interactive plots need", "report", "plotly")


def plot_front(plot: FrontPlot, path: Path) -> None:
    """Draw a front in the format of the file's ending."""
    if path.suffix == ".html":
        write_atomically(path, front_page(plot))
    else:
        draw_front(plot, path)


def draw_front(plot: FrontPlot, path: Path) -> None:
    """Draw every pair of goals against each other: all designs pale, the front in full colour."""
    from matplotlib.figure import Figure

    names = [column for column, _ in plot.goals]
    pairs = list(combinations(names, 2)) or [(names[0], names[0])]
    across = min(len(pairs), 3)
    down = -(-len(pairs) // across)
    figure = Figure(figsize=(4.6 * across, 4.0 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (x, y) in zip(grid, pairs, strict=False):
        _scatter(axes, plot, x, y)
    for axes in grid[len(pairs) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), fontsize=8)
    figure.suptitle(plot.title, fontsize=10, wrap=True, parse_math=False)
    save_figure(figure, path)


def _scatter(axes: Axes, plot: FrontPlot, x: str, y: str) -> None:
    kinds = kinds_of(plot)
    for index, (kind, rows) in enumerate(_by_kind(_thinned(plot.rows), kinds).items()):
        colour = f"C{index}"
        on_front = _by_kind(plot.best, kinds).get(kind, [])
        axes.scatter([row[x] for row in rows], [row[y] for row in rows], s=6, color=colour, alpha=0.15, linewidths=0)
        axes.scatter([row[x] for row in on_front], [row[y] for row in on_front], s=22, color=colour, label=kind,
                     edgecolors="black", linewidths=0.5)  # fmt: skip
    for name, scale, label in ((x, axes.set_xscale, axes.set_xlabel), (y, axes.set_yscale, axes.set_ylabel)):
        label(_heading(name, dict(plot.goals)), parse_math=False)
        values = [row[name] for row in plot.rows]
        if min(values) > 0 and max(values) > 20 * min(values):
            scale("log")


def kinds_of(plot: FrontPlot) -> tuple[str, ...]:
    """Return the columns of choices that determine the colours: text, with few combinations."""
    kinds: tuple[str, ...] = ()
    for column in plot.choices:
        if not all(isinstance(row[column], str) or row[column] is None for row in plot.rows):
            continue
        more = (*kinds, column)
        if len({tuple(row[one] for one in more) for row in plot.rows}) <= _COLOURS:
            kinds = more
    return kinds


def _by_kind(rows: Sequence[Row], kinds: Sequence[str]) -> dict[str, list[Row]]:
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        name = ", ".join(str(row[one]) for one in kinds if row[one] is not None) or "designs"
        by_kind.setdefault(name, []).append(row)
    return dict(sorted(by_kind.items()))


def _thinned(rows: Sequence[Row]) -> Sequence[Row]:
    return rows if len(rows) <= _MOST_POINTS else rows[:: -(-len(rows) // _MOST_POINTS)]


def _heading(column: str, goals: Mapping[str, bool]) -> str:
    return column.removeprefix("objective.") + (" (more is better)" if goals.get(column) else "")


def front_page(plot: FrontPlot) -> str:
    """Return an HTML page: the goals against each other, and for each design a line through its choices and goals.

    The page contains the plotly library, so that it works without a network.
    """
    import plotly.graph_objects as go
    import plotly.io

    names = [column for column, _ in plot.goals]
    kinds = kinds_of(plot)
    scatter = go.Figure(layout={"title": plot.title, "template": "plotly_white"})
    x, y, size = names[0], names[min(1, len(names) - 1)], names[2] if len(names) > 2 else None
    for kind, rows in _by_kind(_thinned(plot.rows), kinds).items():
        scatter.add_scattergl(
            x=[row[x] for row in rows], y=[row[y] for row in rows], mode="markers", name=kind, legendgroup=kind,
            marker={"size": 4, "opacity": 0.25}, text=[_hover(row, plot) for row in rows], hoverinfo="text",
        )  # fmt: skip
    scatter.add_scattergl(
        x=[row[x] for row in plot.best], y=[row[y] for row in plot.best], mode="markers", name="front",
        marker={"size": 9, "line": {"width": 1, "color": "black"}, "showscale": size is not None,
                "color": [row[size] for row in plot.best] if size else "black",
                "colorbar": {"title": size, "orientation": "h", "y": -0.25}},
        text=[_hover(row, plot) for row in plot.best], hoverinfo="text",
    )  # fmt: skip
    scatter.update_xaxes(title=_heading(x, dict(plot.goals)))
    scatter.update_yaxes(title=_heading(y, dict(plot.goals)))
    lines = go.Figure(
        go.Parcoords(
            dimensions=[_dimension(column, plot.best) for column in (*plot.choices, *names)],
            line={"color": [row[x] for row in plot.best], "colorscale": "Viridis"},
        ),
        layout={"title": "The front: choices and goals (drag along an axis to select)", "template": "plotly_white"},
    )
    parts = [
        plotly.io.to_html(figure, full_html=False, include_plotlyjs=first, div_id=name)
        for first, name, figure in ((True, "goals", scatter), (False, "choices", lines))
    ]
    head = f'<!doctype html><html><head><meta charset="utf-8"><title>{_escaped(plot.title)}</title></head><body>'
    return "\n".join([head, *parts, "</body></html>", ""])


def _hover(row: Row, plot: FrontPlot) -> str:
    shown_values = {"id": str(row["id"])[:8]} | {one: row[one] for one in plot.choices if row[one] is not None}
    shown_values |= {column: row[column] for column, _ in plot.goals}
    return "<br>".join(_escaped(f"{name.removeprefix('objective.')}: {value}") for name, value in shown_values.items())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _dimension(column: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return an axis of the lines; text is placed at whole numbers."""
    values = [row[column] for row in rows]
    label = column.removeprefix("objective.")
    if all(isinstance(value, (int, float)) for value in values):
        return {"label": label, "values": values}
    words = sorted({str(value) for value in values})
    place = {word: index for index, word in enumerate(words)}
    ticks = {"tickvals": list(place.values()), "ticktext": words}
    return {"label": label, "values": [place[str(value)] for value in values], **ticks}
