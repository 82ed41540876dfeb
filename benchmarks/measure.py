"""Processor time of tasks whose results are checked in every round, and digests to check them by."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

EXPECTED = Path(__file__).with_name("expected.json")
"""Digests of what is timed; ``python -m benchmarks --overwrite`` rewrites them after a model has changed."""


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, and what it is to be seen beside."""

    group: str
    name: str
    value: float
    unit: str
    beside: str = ""
    rounds: int = 1

    @property
    def text(self) -> str:
        """The figure in three digits."""
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Task:
    """Something to time: `run` gets what `prepare` made, and `check` what `run` returned; only `run` is timed."""

    name: str
    run: Callable[[Any], Any]
    check: Callable[[Any], None]
    prepare: Callable[[], Any] = lambda: None
    times: int = 1


def measure(tasks: Sequence[Task], rounds: int) -> dict[str, list[float]]:
    """Return the processor time of each task in ms, one figure per round.

    All tasks alternate, so that what else happens on the machine disturbs all alike; a first round warms up and does
    not count. Of a task that is run several `times` in a round, every run gets something prepared, and the mean counts.
    """
    taken: dict[str, list[float]] = {task.name: [] for task in tasks}
    for number in range(rounds + 1):
        for task in tasks:
            prepared = [task.prepare() for _ in range(task.times)]
            start = time.process_time()
            results = [task.run(one) for one in prepared]
            milliseconds = 1000 * (time.process_time() - start) / task.times
            for result in results:
                task.check(result)
            if number:
                taken[task.name].append(milliseconds)
    return taken


def medians(tasks: Sequence[Task], rounds: int) -> dict[str, float]:
    """Return the median processor time of each task in ms."""
    return {name: median(values) for name, values in measure(tasks, rounds).items()}


def digest(values: Iterable[object]) -> str:
    """Return a digest of values that JSON can write."""
    text = json.dumps(list(values), separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Expected:
    """The digests on file: a benchmark whose results have another one fails."""

    def __init__(self, overwrite: bool = False, file: Path = EXPECTED) -> None:
        self._file, self._overwrite = file, overwrite
        self._digests: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def check(self, name: str, values: Iterable[object]) -> None:
        """Compare the digest of `values` with the one on file, or put it there.

        If there is none, later checks of the same name compare with this one: other numbers of workers, say.
        """
        found = digest(values)
        if not self._overwrite and name not in self._digests:
            print(f"{name}: no digest on file, --overwrite puts it there", file=sys.stderr)
            self._digests[name] = found
        if self._overwrite:
            self._digests[name] = found
            text = json.dumps(dict(sorted(self._digests.items())), indent=1, ensure_ascii=False)
            self._file.write_text(text + "\n", encoding="utf-8")
        elif self._digests.get(name) != found:
            raise SystemExit(
                f"{name}: the results have the digest {found}, and {self._file.name} has {self._digests.get(name)}: "
                "if the model was meant to change, run it again with --overwrite"
            )


def equal_to(expected: object) -> Callable[[Any], None]:
    """Make a check that what was timed is what was expected."""

    def check(found: Any) -> None:
        assert found == expected, "another result than the one that was expected"

    return check


@dataclass(frozen=True)
class Line:
    """A straight line through points, and how well it fits."""

    start: float
    slope: float
    fit: float

    @property
    def text(self) -> str:
        """The line in words."""
        return f"{self.start:.3g} ms + {self.slope:.3g} ms each, R² = {self.fit:.4f}"


def straight_line(points: Mapping[int, float]) -> Line:
    """Fit a line by least squares to times of sizes; `fit` is the share of the variance that it explains."""
    mean_size, mean_time = sum(points) / len(points), sum(points.values()) / len(points)
    spread = sum((size - mean_size) ** 2 for size in points)
    slope = sum((size - mean_size) * (taken - mean_time) for size, taken in points.items()) / spread
    start = mean_time - slope * mean_size
    left = sum((taken - start - slope * size) ** 2 for size, taken in points.items())
    whole = sum((taken - mean_time) ** 2 for taken in points.values())
    return Line(start, slope, 1 - left / whole)
