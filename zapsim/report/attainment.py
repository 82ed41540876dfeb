"""The fronts of two explorations: hypervolume and attainment as a table, CSV, JSON, Markdown, LaTeX, and drawn."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.metrics import BY_COLUMN
from zapsim.report.compare import conditions_grid
from zapsim.report.conclusion import of_fronts
from zapsim.report.formats import latex_table, markdown_table
from zapsim.report.pareto import cell
from zapsim.report.plot import save_figure
from zapsim.report.terminal import plain_console
from zapsim.report.view import View, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record: TypeAlias = Mapping[str, Any]
"""What :meth:`zapsim.exploration.fronts.FrontsSideBySide.record` returns."""

_LOOKS: Final = (("a", "A", "#0072B2", "-", "o"), ("b", "B", "#D55E00", "--", "s"))
"""Key, letter, colour (told apart by the colour-blind), line and marker of each side."""


def fronts_conclusion(record: Record) -> str:
    """Say in one sentence which front is better."""
    a, b = record["a"], record["b"]
    attained = a["attained_of_other_front"], b["attained_of_other_front"]
    return of_fronts(a["name"], b["name"], (a["hypervolume"], b["hypervolume"]), attained)


def render_fronts(record: Record, form: str) -> str:
    """Return the comparison as ``table``, ``csv`` (the designs of both fronts), ``json``, ``markdown`` or ``latex``."""
    if form == "json":
        whole = {"conclusion": fronts_conclusion(record), **record}
        return json.dumps(whole, indent=1, ensure_ascii=False, default=str) + "\n"
    if form == "csv":
        return fronts_csv(record)
    if form == "table":
        text = io.StringIO()
        print_fronts(record, plain_console(text))
        return text.getvalue()
    rows, left = _rows(record), [True, False, False]
    notes = [f"Warning: {warning}." for warning in record["warnings"]]
    if form == "latex":
        return latex_table(rows, left, f"{fronts_conclusion(record)} {_points(record)}", notes)
    conditions = [["", "A", "B"], *([name, *both] for name, both in _conditions(record).items())]
    parts = [fronts_conclusion(record), markdown_table(conditions, [True] * 3), *notes]
    return "\n\n".join([*parts, markdown_table(rows, left), _points(record)]) + "\n"


def print_fronts(record: Record, console: Console) -> None:
    """Print the conclusion, what was searched, and the figures of both fronts."""
    for line in wrapped([fronts_conclusion(record)], View(), console.width):
        console.print(line, soft_wrap=True)
    console.print(conditions_grid(_conditions(record), console.width))
    headings, *rows = _rows(record)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in wrapped([_points(record)], View(), console.width):
        console.print(line, style="dim", soft_wrap=True)


def fronts_csv(record: Record) -> str:
    """Return the designs of both fronts with all columns; lines that begin with ``#`` hold figures and warnings."""
    text = io.StringIO()
    for line in (fronts_conclusion(record), _points(record), *(f"warning: {one}" for one in record["warnings"])):
        text.write(f"# {line}\n")
    rows = [(letter, row) for side, letter, *_ in _LOOKS for row in record[side]["front"]]
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["exploration", *names])
    for letter, row in rows:
        values = (row.get(name) for name in names)
        writer.writerow([letter, *("" if value is None else value for value in values)])
    return text.getvalue()


def _conditions(record: Record) -> dict[str, tuple[str, str]]:
    """Put what was searched side by side, the explorations' names first."""
    a, b = record["a"], record["b"]
    both = {name: (of_a, b["conditions"][name]) for name, of_a in a["conditions"].items()}
    return {"exploration": (a["name"], b["name"]), **both}


def _rows(record: Record) -> list[list[str]]:
    """Return the figures as text: headings, then one row per figure."""
    a, b = record["a"], record["b"]
    rows = [
        ["", "A", "B"],
        ["hypervolume, % of the box", *(f"{100 * one['hypervolume']:.2f}" for one in (a, b))],
        ["attained by it alone, % of the box", *(f"{100 * one['attained_alone']:.2f}" for one in (a, b))],
        ["designs of the other front attained, %", *(f"{100 * one['attained_of_other_front']:.1f}" for one in (a, b))],
    ]
    for goal in record["goals"]:
        column, best = goal["column"], max if goal["maximise"] else min
        values = [best(row[column] for row in one["front"]) for one in (a, b)]
        rows.append([f"best {_heading(column)}", *map(cell, values)])
    return rows


def _points(record: Record) -> str:
    """State the box of the hypervolumes."""
    names = [_heading(goal["column"]) for goal in record["goals"]]
    worst, best = (
        "; ".join(f"{name}: {cell(value)}" for name, value in zip(names, record[point], strict=True))
        for point in ("reference_point", "ideal_point")
    )
    return f"The box reaches from the best values on either front ({best}) to the reference point ({worst})."


def _heading(column: str) -> str:
    """Name a goal, with its unit."""
    metric = BY_COLUMN.get(column)
    if metric is None:
        return column.removeprefix("objective.")
    unit = metric.unit.replace("mm2", "mm²")
    return f"{metric.heading}, {unit}" if unit else metric.heading


def plot_fronts(record: Record, path: Path) -> None:
    """Draw the attainment surfaces in every pair of goals, and the hypervolume against the designs evaluated."""
    from matplotlib.figure import Figure

    pairs = list(combinations(range(len(record["goals"])), 2))
    across = min(len(pairs) + 1, 3)
    down = -(-(len(pairs) + 1) // across)
    figure = Figure(figsize=(3.5 * across, 3.0 * down + 0.4), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (x, y) in zip(grid, pairs, strict=False):
        _draw_surfaces(axes, record, x, y)
    _draw_courses(grid[len(pairs)], record)
    for axes in grid[len(pairs) + 1 :]:
        axes.set_axis_off()
    handles, labels = grid[len(pairs)].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    save_figure(figure, path)


def _draw_surfaces(axes: Axes, record: Record, x: int, y: int) -> None:
    """Draw the border of what each front attains of two goals, up to the reference point."""
    goals = [record["goals"][place] for place in (x, y)]
    end = record["reference_point"][x], record["reference_point"][y]
    for side, letter, colour, line, marker in _LOOKS:
        points = [(row[goals[0]["column"]], row[goals[1]["column"]]) for row in record[side]["front"]]
        corners = attainment_corners(points, [goal["maximise"] for goal in goals])
        xs, ys = [corners[0][0], *(one[0] for one in corners), end[0]], [end[1], *(one[1] for one in corners)]
        axes.step(xs, [*ys, ys[-1]], where="post", color=colour, linestyle=line, linewidth=1.2, label=letter)
        axes.plot(*zip(*corners, strict=True), linestyle="none", marker=marker, markersize=3.5, color=colour)
    axes.plot(*end, marker="+", color="black", markersize=8)
    axes.annotate("reference point", end, textcoords="offset points", xytext=(-4, 5), ha="right", fontsize=7)
    labels = [_heading(goal["column"]) + (" (more is better)" if goal["maximise"] else "") for goal in goals]
    axes.set_xlabel(labels[0], fontsize=8, parse_math=False)
    axes.set_ylabel(labels[1], fontsize=8, parse_math=False)
    axes.margins(0.08)
    axes.tick_params(labelsize=7)


def attainment_corners(points: Sequence[tuple[float, float]], maximise: Sequence[bool]) -> list[tuple[float, float]]:
    """Return the points of two goals that no other dominates, from the best to the worst in the first goal."""
    signs = [-1 if one else 1 for one in maximise]
    corners: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda one: (signs[0] * one[0], signs[1] * one[1])):
        if not corners or signs[1] * point[1] < signs[1] * corners[-1][1]:
            corners.append(point)
    return corners


def _draw_courses(axes: Axes, record: Record) -> None:
    """Draw how the hypervolume grows with the designs that were evaluated."""
    for side, letter, colour, line, _ in _LOOKS:
        course = record[side]["course"]
        designs = [one["designs"] for one in course]
        shares = [100 * one["hypervolume"] for one in course]
        name = f"{letter}: {record[side]['name']} ({shares[-1]:.1f} %)"
        axes.step(designs, shares, where="post", color=colour, linestyle=line, linewidth=1.2, label=name)
        axes.plot(designs[-1:], shares[-1:], marker="o", markersize=3.5, color=colour)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("feasible designs evaluated", fontsize=8)
    axes.set_ylabel("hypervolume, % of the box", fontsize=8)
    axes.tick_params(labelsize=7)
