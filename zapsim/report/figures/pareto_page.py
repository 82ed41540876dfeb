"""An interactive page of a Pareto front: goals against each other, and a line through each design (plotly)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zapsim.report.figures.pareto import DrawnFront, Row, goal_label, thinned

_COLOURS = 10
"""Kinds of designs that colours tell apart, at most."""


def kinds_of(plot: DrawnFront) -> tuple[str, ...]:
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


def front_page(plot: DrawnFront) -> str:
    """Return an HTML page: the goals against each other, and for each design a line through its choices and goals.

    The page contains the plotly library, so that it works without a network.
    """
    import plotly.graph_objects as go
    import plotly.io

    names = [column for column, _ in plot.goals]
    kinds = kinds_of(plot)
    scatter = go.Figure(layout={"title": plot.headline, "template": "plotly_white"})
    x, y, size = names[0], names[min(1, len(names) - 1)], names[2] if len(names) > 2 else None
    for kind, rows in _by_kind(thinned(plot.rows), kinds).items():
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
    scatter.update_xaxes(title=goal_label(x, dict(plot.goals)))
    scatter.update_yaxes(title=goal_label(y, dict(plot.goals)))
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
    head = f'<!doctype html><html><head><meta charset="utf-8"><title>{_escaped(plot.headline)}</title></head><body>'
    return "\n".join([head, *parts, "</body></html>", ""])


def _hover(row: Row, plot: DrawnFront) -> str:
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
