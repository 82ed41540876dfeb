"""Evaluations as text: terminal table, CSV, JSON, Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from zapsim.frontend.evaluation import Evaluation
from zapsim.frontend.evaluation_table import Record, cell_text, layer_records, markdown, network_record

Column = tuple[str, str, str]
"""Key of a record, heading, format specification (empty: text)."""

_NETWORK: tuple[Column, ...] = (
    ("method", "method", ""),
    ("macs_saved", "MACs saved", ".2%"),
    ("macs_skipped", "MACs skipped", ".2%"),
    ("predictor_macs_share", "predictor", ".2%"),
    ("perfect_macs_skipped", "perfect skips", ".2%"),
)
_LAYERS: tuple[Column, ...] = (
    ("method", "method", ""),
    ("layer", "layer", ""),
    ("pattern", "pattern", ""),
    ("skipped_share", "skipped", ".1%"),
    ("perfect_share", "perfect skips", ".1%"),
    ("zero_kept", "zero, kept", ",d"),
    ("zero_skipped", "zero, skipped", ",d"),
    ("nonzero_kept", "non-zero, kept", ",d"),
    ("nonzero_skipped", "non-zero, skipped", ",d"),
    ("zeros_found", "zeros found", ".1%"),
    ("nonzeros_lost", "non-zeros lost", ".1%"),
)


def render(
    evaluations: Sequence[Evaluation], form: str, provenance: Mapping[str, Any], width: int | None = None
) -> str:
    """Return `evaluations` as ``table``, ``csv``, ``json`` or ``markdown``, with a final newline."""
    networks = [network_record(one) for one in evaluations]
    layers = [record for one in evaluations for record in layer_records(one)]
    if form == "json":
        whole = {"networks": networks, "layers": layers, "measured": evaluations[0].note, "provenance": provenance}
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        return f"# measured {evaluations[0].note}\n{_csv(networks)}\n{_csv(layers)}"
    columns = (*_NETWORK, *_figures(evaluations[0]))
    if form == "markdown":
        parts = [markdown(_shown(networks, evaluations), columns), markdown(layers, _LAYERS)]
        return "\n".join([*parts, f"Measured {evaluations[0].note}; intervals of 95 % over images.\n"])
    text = io.StringIO()
    console = Console(file=text, width=width or 200, highlight=False)
    console.print(_table(_shown(networks, evaluations), columns))
    console.print(_table(layers, _LAYERS))
    console.print(f"measured {evaluations[0].note}; intervals of 95 % over images", soft_wrap=True)
    return text.getvalue()


def _figures(evaluation: Evaluation) -> list[Column]:
    return [(name, name.replace("_", " "), "") for name in evaluation.figures]


def _shown(records: Sequence[Record], evaluations: Sequence[Evaluation]) -> list[Record]:
    """Return the records with every figure and its interval in one cell."""
    cells: list[Record] = []
    for record, evaluation in zip(records, evaluations, strict=True):
        figures: Record = {
            name: f"{one.value:.2%} ({one.low:.2%} to {one.high:.2%})" for name, one in evaluation.figures.items()
        }
        cells.append(record | figures)
    return cells


def _csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _table(records: Sequence[Record], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False)
    for _, heading, show in columns:
        table.add_column(heading, justify="right" if show else "left")
    for record in records:
        table.add_row(*(cell_text(record.get(key, ""), show) for key, _, show in columns))
    return table
