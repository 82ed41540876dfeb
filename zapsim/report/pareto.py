"""A Pareto front as a table for people and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.errors import printable
from zapsim.metrics import BY_COLUMN
from zapsim.reading.escape import csv_cell
from zapsim.report.phrases import listed
from zapsim.report.terminal import print_in_parts
from zapsim.report.view import WIDTH

_DIGITS = 5
_ID = 8
"""Characters of a design's id in tables."""


def print_front(
    rows: Sequence[Mapping[str, Any]],
    choices: Sequence[str],
    goals: Sequence[tuple[str, bool]],
    console: Console,
    most: int,
    width: int = WIDTH,
) -> None:
    """Print the designs of a front, one per row.

    Parameters
    ----------
    rows
        The designs by column, in the order of the table.
    choices
        Columns of the choices.
    goals
        Columns that the front optimises, and whether more is better.
    console
        Where to print.
    most
        Largest number of rows.
    width
        Characters that a table may be wide; the columns that do not fit follow in further tables.
    """
    columns = [*choices, *(column for column, _ in goals)]
    maximised = dict(goals)

    def table(part: Sequence[str]) -> Table:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        grid.add_column("id", no_wrap=True)
        for column in part:
            mark = (" ↑" if maximised[column] else " ↓") if column in maximised else ""
            numbers = all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
            heading = column.removeprefix("objective.") + mark
            grid.add_column(heading, justify="right" if numbers else "left", no_wrap=True)
        for row in rows[:most]:
            grid.add_row(str(row["id"])[:_ID], *(cell(row[column]) for column in part))
        return grid

    print_in_parts(console, columns, table, width)
    if len(rows) > most:
        console.print(f"… and {len(rows) - most} more (--limit, --csv)", highlight=False)


def front_conclusion(
    rows: Sequence[Mapping[str, Any]], best: Sequence[Mapping[str, Any]], goals: Sequence[tuple[str, bool]]
) -> str:
    """Say in one sentence how many designs are on a front, and how far apart their ends are.

    Parameters
    ----------
    rows, best
        All designs that meet the constraints, and those on the front, at least one.
    goals
        Columns that the front optimises, and whether more is better.
    """
    ends = []
    for column, _ in goals:
        low, high = (bound(row[column] for row in best) for bound in (min, max))
        spread = with_unit(column, low) if low == high else f"{cell(low)} to {with_unit(column, high)}"
        ends.append(f"{label(column)} {spread}")
    number = f"{len(best):,} of {len(rows):,} designs that meet the constraints"
    return f"{number} {'is' if len(best) == 1 else 'are'} on the front: {listed(ends)}."


def label(column: str) -> str:
    """Name a column as people call it, without its unit."""
    metric = BY_COLUMN.get(column)
    return metric.heading if metric is not None else column.removeprefix("objective.")


def unit(column: str) -> str:
    """Return the unit of a column; none: an empty text."""
    metric = BY_COLUMN.get(column)
    return "" if metric is None else metric.unit.replace("mm2", "mm²")


def with_unit(column: str, value: float) -> str:
    """Write a value of a column with its unit."""
    return f"{cell(value)} {unit(column)}".strip()


def cell(value: object) -> str:
    """Format a value of any column for people."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:,.{_DIGITS}g}"
        if isinstance(value, float) and abs(value) < 10**_DIGITS
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )


def front_csv(rows: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    """Return all columns of a front as CSV; lines that begin with ``#`` say on what the quality was measured."""
    import pandas as pd  # which explorations need anyway

    heading = "".join(f"# {printable(note)}\n" for note in notes)
    cells = [{csv_cell(name): csv_cell(value) for name, value in row.items()} for row in rows]
    table: str = pd.DataFrame(cells, dtype=object).to_csv(index=False, lineterminator="\n")
    return heading + table
