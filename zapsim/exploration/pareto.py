"""Pareto fronts: which designs no other dominates, and the front of the results in a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ConfigError, ZapsimError, did_you_mean, shown
from zapsim.exploration.expression import parse
from zapsim.exploration.manifest import read_manifest
from zapsim.exploration.space import CHOICES
from zapsim.exploration.store import DESIGNS, read_table
from zapsim.metrics import BY_COLUMN, METRICS

Row: TypeAlias = Mapping[str, Any]
"""A design by column."""


class _TableRow(Mapping[str, Any]):
    """A row of a table, whose values become Python objects when they are asked for: most of many rows never are."""

    __slots__ = ("_columns", "_index")

    def __init__(self, columns: Mapping[str, Any], index: int) -> None:
        self._columns, self._index = columns, index

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._index].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


@dataclass(frozen=True, slots=True)
class Goal:
    """A column that is to be minimised or, with `maximise`, maximised."""

    column: str
    maximise: bool = False

    def cost(self, row: Row) -> float | None:
        """Return what is to be minimised; None if the design has no such value."""
        value = row[self.column]
        return None if value is None or isnan(value) else -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class Front:
    """The results of an exploration and its Pareto front.

    Attributes
    ----------
    name
        Name of the space.
    goals
        The columns that the front optimises.
    choices
        Columns of choices that differ between designs: architecture, operating point, parameters.
    rows
        All designs that are ``ok`` and meet the conditions, by number.
    best
        Those on the front, best in the first goal first.
    statuses
        Number of designs by status.
    notes
        On what the quality of the operating points was measured.
    """

    name: str
    goals: tuple[Goal, ...]
    choices: tuple[str, ...]
    rows: tuple[Row, ...]
    best: tuple[Row, ...]
    statuses: Mapping[str, int]
    notes: tuple[str, ...]


def pareto_front(costs: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[int]:
    """Return the indices of the designs that no other dominates, in their order; equal ones are all on the front.

    A design dominates another if it is at least as good in everything and better in something.

    Parameters
    ----------
    costs
        Value of each objective, to be minimised, per design.
    """
    if not len(costs):
        return []
    values = np.asarray(costs, dtype=np.float64)
    distinct, place = np.unique(values, axis=0, return_inverse=True)
    on_front = _front_of_sorted(distinct)
    return [int(index) for index in np.flatnonzero(on_front[place.reshape(-1)])]


def _front_of_sorted(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows no other dominates; rows are distinct and sorted, so that none dominates an earlier one."""
    on_front = np.zeros(len(values), dtype=np.bool_)
    members = np.empty((0, values.shape[1]))
    for index, row in enumerate(values):
        if not (members <= row).all(axis=1).any():
            on_front[index] = True
            members = np.vstack([members, row])
    return on_front


def load_front(
    folder: Path, minimise: Sequence[str] = (), maximise: Sequence[str] = (), where: Sequence[str] = ()
) -> Front:
    """Read the results in a folder, and find their front.

    Parameters
    ----------
    folder
        The folder that `zapsim explore` wrote.
    minimise, maximise
        Columns or metrics that the front optimises; both empty: the objectives of the space.
    where
        Conditions on columns or metrics that designs must meet, besides the constraints of the space.

    Raises
    ------
    ZapsimError
        If the folder has no results, or the results have no column of a name.
    """
    manifest = read_manifest(folder)
    table = read_table(folder, DESIGNS)
    if table is None:
        raise ZapsimError(f"{folder}: no design is evaluated yet")
    names = table.column_names
    goals = [Goal(_column(one, names), False) for one in minimise] + [
        Goal(_column(one, names), True) for one in maximise
    ]
    if not goals:
        goals = [Goal(_objective_column(one["text"], names), one["maximise"]) for one in manifest["objectives"]]
    for column in (*(goal.column for goal in goals), *manifest["parameters"], *CHOICES):
        if column not in names:
            raise ZapsimError(f"{folder}: the results have no column {shown(column)}, which its manifest names")
    for goal in goals:
        if str(table.schema.field(goal.column).type) not in {"int64", "double"}:
            numbers = [field.name for field in table.schema if str(field.type) in {"int64", "double"}]
            raise ConfigError(f"'{goal.column}': is text, expected one of the columns of numbers: {', '.join(numbers)}")
    columns = {name: table[name].combine_chunks() for name in names}
    rows = [_TableRow(columns, index) for index in range(table.num_rows)]
    eligible = [row for row in _meeting(rows, where, names) if all(goal.cost(row) is not None for goal in goals)]
    costs = [[goal.cost(row) or 0.0 for goal in goals] for row in eligible]
    best = sorted(
        (dict(eligible[index]) for index in pareto_front(costs)), key=lambda row: [goal.cost(row) for goal in goals]
    )
    varying = [name for name in (*CHOICES, *manifest["parameters"]) if len(columns[name].unique()) > 1]
    return Front(
        name=manifest["name"],
        goals=tuple(goals),
        choices=tuple(varying),
        rows=tuple(eligible),
        best=tuple(best),
        statuses=Counter(columns["status"].to_pylist()),
        notes=tuple(_notes(manifest["quality_notes"])),
    )


def _notes(quality: Mapping[str, str]) -> Iterator[str]:
    """Yield each note with the operating points to which it belongs."""
    points_by_note: dict[str, list[str]] = {}
    for point, note in quality.items():
        points_by_note.setdefault(note, []).append(point)
    for note, points in points_by_note.items():
        if note:
            points_text = points[0] if len(points) == 1 else f"{len(points)} operating points"
            yield f"{points_text} measured on: {note.removeprefix('on ')}"


def _meeting(rows: Iterable[Row], where: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Return the rows that are ``ok`` and meet the conditions."""
    meeting = [row for row in rows if row["status"] == "ok"]
    for text in where:
        expression = parse(text)
        if not expression.is_condition:
            raise ConfigError(f"--where: expected a condition such as 'accuracy_drop <= 1.0', got '{expression.text}'")
        for name in expression.names:
            _column(name, names)
        for name in expression.bare:
            if name in METRICS and METRICS[name].scale != 1:
                raise ConfigError(
                    f"--where: '{text}': a number for {name} needs a unit, or compare {METRICS[name].column}"
                )
        meeting = [row for row in meeting if expression.value(_with_metrics(row)) is True]
    return meeting


def _with_metrics(row: Row) -> dict[str, Any]:
    """Add the metrics of a row by name, in base units."""
    scaled = {
        BY_COLUMN[column].name: value if BY_COLUMN[column].scale == 1 else value * BY_COLUMN[column].scale
        for column, value in row.items()
        if column in BY_COLUMN and value is not None
    }
    return {**scaled, **row}


def _column(name: str, columns: Sequence[str]) -> str:
    """Return the column of a metric or column name."""
    if name in METRICS and METRICS[name].column in columns:
        return METRICS[name].column
    if name in columns:
        return name
    raise ConfigError(
        f"'{name}': no such column in the results{did_you_mean(name, columns)}; known: {', '.join(columns)}"
    )


def _objective_column(text: str, columns: Sequence[str]) -> str:
    """Return the column of an objective: that of its metric, with its unit, if it is nothing but a metric."""
    return _column(text, columns) if text in METRICS or text in BY_COLUMN else f"objective.{text}"
