"""A result in five formats: terminal table, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from zapsim.columns import ALIASES, BY_NAME, DEFAULT, DISPENSABLE, FILE_COLUMNS, Column
from zapsim.comparison import Comparison
from zapsim.errors import printable
from zapsim.reading.escape import csv_cell, latex, markdown
from zapsim.report.conclusion import of_run
from zapsim.report.plain_table import Heading, is_plain, table_lines
from zapsim.report.view import WIDTH, View, footer, wrapped
from zapsim.results import RunResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_EVERY = tuple(column.metric.name for column in FILE_COLUMNS)
_WIDEST = 10_000
"""Characters of a line where there is no terminal (:data:`zapsim.report.terminal.UNLIMITED`)."""

_TEXT = ("bound",)
"""Columns of text, which are aligned to the left."""


def render(result: RunResult, form: str, view: View = View(whole_provenance=True)) -> str:  # noqa: B008 (is frozen)
    """Return `result` in one of :data:`FORMATS`, with a final newline.

    Raises
    ------
    ZapsimError
        If the view names a column that there is not, or selects anything of JSON, which holds everything.
    """
    check_view(form, view)
    return FORMATS[form](result, view)


def check_view(form: str, view: View) -> None:
    """Check before the work that a format can show what is selected.

    Raises
    ------
    ZapsimError
        If a column is named that there is not, or anything is selected of JSON, which holds everything.
    """
    view.check_whole(form, ("json",))
    view.chosen(BY_NAME, DEFAULT, _EVERY, ALIASES)


def print_table(result: RunResult, console: Console, view: View = View()) -> None:  # noqa: B008 (is frozen)
    """Print the terminal table under its conclusion: one row per layer and a total."""
    from zapsim.report.terminal import print_in_parts

    columns, shown = _columns(result, view)
    for line in wrapped(map(printable, [of_run(result), "", result.headline]), view, console.width):
        console.print(line, soft_wrap=True)
    print_in_parts(console, shown, lambda some: _grid(result, some, view))
    for line in wrapped(map(printable, _notes(result, columns, shown, view)), view, console.width):
        console.print(line, style="dim", soft_wrap=True)


def _columns(result: RunResult, view: View) -> tuple[list[Column], list[Column]]:
    """Return the columns that were asked for, and those that are shown."""
    columns = _fitted(result, view.chosen(BY_NAME, DEFAULT, _EVERY, ALIASES), view)
    return columns, _within_width(result, columns, view) if view.fits else columns


def _notes(result: RunResult, columns: Sequence[Column], shown: Sequence[Column], view: View) -> list[str]:
    """List what stands below the table."""
    left_out = [column.metric.heading for column in columns if column not in shown]
    notes = [f"Left out to fit {WIDTH} columns: {', '.join(left_out)} (--wide shows all)."] if left_out else []
    return notes + (list(result.notes) if view.whole_provenance else [*result.notes[:-1], footer(result.provenance)])


def _fitted(result: RunResult, columns: Sequence[Column], view: View) -> list[Column]:
    """Give each column the unit that fits its values."""
    rows = _rows(result, view)
    return [column.fitted([column.value(row, result.clock_hz) for _, row in rows]) for column in columns]


def _rows(result: RunResult, view: View) -> list[tuple[str, Comparison]]:
    return result.rows[-1:] if view.totals else result.rows


def _within_width(result: RunResult, columns: Sequence[Column], view: View) -> list[Column]:
    """Leave out dispensable columns until the table keeps to its width."""
    shown = list(columns)
    for name in DISPENSABLE:
        if _width(result, shown, view) <= WIDTH:
            break
        shown = [column for column in shown if column.metric.name != name]
    return shown


def _width(result: RunResult, columns: Sequence[Column], view: View) -> int:
    """Count the characters that the table of some columns is wide."""
    lines = _lines(result, columns, view)
    if lines is not None:
        return len(lines[0])
    from zapsim.report.terminal import plain_console

    return plain_console(io.StringIO()).measure(_grid(result, columns, view)).maximum


def _cells(result: RunResult, columns: Sequence[Column], view: View) -> tuple[list[Heading], list[list[str]]]:
    """Return headings and rows of the table."""
    headings = [("layer", True)]
    for column in columns:
        heading = column.metric.heading.replace(" ", "\n", 1) + (f",\n{column.unit}" if column.unit else "")
        headings.append((heading, column.key in _TEXT))
    rows = [
        [printable(name), *(column.text(comparison, result.clock_hz) for column in columns)]
        for name, comparison in _rows(result, view)
    ]
    return headings, rows


def _lines(result: RunResult, columns: Sequence[Column], view: View) -> list[str] | None:
    """Set the table as bare text; None if it is one for rich: with wide characters, or with a layer called total."""
    headings, rows = _cells(result, columns, view)
    names = [row[0] for row in rows]
    if "total" in names[:-1] or not is_plain(text for row in rows for text in row):
        return None
    return table_lines(headings, rows, last_apart=len(rows) > 1 and names[-1] == "total")


def _grid(result: RunResult, columns: Sequence[Column], view: View) -> Table:
    from rich import box
    from rich.table import Table

    headings, rows = _cells(result, columns, view)
    table = Table(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False, collapse_padding=True)
    for heading, left in headings:
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for (name, _), cells in zip(_rows(result, view), rows, strict=True):
        if name == "total":
            table.add_section()
        table.add_row(*cells, style="bold" if name == "total" else "")
    return table


def _table(result: RunResult, view: View) -> str:
    columns, shown = _columns(result, view)
    lines = _lines(result, shown, view)
    above = [printable(text) for text in (of_run(result), "", result.headline)]
    below = [printable(text) for text in _notes(result, columns, shown, view)]
    if lines is None or len(lines[0]) > _WIDEST or not is_plain([*above, *below]):
        return _table_by_rich(result, view)
    return "\n".join([*wrapped(above, view, _WIDEST), *lines, *wrapped(below, view, _WIDEST), ""])


def _table_by_rich(result: RunResult, view: View) -> str:
    from zapsim.report.terminal import plain_console

    text = io.StringIO()
    print_table(result, plain_console(text), view)
    return text.getvalue()


def _csv(result: RunResult, view: View) -> str:
    """Return plain values, one row per layer and a total; lines that begin with ``#`` hold headline and provenance.

    If images ran one by one, rows ``images: mean``, ``deviation``, ``low`` and ``high`` follow.
    """
    columns = view.chosen(BY_NAME, _EVERY, _EVERY, ALIASES)
    text = io.StringIO()
    for line in (result.headline, *result.notes):
        text.write(f"# {printable(line)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", *(column.key for column in columns)])
    for name, comparison in _rows(result, view):
        writer.writerow([csv_cell(name), *(column.value(comparison, result.clock_hz) for column in columns)])
    statistics = result.image_statistics
    for kind in ("mean", "deviation", "low", "high") if statistics else ():
        cells = (getattr(statistics[column.key], kind) if column.key in statistics else "" for column in columns)
        writer.writerow([f"images: {kind}", *cells])
    return text.getvalue()


def _text_rows(result: RunResult, view: View) -> tuple[list[Column], list[list[str]]]:
    """Return the columns and, as text, the headings and every row."""
    columns = _fitted(result, view.chosen(BY_NAME, DEFAULT, _EVERY, ALIASES), view)
    rows = [["layer", *(column.heading for column in columns)]]
    for name, comparison in _rows(result, view):
        rows.append([name, *(column.text(comparison, result.clock_hz) for column in columns)])
    return columns, rows


def _markdown(result: RunResult, view: View) -> str:
    columns, rows = _text_rows(result, view)
    table = markdown_table(rows, _aligned_left(columns))
    return "\n\n".join([*map(markdown, (of_run(result), result.headline)), table, *map(markdown, result.notes)]) + "\n"


def _aligned_left(columns: Sequence[Column]) -> list[bool]:
    return [True, *(column.key in _TEXT for column in columns)]


def markdown_table(rows: Sequence[Sequence[str]], left: Sequence[bool]) -> str:
    """Return a Markdown table; the first row holds the headings, `left` tells which columns are aligned to the left."""
    lines = [[markdown(cell) for cell in row] for row in rows]
    lines.insert(1, ["---" if one else "---:" for one in left])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _latex(result: RunResult, view: View) -> str:
    columns, rows = _text_rows(result, view)
    return latex_table(rows, _aligned_left(columns), f"{of_run(result)} {result.headline}", result.notes)


def latex_table(rows: Sequence[Sequence[str]], left: Sequence[bool], caption: str, notes: Sequence[str]) -> str:
    """Return a table environment for ``booktabs``, after comments that hold `notes`.

    Parameters
    ----------
    rows
        Headings, rows, and the total.
    left
        Which columns are aligned to the left.
    caption, notes
        Plain text: what LaTeX would take for commands is escaped in the caption.
    """
    body = [" & ".join(latex(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join(
        [
            *(f"% {printable(line)}" for line in notes),
            r"\begin{table}",
            rf"\caption{{{latex(caption)}}}",
            rf"\begin{{tabular}}{{{''.join('l' if one else 'r' for one in left)}}}",
            r"\toprule",
            body[0],
            *([r"\midrule", *body[1:-1]] if len(body) > 2 else []),
            r"\midrule",
            body[-1],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


FORMATS: Mapping[str, Callable[[RunResult, View], str]] = {
    "table": _table,
    "csv": _csv,
    "json": lambda result, _: result.to_json(),
    "markdown": _markdown,
    "latex": _latex,
}
"""Renderers by the name that ``--format`` takes."""
