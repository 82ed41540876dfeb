"""Two designs side by side, as a table, CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.columns import ALIASES, BY_NAME, Column
from zapsim.errors import printable
from zapsim.metrics import Known, Metric, Value
from zapsim.reading.escape import csv_cell, markdown
from zapsim.report.conclusion import Design, of_comparison
from zapsim.report.formats import latex_table, markdown_table
from zapsim.report.terminal import plain_console, print_in_parts
from zapsim.report.view import WIDTH, View, footer, wrapped

Record: TypeAlias = Mapping[str, Any]
"""A layer, or the total, by column: ``layer``, and each metric of A and B as in ``latency_ms_a``."""

_KNOWN: Final = {name: column for name, column in BY_NAME.items() if column.metric.known == Known.FROM_RUN}
_DEFAULT: Final = ("latency", "energy", "dram_words", "bound")
_EVERY: Final = (
    "latency",
    "energy",
    "edp",
    "power",
    "cycles",
    "stalled_share",
    "dram_words",
    "predictor_share",
    "bound",
)
_DISPENSABLE: Final = ("bound", "dram_words")
"""Columns that are left out, in this order, for the table to fit."""


class Compared(Design, Protocol):
    """One of two designs, with what made its result."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, hashes and seed; empty if there are none."""


class Pair(Protocol):
    """Two designs of the same layers (:class:`zapsim.exploration.compare.SideBySide`)."""

    @property
    def a(self) -> Compared:
        """The first."""

    @property
    def b(self) -> Compared:
        """The second."""

    @property
    def descriptions(self) -> tuple[str, str]:
        """What they are, in words."""

    @property
    def conditions(self) -> Mapping[str, tuple[str, str]]:
        """What they ran under, by name."""

    @property
    def warnings(self) -> Sequence[str]:
        """What differs besides the designs."""

    def records(self) -> Sequence[Record]:
        """List every layer and the total with all metrics by column."""

    def rows(self, metrics: Sequence[Metric]) -> Iterator[tuple[str, Mapping[str, Value], Mapping[str, Value]]]:
        """Yield every layer and the total: name, metrics of A and of B by name, in base units."""


def check_comparison_view(form: str, view: View) -> None:
    """Check before the work that a format can show what is selected.

    Raises
    ------
    ZapsimError
        If a column is named that there is not, or anything is selected of CSV or JSON, which hold everything.
    """
    view.check_whole(form, ("csv", "json"))
    view.chosen(_KNOWN, _DEFAULT, _EVERY, ALIASES)


def render_comparison(pair: Pair, form: str, view: View) -> str:
    """Return a comparison as ``table``, ``csv``, ``json``, ``markdown`` or ``latex``, with a final newline."""
    check_comparison_view(form, view)
    if form == "csv":
        return comparison_csv(pair)
    if form == "json":
        return _json(pair)
    if form == "table":
        text = io.StringIO()
        print_comparison(pair, plain_console(text), view)
        return text.getvalue()
    columns, rows = _columns(pair, view), _rows(pair, view)
    heads = [heading for column in columns for heading in _headings(column)]
    left = [True, *(column.metric.kind is str for column in columns for _ in _headings(column))]
    cells = [["layer", *heads], *([name, *_texts(columns, a, b)] for name, a, b in rows)]
    sentence, notes = of_comparison(pair.a, pair.b), [f"Warning: {warning}." for warning in pair.warnings]
    if form == "latex":
        return latex_table(cells, left, " ".join([sentence, *pair.descriptions]), [*notes, *_provenances(pair)])
    conditions = [["", "A", "B"], *([name, *both] for name, both in pair.conditions.items())]
    parts = [markdown(sentence), "  \n".join(map(markdown, pair.descriptions)), markdown_table(conditions, [True] * 3)]
    below = [markdown_table(cells, left), *map(markdown, _provenances(pair))]
    return "\n\n".join([*parts, *map(markdown, notes), *below]) + "\n"


def print_comparison(pair: Pair, console: Console, view: View) -> None:
    """Print the conclusion, what A and B ran under, and one row per layer: A, B, and B as a multiple of A."""
    for line in wrapped([of_comparison(pair.a, pair.b), "", *pair.descriptions], view, console.width):
        console.print(line, soft_wrap=True)
    console.print(conditions_grid(pair.conditions, console.width))
    columns, rows = _columns(pair, view), _rows(pair, view)
    shown = list(columns)
    for name in _DISPENSABLE if view.fits else ():
        if plain_console(io.StringIO()).measure(_grid(shown, rows)).maximum <= WIDTH:
            break
        shown = [column for column in shown if column.metric.name != name]
    print_in_parts(console, shown, lambda some: _grid(some, rows))
    left_out = [column.metric.heading for column in columns if column not in shown]
    notes = [f"Left out to fit {WIDTH} columns: {', '.join(left_out)} (--wide shows all)."] if left_out else []
    short = [f"{letter}: {footer(one.provenance)}" for letter, one in (("A", pair.a), ("B", pair.b)) if one.provenance]
    for line in wrapped([*notes, *(_provenances(pair) if view.whole_provenance else short)], view, console.width):
        console.print(line, style="dim", soft_wrap=True)


def conditions_grid(conditions: Mapping[str, tuple[str, str]], width: int) -> Table:
    """Put what A and B ran under side by side, in at most `width` columns; what differs is marked."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    most = (min(WIDTH, width) - max(map(len, conditions)) - 12) // 2
    for heading, longest in (("", None), ("A", most), ("", None), ("B", most)):
        grid.add_column(heading, max_width=longest, overflow="fold")
    for name, (a, b) in conditions.items():
        grid.add_row(name, a, "" if a == b else "≠", b)
    return grid


def _columns(pair: Pair, view: View) -> list[Column]:
    """Return the columns, each in the unit that fits the values of both."""
    columns = view.chosen(_KNOWN, _DEFAULT, _EVERY, ALIASES)
    rows = list(pair.rows([column.metric for column in columns]))
    rows = rows[-1:] if view.totals else rows
    return [column.fitted([side[column.metric.name] for _, *both in rows for side in both]) for column in columns]


def _rows(pair: Pair, view: View) -> list[tuple[str, Mapping[str, Value], Mapping[str, Value]]]:
    metrics = [column.metric for column in view.chosen(_KNOWN, _DEFAULT, _EVERY, ALIASES)]
    return list(pair.rows(metrics))[-1 if view.totals else 0 :]


def _headings(column: Column) -> list[str]:
    """Return the headings of a column's cells: A, B and, of numbers, B as a multiple of A."""
    ratio = [] if column.metric.kind is str else ["B / A, ×"]
    return [f"{column.heading}: A", "B", *ratio]


def _grid(columns: Sequence[Column], rows: Sequence[tuple[str, Mapping[str, Value], Mapping[str, Value]]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    grid.add_column("layer", no_wrap=True)
    for column in columns:
        for heading in _headings(column):
            above, _, letter = heading.rpartition(": ")
            above = above if letter == "A" else ""
            grid.add_column(
                f"{above}\n{letter}", justify="left" if column.metric.kind is str else "right", no_wrap=True
            )
    for name, a, b in rows:
        if name == "total":
            grid.add_section()
        grid.add_row(name, *_texts(columns, a, b))
    return grid


def _texts(columns: Sequence[Column], a: Mapping[str, Value], b: Mapping[str, Value]) -> list[str]:
    """Return the cells of a row: A, B and, of numbers, B as a multiple of A."""
    cells = []
    for column in columns:
        before, after = a[column.metric.name], b[column.metric.name]
        cells += [column.shown(before), column.shown(after)]
        if column.metric.kind is not str:
            both = isinstance(before, (int, float)) and isinstance(after, (int, float))
            cells.append(f"{after / before:.3g}" if both and before else "–")  # type: ignore[operator]
    return cells


def _provenances(pair: Pair) -> list[str]:
    """Write what made A and B in full, if it is recorded."""
    return [
        f"{letter}: {', '.join(f'{name} {value}' for name, value in one.provenance.items())}"
        for letter, one in (("A", pair.a), ("B", pair.b))
        if one.provenance
    ]


def _json(pair: Pair) -> str:
    *layers, total = pair.records()
    sides = {
        letter: {
            "name": one.name,
            "description": description,
            "conditions": {name: both[place] for name, both in pair.conditions.items()},
            "provenance": dict(one.provenance),
        }
        for place, (letter, one, description) in enumerate(zip("ab", (pair.a, pair.b), pair.descriptions, strict=True))
    }
    whole = {
        "conclusion": of_comparison(pair.a, pair.b),
        "warnings": list(pair.warnings),
        **sides,
        "layers": layers,
        "total": total,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_csv(pair: Pair) -> str:
    """Return all metrics, one row per layer and a total; lines that begin with ``#`` describe A and B, and warn."""
    text, records = io.StringIO(), pair.records()
    for line in (*pair.descriptions, *(f"warning: {warning}" for warning in pair.warnings)):
        text.write(f"# {printable(line)}\n")
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in record.items()} for record in records)
    return text.getvalue()
