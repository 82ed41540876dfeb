"""Two designs side by side, as a table in a terminal, as CSV, and as bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.columns import Column
from zapsim.metrics import METRICS
from zapsim.report.plot import save_figure
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


def plot_comparison(records: Sequence[Record], descriptions: Sequence[str], path: Path) -> None:
    """Draw time and energy of every layer of A and B as bars."""
    from matplotlib.figure import Figure

    layers = [record for record in records if record["layer"] != "total"]
    figure = Figure(figsize=(max(6.0, 0.7 * len(layers)), 6.0), layout="constrained")
    for axes, column in zip(figure.subplots(2, 1, sharex=True), _COLUMNS[:2], strict=True):
        for offset, side, description in zip((-0.2, 0.2), "ab", descriptions, strict=True):
            heights = [record[f"{column.metric.column}_{side}"] for record in layers]
            axes.bar([place + offset for place in range(len(layers))], heights, width=0.4, label=description)
        axes.set_ylabel(column.heading)
        names = [record["layer"] for record in layers]
        axes.set_xticks(range(len(layers)), names, rotation=45, ha="right", parse_math=False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", fontsize=7)
    save_figure(figure, path)
