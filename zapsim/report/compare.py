"""Two designs side by side, as a table in a terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.columns import Column
from zapsim.metrics import METRICS
from zapsim.report.terminal import print_in_parts

Record: TypeAlias = Mapping[str, Any]
"""A layer, or the total, by column: ``layer``, and each metric of A and B as in ``latency_ms_a``."""

_COLUMNS = (
    Column(METRICS["latency"], "ms", 1e6),
    Column(METRICS["energy"], "mJ", 1e9),
    Column(METRICS["dram_words"], "k", 1e3, ",.0f"),
    Column(METRICS["bound"]),
)


def print_comparison(records: Sequence[Record], console: Console) -> None:
    """Print one row per layer and a total: A, B, and B as a multiple of A."""

    def table(columns: Sequence[Column]) -> Table:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        grid.add_column("layer", no_wrap=True)
        for column in columns:
            is_text = column.metric.kind is str
            for heading in (f"{column.heading}\nA", "\nB") if is_text else (f"{column.heading}\nA", "\nB", "\nB / A"):
                grid.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
        for record in records:
            if record["layer"] == "total":
                grid.add_section()
            grid.add_row(record["layer"], *(text for column in columns for text in _cells(record, column)))
        return grid

    print_in_parts(console, _COLUMNS, table)


def _cells(record: Record, column: Column) -> list[str]:
    metric = column.metric
    a, b = record[f"{metric.column}_a"], record[f"{metric.column}_b"]
    if metric.kind is str:
        return ["", ""] if record["layer"] == "total" else [a, b]
    form, scale = column.format or metric.format, column.scale / metric.scale
    return [format(a / scale, form), format(b / scale, form), f"{b / a:.3g}" if a else "–"]


def comparison_csv(records: Sequence[Record], descriptions: Sequence[str]) -> str:
    """Return all metrics, one row per layer and a total; lines that begin with ``#`` describe A and B."""
    text = io.StringIO()
    for description in descriptions:
        text.write(f"# {description}\n")
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
