"""The page of an exploration: its designs with filters, the front, and the command line of each design."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from zapsim.metrics import BY_COLUMN
from zapsim.report.page.contents import Cell, Column, Figure, Page, Section, Table
from zapsim.report.page.plots import base_layout, rounded
from zapsim.report.pareto import cell, front_conclusion, label, unit, with_unit

MOST_DESIGNS: Final = 4000
"""Designs that a page holds at most: those of the front first, then an even sample of the others."""

_MOST_ROWS: Final = 300
"""Rows of the table of the front."""

_METRICS: Final = (
    "latency", "energy", "cycles", "edp", "power", "area", "accuracy", "accuracy_drop", "agreement", "output_error",
    "cycle_saving", "energy_saving", "mac_saving", "speedup", "skippable_share", "structural_loss", "utilisation",
    "stalled_share", "imbalance_ratio", "predictor_share", "dram_words", "mac_units",
)  # fmt: skip
"""Metrics of a design that a page shows if they were recorded."""


class Choice(Protocol):
    """What can be chosen in one column: the options as people read them, and what each adds to the command line."""

    @property
    def column(self) -> str:
        """Name of the column."""

    @property
    def labels(self) -> Sequence[str]:
        """The options as people read them."""

    @property
    def arguments(self) -> Sequence[str]:
        """What each option adds to the command line."""


@dataclass(frozen=True, slots=True)
class Designs:
    """What an exploration has found.

    Attributes
    ----------
    name
        The space's name.
    rows, best
        All designs that meet the constraints, and those on the front, by column; each has an ``id``.
    chosen
        For each row, the index of the option in each of `choices`; None where a choice does not apply.
    goals
        Columns that the front optimises, and whether more is better.
    choices
        What can be chosen; two of them are ``arch`` and ``policy``.
    command
        The command line that all designs have in common, to which each option adds its argument.
    folder
        The folder that files in commands are relative to, as readers know it.
    statuses
        Number of designs by status.
    notes
        What must be known of the results.
    provenance
        Names and values by which they can be traced back.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    best: Sequence[Mapping[str, Any]]
    chosen: Sequence[Sequence[int | None]]
    goals: Sequence[tuple[str, bool]]
    choices: Sequence[Choice]
    command: str
    folder: str
    statuses: Mapping[str, int]
    notes: Sequence[str]
    provenance: Mapping[str, str]


def designs_page(kind: str, designs: Designs, conclusion: str = "") -> Page:
    """Show an exploration: any two figures of its designs, filters, and each design with its command line.

    Parameters
    ----------
    kind
        The command.
    designs
        What it has found.
    conclusion
        One sentence; empty: how many designs are on the front, and the best in each goal.
    """
    places = _kept(designs)
    place_of = {str(designs.rows[row]["id"]): place for place, row in enumerate(places)}
    best = [row for row in designs.best if str(row["id"]) in place_of]
    lead = f"Files in command lines are relative to {designs.folder}. " if designs.folder else ""
    if len(places) < len(designs.rows):
        lead += f"The page holds {len(places):,} of {len(designs.rows):,} designs: the front, and an even sample."
    front = Section("front", "The front", "", [_front_table(designs, best[:_MOST_ROWS], place_of)])
    counts = [Figure(f"{count:,}", status) for status, count in sorted(designs.statuses.items())]
    return Page(
        kind=kind,
        title=designs.name,
        conclusion=conclusion or front_conclusion(designs.rows, designs.best, designs.goals),
        figures=[Figure(f"{len(designs.best):,}", "on the front"), *counts, *_best_figures(designs)],
        sections=[Section("designs", "Designs", lead, has_designs=True), front],
        provenance=designs.provenance,
        notes=[f"Quality of {note}." for note in designs.notes],
        designs=_data(designs, places, [place_of[str(row["id"])] for row in best]),
    )


def _best_figures(designs: Designs) -> list[Figure]:
    figures = []
    for column, is_maximised in designs.goals:
        values = [row[column] for row in designs.best]
        most = "largest" if is_maximised else "smallest"
        figures.append(Figure(with_unit(column, (max if is_maximised else min)(values)), f"{most} {label(column)}"))
    return figures


def _kept(designs: Designs) -> list[int]:
    """Return the rows that the page holds, in their order."""
    on_front = {str(row["id"]) for row in designs.best}
    best = [index for index, row in enumerate(designs.rows) if str(row["id"]) in on_front]
    others = [index for index, row in enumerate(designs.rows) if str(row["id"]) not in on_front]
    room = max(MOST_DESIGNS - len(best), 0)
    return sorted([*_evenly(best, MOST_DESIGNS), *_evenly(others, room)])


def _evenly(indices: Sequence[int], most: int) -> Sequence[int]:
    if len(indices) <= most:
        return indices
    return [indices[number * len(indices) // most] for number in range(most)]


def _front_table(designs: Designs, best: Sequence[Mapping[str, Any]], place_of: Mapping[str, int]) -> Table:
    differing = [one for one in designs.choices if len(one.labels) > 1]
    index_of = {str(row["id"]): index for index, row in enumerate(designs.rows)}
    chosen_of = {one.column: place for place, one in enumerate(designs.choices)}
    columns = [Column("design", is_number=False), *(Column(_heading(column)) for column, _ in designs.goals)]
    columns += [Column(one.column, is_number=False) for one in differing]
    rows = []
    for row in best:
        chosen = designs.chosen[index_of[str(row["id"])]]
        cells = [Cell(str(row["id"])[:8], str(row["id"]))]
        cells += [Cell(cell(row[column]), float(row[column])) for column, _ in designs.goals]
        for one in differing:
            option = chosen[chosen_of[one.column]]
            cells.append(Cell("–") if option is None else Cell(one.labels[option], one.labels[option]))
        rows.append(cells)
    left_out = len(designs.best) - len(rows)
    caption = "Designs that no other beats in one goal without losing in another"
    caption += f"; {left_out:,} more are in the plot only" if left_out else ""
    return Table("front", caption, columns, rows, opens=[place_of[str(row["id"])] for row in best])


def _heading(column: str) -> str:
    return f"{label(column)}, {unit(column)}" if unit(column) else label(column)


def _data(designs: Designs, places: Sequence[int], front: Sequence[int]) -> dict[str, Any]:
    """Return the designs as the page's script takes them."""
    goals = [column for column, _ in designs.goals]
    metrics = [
        metric.column
        for metric in BY_COLUMN.values()
        if metric.name in _METRICS and metric.column not in goals and _is_known(designs.rows, metric.column)
    ]
    numbers = [*goals, *sorted(metrics, key=lambda column: _METRICS.index(BY_COLUMN[column].name))]
    maximised = dict(designs.goals)
    columns: list[dict[str, Any]] = [
        {"key": column, "label": label(column), "unit": unit(column),
         "kind": "goal" if column in maximised else "metric", "maximise": maximised.get(column, False)}
        for column in numbers
    ]  # fmt: skip
    columns += [
        {"key": one.column, "label": one.column, "unit": "", "kind": "choice", "values": _options(one.labels),
         "arguments": list(one.arguments), "differs": len(one.labels) > 1}
        for one in designs.choices
    ]  # fmt: skip
    return {
        "columns": columns,
        "rows": [[*(_number(designs.rows[row][name]) for name in numbers), *designs.chosen[row]] for row in places],
        "ids": [str(designs.rows[row]["id"])[:8] for row in places],
        "front": list(front),
        "command": designs.command,
        "layout": base_layout("", "", hovermode="closest", height=460),
    }


def _options(labels: Sequence[str]) -> list[str | float]:
    """Return numbers as numbers, if all labels are, so that they can be filtered as a range."""
    try:
        numbers = [float(text) for text in labels]
    except ValueError:
        return list(labels)
    return [int(number) if number.is_integer() else number for number in numbers]


def _is_known(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    return any(isinstance(row.get(column), (int, float)) for row in rows)


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return rounded([value])[0]
