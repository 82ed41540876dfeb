"""Pareto fronts: each front a line, the policy of a design by its marker, its array by its colour."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

from zapsim.errors import ZapsimError
from zapsim.metrics import BY_COLUMN
from zapsim.report.style import LOOKS, Layout, add_legend, grid, look, new_figure, plain_log, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row: TypeAlias = Mapping[str, Any]

_MOST_POINTS = 20_000
"""Designs besides the front that are drawn at most, an even sample."""

_LABEL = 30
"""Characters of a line of a label."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_FRONT_LINES: tuple[Any, ...] = ("-", "--", ":", "-.")
_LOG_FROM = 20.0
_FEW = 500


@dataclass(frozen=True, slots=True)
class DrawnFront:
    """A front to draw.

    Attributes
    ----------
    title
        Name of the space and numbers of designs.
    rows, best
        All designs, and those on the front, by column.
    goals
        Columns that the front optimises, and whether more is better.
    choices
        Columns of the choices that differ between designs.
    note
        What must be known of the masks; empty if nothing.
    """

    title: str
    rows: Sequence[Row]
    best: Sequence[Row]
    goals: Sequence[tuple[str, bool]]
    choices: Sequence[str]
    note: str = ""

    @property
    def headline(self) -> str:
        """The title, with what must be known of the masks."""
        return f"{self.title}, {self.note}" if self.note else self.title


@styled
def draw_pareto(fronts: Sequence[DrawnFront], layout: Layout) -> Figure:
    """Draw every pair of goals: all designs pale, those on a front strong, and the front of the pair as a line.

    The line leads through the designs that no other beats in these two goals; with three goals or more, others on the
    front lie beside it.

    Parameters
    ----------
    fronts
        At least one, all with the same goals.
    layout
        Width and title; panels stand side by side on a page.

    Raises
    ------
    ZapsimError
        If the goals differ, or if there is but one.
    """
    goals = dict(fronts[0].goals)
    if any(dict(front.goals) != goals for front in fronts):
        raise ZapsimError("the explorations have different objectives: name common ones (--minimise, --maximise)")
    pairs = list(combinations(goals, 2))
    if not pairs:
        raise ZapsimError("a front needs two objectives: name them (--minimise, --maximise)")
    across = min(len(pairs), 3) if layout.is_wide else 1
    down = -(-len(pairs) // across)
    note = next((front.note for front in fronts if front.note), "")
    figure = new_figure(layout, (2.2 if across < 3 else 2.1) * down, note)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    colours, markers = _kinds(fronts, _colour_column(fronts)), _kinds(fronts, "policy")
    for axes, (x, y) in zip(panels, pairs, strict=False):
        _scatter(axes, fronts, (x, y), (colours, markers))
        for index, front in enumerate(fronts):
            _line(axes, front, (x, y), index)
        for name, axis, label in ((x, "x", axes.set_xlabel), (y, "y", axes.set_ylabel)):
            label(goal_label(name, goals))
            values = [row[name] for front in fronts for row in front.rows]
            if min(values) > 0 and max(values) > _LOG_FROM * min(values):
                plain_log(axes, axis)
        grid(axes, "both")
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    _legend(figure, fronts, colours, markers, layout)
    return figure


def goal_label(column: str, goals: Mapping[str, bool]) -> str:
    """Name a goal with its unit in words, and say if more is better."""
    metric = BY_COLUMN.get(column)
    name = column.removeprefix("objective.").replace("_", " ")
    if metric is not None:
        name = f"{metric.heading}, {metric.unit.replace('mm2', 'mm²')}" if metric.unit else metric.meaning
    return textwrap.fill(name + (" (more is better)" if goals.get(column) else ""), _LABEL)


def thinned(rows: Sequence[Row]) -> Sequence[Row]:
    """Take an even sample of designs if there are very many."""
    return rows if len(rows) <= _MOST_POINTS else rows[:: -(-len(rows) // _MOST_POINTS)]


def _colour_column(fronts: Sequence[DrawnFront]) -> str:
    """Choose what colours tell apart: the architecture, or the first other choice in words if there is but one."""
    rows = [row for front in fronts for row in front.rows]
    if len({row["arch"] for row in rows}) > 1:
        return "arch"
    for column in (name for front in fronts for name in front.choices if name not in ("policy", "point", "trace")):
        values = {row.get(column) for row in rows}
        if 1 < len(values) <= len(LOOKS) and all(isinstance(value, str) for value in values):
            return column
    return "arch"


def _kinds(fronts: Sequence[DrawnFront], column: str) -> dict[str, int]:
    """Give numbers to the values of a column; those beyond the last look share it."""
    values = sorted({str(row.get(column)) for front in fronts for row in front.rows})
    return {column: -1} | {value: min(index, len(LOOKS) - 1) for index, value in enumerate(values)}


def _scatter(
    axes: Axes, fronts: Sequence[DrawnFront], pair: tuple[str, str], kinds: tuple[dict[str, int], dict[str, int]]
) -> None:
    """Draw designs by colour and marker; the pale ones first."""
    colours, markers = kinds
    (colour_column, *colour_values), (marker_column, *marker_values) = colours, markers
    x, y = pair
    for strong in (False, True):
        rows = [row for front in fronts for row in (front.best if strong else thinned(front.rows))]
        few = len(rows) < _FEW
        for colour in colour_values:
            for marker in marker_values:
                kind = [
                    row for row in rows
                    if str(row.get(colour_column)) == colour and str(row.get(marker_column)) == marker
                ]  # fmt: skip
                shown: dict[str, Any] = (
                    {"s": 16, "edgecolors": "black", "linewidths": 0.4, "zorder": 3}
                    if strong
                    else {
                        "s": 8 if few else 3,
                        "alpha": 0.3 if few else 0.15,
                        "linewidths": 0,
                        "zorder": 2,
                        "rasterized": not few,
                    }
                )
                axes.scatter(
                    [row[x] for row in kind], [row[y] for row in kind], color=look(colours[colour]).colour,
                    marker=_MARKERS[markers[marker]], **shown,
                )  # fmt: skip


def _line(axes: Axes, front: DrawnFront, pair: tuple[str, str], index: int) -> None:
    """Draw the front of two goals as steps: between two of its designs, the worse one is what can be had."""
    x, y = pair
    signs = [-1.0 if dict(front.goals)[name] else 1.0 for name in pair]
    reached, steps = float("inf"), []
    for row in sorted(front.best, key=lambda row: (signs[0] * row[x], signs[1] * row[y])):
        if signs[1] * row[y] < reached:
            reached = signs[1] * row[y]
            steps.append((row[x], row[y]))
    axes.step([a for a, _ in steps], [b for _, b in steps], where="post", color="0.25", linewidth=0.9,
              linestyle=_FRONT_LINES[index % len(_FRONT_LINES)], zorder=2.5)  # fmt: skip


def _legend(
    figure: Figure, fronts: Sequence[DrawnFront], colours: dict[str, int], markers: dict[str, int], layout: Layout
) -> None:
    """Explain colours, markers and lines, each if there are several."""
    from matplotlib.lines import Line2D

    plain: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "black", "markeredgewidth": 0.4}
    handles = []
    (_, *colour_values), (_, *marker_values) = colours, markers
    if len(colour_values) > 1:
        handles += [
            Line2D([], [], marker="o", color=look(colours[value]).colour, label=value, **plain)
            for value in colour_values
        ]
    if len(marker_values) > 1:
        handles += [
            Line2D([], [], marker=_MARKERS[markers[value]], color="white", label=f"policy {value}", **plain)
            for value in marker_values
        ]
    lines = [front.title for front in fronts] if len(fronts) > 1 else ["front"]
    handles += [
        Line2D([], [], color="0.25", linewidth=0.9, linestyle=_FRONT_LINES[index % len(_FRONT_LINES)], label=label)
        for index, label in enumerate(lines)
    ]
    add_legend(figure, handles, 4 if layout.is_wide else 2)
