"""A front of designs as a table for people and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.report.terminal import print_in_parts

_DIGITS = 5
_ID = 8
"""Characters of a design's id that tables show."""


def print_front(
    rows: Sequence[Mapping[str, Any]],
    choices: Sequence[str],
    goals: Sequence[tuple[str, bool]],
    console: Console,
    most: int,
) -> None:
    """Print the designs of a front, one a row.

    Parameters
    ----------
    rows
        The designs by column, in the order in which they are shown.
    choices
        Columns of what was chosen.
    goals
        Columns of what was wanted, and whether much of it is better.
    console
        Where to print.
    most
        Rows at most.
    """
    columns = [*choices, *(column for column, _ in goals)]
    wanted = dict(goals)

    def table(some: Sequence[str]) -> Table:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        made.add_column("id", no_wrap=True)
        for column in some:
            mark = (" ↑" if wanted[column] else " ↓") if column in wanted else ""
            numbers = all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
            heading = column.removeprefix("objective.") + mark
            made.add_column(heading, justify="right" if numbers else "left", no_wrap=True)
        for row in rows[:most]:
            made.add_row(str(row["id"])[:_ID], *(cell(row[column]) for column in some))
        return made

    print_in_parts(console, columns, table)
    if len(rows) > most:
        console.print(f"… and {len(rows) - most} more (--limit, --csv)", highlight=False)


def cell(value: object) -> str:
    """Return a value as tables show it."""
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
    """Return all columns of a front as CSV; lines that begin with ``#`` say on what quality was measured."""
    text = io.StringIO()
    for note in notes:
        text.write(f"# {note}\n")
    writer = csv.writer(text, lineterminator="\n")
    names = list(rows[0]) if rows else []
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row[name] is None else row[name] for name in names])
    return text.getvalue()
