"""The page of a comparison: two designs side by side, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zapsim.columns import Column as ShownColumn
from zapsim.metrics import METRICS, Metric
from zapsim.report.page.contents import Cell, Column, Figure, Page, Section, Table
from zapsim.report.page.plots import bars

_COMPARED = (
    ShownColumn(METRICS["latency"], "ms", 1e6),
    ShownColumn(METRICS["energy"], "mJ", 1e9),
    ShownColumn(METRICS["dram_words"], "k", 1e3, ",.0f"),
    ShownColumn(METRICS["bound"]),
)


def comparison_page(
    records: Sequence[Mapping[str, Any]],
    names: tuple[str, str],
    descriptions: tuple[str, str],
    conclusion: str,
    configurations: Sequence[Table] = (),
    warnings: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
) -> Page:
    """Show time, energy and DRAM words of two designs.

    Parameters
    ----------
    records
        Every layer and the total by column (``latency_ms_a``), as :class:`zapsim.exploration.compare.SideBySide` lists
        them.
    names, descriptions
        What A and B are called, and what they are.
    conclusion
        One sentence.
    configurations
        What is known of their architectures.
    warnings
        In what they differ that spoils the comparison.
    provenance
        Names and values by which they can be traced back.
    """
    layers = [record for record in records if record["layer"] != "total"]
    layer_names = [record["layer"] for record in layers]
    numbers = [one for one in _COMPARED if one.metric.kind is not str]
    plots = []
    for column in numbers[:2]:
        key, unit = column.metric.column, column.unit
        series = {
            f"{side.upper()}: {name}": [float(record[f"{key}_{side}"]) for record in layers]
            for side, name in zip("ab", names, strict=True)
        }
        caption = f"{column.metric.heading.capitalize()} of each layer."
        plots.append(bars(f"compare-{column.metric.name}", caption, layer_names, series, unit, column.heading))
    sections = [
        Section("plots", "Time and energy by layer", blocks=plots),
        Section("layers", "Layers", "", [_table(records)]),
    ]
    if configurations:
        sections.append(Section("configuration", "Configuration", "", configurations, is_folded=True))
    return Page(
        kind="zapsim compare",
        title=" and ".join(names),
        conclusion=conclusion,
        figures=[_figure(records[-1], column.metric) for column in numbers],
        sections=sections,
        provenance=dict(zip("AB", (text[3:] for text in descriptions), strict=True)) | dict(provenance or {}),
        warnings=warnings,
    )


def _figure(total: Mapping[str, Any], metric: Metric) -> Figure:
    a, b = total[f"{metric.column}_a"], total[f"{metric.column}_b"]
    return Figure(f"{b / a:.3g} ×" if a else "–", f"{metric.heading}, B over A")


def _table(records: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("layer", is_number=False)]
    for one in _COMPARED:
        is_number = one.metric.kind is not str
        columns += [Column(f"{one.heading}: {side}", is_number) for side in "AB"]
        columns += [Column(f"{one.metric.heading}: B / A")] if is_number else []
    rows = [[Cell(record["layer"], record["layer"]), *_cells(record)] for record in records]
    return Table("layers", "Every layer on A and on B, and B as a multiple of A", columns, rows[:-1], rows[-1])


def _cells(record: Mapping[str, Any]) -> list[Cell]:
    cells = []
    for one in _COMPARED:
        a, b = (record[f"{one.metric.column}_{side}"] for side in "ab")
        if one.metric.kind is str:
            cells += [Cell("") if record["layer"] == "total" else Cell(str(side), str(side)) for side in (a, b)]
            continue
        form, scale = one.format or one.metric.format, one.scale / one.metric.scale
        cells += [Cell(format(side / scale, form), side) for side in (a, b)]
        cells.append(Cell(f"{b / a:.3g}", b / a) if a else Cell("–"))
    return cells
