"""One result in five formats: terminal table, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.report.consoles import plain_console
from zapsim.report.layer_table import COLUMNS, FILE_COLUMNS, Cell, Column, headline, image_statistics, notes
from zapsim.report.parts import print_in_parts
from zapsim.results import Comparison, Outcome, RunResult


def render(result: RunResult, form: str) -> str:
    """Return `result` in one of :data:`FORMATS`, with a final newline."""
    return FORMATS[form](result)


def _lines(result: RunResult) -> list[tuple[str, Comparison]]:
    return [*((layer.shape.name, layer.comparison) for layer in result.layers), ("total", result.total)]


def print_table(result: RunResult, console: Console) -> None:
    """Print the terminal table: one row a layer and a total."""
    console.print(headline(result), soft_wrap=True)
    print_in_parts(console, COLUMNS, lambda columns: _grid(result, columns))
    for line in notes(result):
        console.print(line, style="dim", soft_wrap=True)


def _grid(result: RunResult, columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for column in columns:
        heading = column.heading.replace(" ", "\n", 1)
        table.add_column(heading, justify="left" if column.key == "bound" else "right", no_wrap=True)
    for name, comparison in _lines(result):
        if name == "total":
            table.add_section()
        table.add_row(name, *(column.text(comparison) for column in columns), style="bold" if name == "total" else "")
    return table


def _table(result: RunResult) -> str:
    text = io.StringIO()
    print_table(result, plain_console(text))
    return text.getvalue()


def _csv(result: RunResult) -> str:
    """Plain values, one row a layer and a total; lines that begin with ``#`` hold headline and provenance.

    Rows ``images: mean``, ``deviation``, ``low`` and ``high`` follow where images ran one by one.
    """
    text = io.StringIO()
    for line in (headline(result), *notes(result)):
        text.write(f"# {line}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", *(column.key for column in FILE_COLUMNS)])
    for name, comparison in _lines(result):
        writer.writerow([name, *(column.value(comparison) for column in FILE_COLUMNS)])
    found = image_statistics(result)
    for kind in ("mean", "deviation", "low", "high") if found else ():
        cells = (getattr(found[column.key], kind) if column.key in found else "" for column in FILE_COLUMNS)
        writer.writerow([f"images: {kind}", *cells])
    return text.getvalue()


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "total_cycles": outcome.cycles.total,
        "cycles": outcome.cycles.as_dict(),
        "counts": outcome.counts.as_dict(),
        "energy_pj": outcome.energy_pj,
        "total_energy_pj": outcome.total_energy_pj,
        "demanded_macs": outcome.demanded_macs,
        "predictor_busy_cycles": outcome.predictor_busy_cycles,
        "active_pes": outcome.active_pes,
        "imbalance": outcome.cycles.imbalance_ratio,
    }


def _finite(value: Cell) -> Cell | None:
    """Return `value`, or None for one that JSON has no number for (the speedup of a layer that takes no cycles)."""
    return value if isinstance(value, str) or math.isfinite(value) else None


def _comparison(comparison: Comparison) -> dict[str, object]:
    return {
        "columns": {column.key: _finite(column.value(comparison)) for column in FILE_COLUMNS},
        "baseline": _outcome(comparison.baseline),
        "policy": _outcome(comparison.policy),
    }


def _json(result: RunResult) -> str:
    """Everything: columns, cycles, counts and energies of every layer under policy and baseline."""
    head = {
        "headline": headline(result),
        "network": result.network,
        "images": result.images,
        "operating_point": result.operating_point,
        "patterns": result.patterns,
        "thresholds": result.thresholds,
        "quality": result.quality,
        "quality_note": result.quality_note,
        "arch": result.arch,
        "arch_summary": result.arch_summary,
        "clock_hz": result.clock_hz,
        "energy_note": result.energy_note,
        "policy": result.policy,
        "baseline": result.baseline,
        "provenance": result.provenance,
    }
    layers = [
        {"shape": asdict(layer.shape), "setting": layer.setting, **_comparison(layer.comparison)}
        for layer in result.layers
    ]
    over_images = {key: asdict(found) for key, found in image_statistics(result).items()}
    whole = {**head, "layers": layers, "total": _comparison(result.total), "over_images": over_images}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _markdown(result: RunResult) -> str:
    rows = [["layer", *(column.heading for column in COLUMNS)]]
    rows.append(["---", *("---" if column.key == "bound" else "---:" for column in COLUMNS)])
    rows += [[name.replace("|", r"\|"), *(column.text(found) for column in COLUMNS)] for name, found in _lines(result)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([headline(result), table, *notes(result)]) + "\n"


_LATEX_SPECIAL = {char: "\\" + char for char in "&%$#_{}"} | {
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "×": r"$\times$", "µ": r"$\mu$", "·": r"$\cdot$",
}  # fmt: skip


def _escape(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(char, char) for char in text)


def _latex(result: RunResult) -> str:
    """Return a table environment for ``booktabs``, with caption and provenance."""
    rows = [["layer", *(column.heading for column in COLUMNS)]]
    rows += [[name, *(column.text(found) for column in COLUMNS)] for name, found in _lines(result)]
    body = [" & ".join(_escape(cell) for cell in row) + r" \\" for row in rows]
    align = "l" + "".join("l" if column.key == "bound" else "r" for column in COLUMNS)
    return "\n".join(
        [
            *(f"% {line}" for line in notes(result)),
            r"\begin{table}",
            rf"\caption{{{_escape(headline(result))}}}",
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
    "json": _json,
    "markdown": _markdown,
    "latex": _latex,
}
"""Renderers by the name that ``--format`` takes."""
