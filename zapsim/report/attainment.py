"""The fronts of two explorations: hypervolume and attainment as a table, CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.errors import printable
from zapsim.metrics import BY_COLUMN
from zapsim.reading.escape import csv_cell, markdown
from zapsim.report.compare import conditions_grid
from zapsim.report.conclusion import of_fronts
from zapsim.report.formats import latex_table, markdown_table
from zapsim.report.pareto import cell
from zapsim.report.terminal import plain_console
from zapsim.report.view import View, wrapped

Record: TypeAlias = Mapping[str, Any]
"""What :meth:`zapsim.exploration.fronts.FrontsSideBySide.record` returns."""


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
    rows, left = figure_rows(record), [True, False, False]
    notes = [f"Warning: {warning}." for warning in record["warnings"]]
    if form == "latex":
        return latex_table(rows, left, f"{fronts_conclusion(record)} {points_text(record)}", notes)
    conditions = [["", "A", "B"], *([name, *both] for name, both in searched(record).items())]
    parts = [markdown(fronts_conclusion(record)), markdown_table(conditions, [True] * 3), *map(markdown, notes)]
    return "\n\n".join([*parts, markdown_table(rows, left), markdown(points_text(record))]) + "\n"


def print_fronts(record: Record, console: Console) -> None:
    """Print the conclusion, what was searched, and the figures of both fronts."""
    for line in wrapped([fronts_conclusion(record)], View(), console.width):
        console.print(line, soft_wrap=True)
    console.print(conditions_grid(searched(record), console.width))
    headings, *rows = figure_rows(record)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in wrapped([points_text(record)], View(), console.width):
        console.print(line, style="dim", soft_wrap=True)


def fronts_csv(record: Record) -> str:
    """Return the designs of both fronts with all columns; lines that begin with ``#`` hold figures and warnings."""
    text = io.StringIO()
    for line in (fronts_conclusion(record), points_text(record), *(f"warning: {one}" for one in record["warnings"])):
        text.write(f"# {printable(line)}\n")
    rows = [(side.upper(), row) for side in "ab" for row in record[side]["front"]]
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["exploration", *map(csv_cell, names)])
    for letter, row in rows:
        values = (row.get(name) for name in names)
        writer.writerow([letter, *("" if value is None else csv_cell(value) for value in values)])
    return text.getvalue()


def searched(record: Record) -> dict[str, tuple[str, str]]:
    """Put what was searched side by side, the explorations' names first."""
    a, b = record["a"], record["b"]
    both = {name: (of_a, b["conditions"][name]) for name, of_a in a["conditions"].items()}
    return {"exploration": (a["name"], b["name"]), **both}


def figure_rows(record: Record) -> list[list[str]]:
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
        rows.append([f"best {goal_heading(column)}", *map(cell, values)])
    return rows


def points_text(record: Record) -> str:
    """State the box of the hypervolumes."""
    names = [goal_heading(goal["column"]) for goal in record["goals"]]
    worst, best = (
        "; ".join(f"{name}: {cell(value)}" for name, value in zip(names, record[point], strict=True))
        for point in ("reference_point", "ideal_point")
    )
    return f"The box reaches from the best values on either front ({best}) to the reference point ({worst})."


def goal_heading(column: str) -> str:
    """Name a goal, with its unit."""
    metric = BY_COLUMN.get(column)
    if metric is None:
        return column.removeprefix("objective.")
    unit = metric.unit.replace("mm2", "mm²")
    return f"{metric.heading}, {unit}" if unit else metric.heading
