"""A result in five formats: terminal table, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.columns import COLUMNS, FILE_COLUMNS, Column
from zapsim.report.terminal import plain_console, print_in_parts
from zapsim.results import RunResult


def render(result: RunResult, form: str) -> str:
    """Return `result` in one of :data:`FORMATS`, with a final newline."""
    return FORMATS[form](result)


def print_table(result: RunResult, console: Console) -> None:
    """Print the terminal table: one row per layer and a total."""
    console.print(result.headline, soft_wrap=True)
    print_in_parts(console, COLUMNS, lambda columns: _grid(result, columns))
    for line in result.notes:
        console.print(line, style="dim", soft_wrap=True)


def _grid(result: RunResult, columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for column in columns:
        heading = column.heading.replace(" ", "\n", 1)
        table.add_column(heading, justify="left" if column.key == "bound" else "right", no_wrap=True)
    for name, comparison in result.rows:
        if name == "total":
            table.add_section()
        table.add_row(name, *(column.text(comparison) for column in columns), style="bold" if name == "total" else "")
    return table


def _table(result: RunResult) -> str:
    text = io.StringIO()
    print_table(result, plain_console(text))
    return text.getvalue()


def _csv(result: RunResult) -> str:
    """Return plain values, one row per layer and a total; lines that begin with ``#`` hold headline and provenance.

    If images ran one by one, rows ``images: mean``, ``deviation``, ``low`` and ``high`` follow.
    """
    text = io.StringIO()
    for line in (result.headline, *result.notes):
        text.write(f"# {line}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", *(column.key for column in FILE_COLUMNS)])
    for name, comparison in result.rows:
        writer.writerow([name, *(column.value(comparison) for column in FILE_COLUMNS)])
    statistics = result.image_statistics
    for kind in ("mean", "deviation", "low", "high") if statistics else ():
        cells = (getattr(statistics[column.key], kind) if column.key in statistics else "" for column in FILE_COLUMNS)
        writer.writerow([f"images: {kind}", *cells])
    return text.getvalue()


def _markdown(result: RunResult) -> str:
    rows = [["layer", *(column.heading for column in COLUMNS)]]
    rows.append(["---", *("---" if column.key == "bound" else "---:" for column in COLUMNS)])
    for name, comparison in result.rows:
        rows.append([name.replace("|", r"\|"), *(column.text(comparison) for column in COLUMNS)])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([result.headline, table, *result.notes]) + "\n"


_LATEX_SPECIAL = {char: "\\" + char for char in "&%$#_{}"} | {
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "×": r"$\times$", "µ": r"$\mu$", "·": r"$\cdot$",
}  # fmt: skip


def _escape(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(char, char) for char in text)


def _latex(result: RunResult) -> str:
    """Return a table environment for ``booktabs``, with caption and provenance."""
    rows = [["layer", *(column.heading for column in COLUMNS)]]
    rows += [[name, *(column.text(comparison) for column in COLUMNS)] for name, comparison in result.rows]
    body = [" & ".join(_escape(cell) for cell in row) + r" \\" for row in rows]
    align = "l" + "".join("l" if column.key == "bound" else "r" for column in COLUMNS)
    return "\n".join(
        [
            *(f"% {line}" for line in result.notes),
            r"\begin{table}",
            rf"\caption{{{_escape(result.headline)}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            body[0],
            r"\midrule",
            *body[1:-1],
            r"\midrule",
            body[-1],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


FORMATS: dict[str, Callable[[RunResult], str]] = {
    "table": _table,
    "csv": _csv,
    "json": RunResult.to_json,
    "markdown": _markdown,
    "latex": _latex,
}
"""Renderers by the name that ``--format`` takes."""
