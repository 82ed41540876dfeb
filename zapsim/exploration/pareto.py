"""The front of an exploration's results, read from its folder: by its own objectives, or by others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from zapsim.errors import ConfigError, ZapsimError, did_you_mean
from zapsim.exploration.expression import parse
from zapsim.exploration.front import front
from zapsim.exploration.manifest import read_manifest
from zapsim.exploration.metrics import BY_COLUMN, METRICS
from zapsim.exploration.space import SPECIAL
from zapsim.exploration.store import POINTS, read_table

Row: TypeAlias = Mapping[str, Any]
"""A design by column."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: little, or with `maximise` much, in a column."""

    column: str
    maximise: bool = False

    def cost(self, row: Row) -> float | None:
        """Return what is to be small; None if the design has no such value."""
        value = row[self.column]
        return None if value is None else -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class Front:
    """The results of an exploration, and the best of them.

    Attributes
    ----------
    name
        Of the space.
    goals
        What the front is about.
    choices
        Columns of what was chosen and differs between designs: architecture, operating point, parameters.
    rows
        All evaluated designs that count, by number.
    best
        Those on the front, best in the first goal first.
    statuses
        How many designs ended how.
    notes
        On what the operating points' quality was measured.
    """

    name: str
    goals: tuple[Goal, ...]
    choices: tuple[str, ...]
    rows: tuple[Row, ...]
    best: tuple[Row, ...]
    statuses: Mapping[str, int]
    notes: tuple[str, ...]


def load_front(
    folder: Path, minimise: Sequence[str] = (), maximise: Sequence[str] = (), where: Sequence[str] = ()
) -> Front:
    """Return the front of the results in a folder.

    Parameters
    ----------
    folder
        What `zapsim explore` wrote.
    minimise, maximise
        Columns or metrics that the front is about; both empty: the space's objectives.
    where
        Conditions on columns or metrics that designs must meet beside the space's constraints.

    Raises
    ------
    ZapsimError
        For a folder without results, or names that these do not have.
    """
    manifest = read_manifest(folder)
    table = read_table(folder, POINTS)
    if table is None:
        raise ZapsimError(f"{folder}: nothing is evaluated yet")
    names = table.column_names
    goals = [Goal(_column(one, names), False) for one in minimise] + [
        Goal(_column(one, names), True) for one in maximise
    ]
    if not goals:
        goals = [Goal(_objective_column(one["text"], names), one["maximise"]) for one in manifest["objectives"]]
    rows = table.to_pylist()
    counting = [one for one in _meeting(rows, where, names) if all(goal.cost(one) is not None for goal in goals)]
    costs = [[goal.cost(one) or 0.0 for goal in goals] for one in counting]
    best = sorted((counting[index] for index in front(costs)), key=lambda one: [goal.cost(one) for goal in goals])
    varying = [name for name in (*SPECIAL, *manifest["parameters"]) if len({one[name] for one in rows}) > 1]
    return Front(
        name=manifest["name"],
        goals=tuple(goals),
        choices=tuple(varying),
        rows=tuple(counting),
        best=tuple(best),
        statuses=Counter(one["status"] for one in rows),
        notes=tuple(_notes(manifest["quality_notes"])),
    )


def _notes(quality: Mapping[str, str]) -> Iterator[str]:
    """Yield each note with the operating points that it is about."""
    points: dict[str, list[str]] = {}
    for point, note in quality.items():
        points.setdefault(note, []).append(point)
    for note, of in points.items():
        if note:
            yield f"{of[0] if len(of) == 1 else f'{len(of)} operating points'}: {note}"


def _meeting(rows: Iterable[Row], where: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Return the rows that count: evaluated, within the space's constraints, and meeting the conditions."""
    found = [row for row in rows if row["status"] == "ok"]
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
        found = [row for row in found if expression.value(_with_metrics(row)) is True]
    return found


def _with_metrics(row: Row) -> dict[str, Any]:
    """Return a row with its metrics also by name, in base units."""
    scaled = {
        BY_COLUMN[column].name: value * BY_COLUMN[column].scale
        for column, value in row.items()
        if column in BY_COLUMN and value is not None
    }
    return {**scaled, **row}


def _column(name: str, columns: Sequence[str]) -> str:
    """Return the column that a name means."""
    if name in METRICS and METRICS[name].column in columns:
        return METRICS[name].column
    if name in columns:
        return name
    raise ConfigError(
        f"'{name}': no such column in the results{did_you_mean(name, columns)}; there are: {', '.join(columns)}"
    )


def _objective_column(text: str, columns: Sequence[str]) -> str:
    """Return where an objective's value stands: with its metric's unit, if it is nothing but a metric."""
    return _column(text, columns) if text in METRICS or text in BY_COLUMN else f"objective.{text}"
