"""Running an exploration: designs from the strategy to the workers, results to the store, until there is no more."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zapsim.exploration.backends import Backend, Done, Task
from zapsim.exploration.evaluate import Failure, Point
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Costs, Strategy

_CHUNK_SECONDS = 0.4
"""Time that a task should take: long enough to hide its way to a worker and back, short enough to lose little."""

_MOST_AT_ONCE = 64


class Sink(Protocol):
    """Where finished designs go.

    Attributes
    ----------
    done
        Costs of the designs that are there.
    """

    done: dict[int, Costs]

    def add(self, points: Sequence[Point]) -> None:
        """Keep finished designs."""


class Watcher(Protocol):
    """Is told how an exploration gets on."""

    def start(self, known: int, most: int | None) -> None:
        """Take note that so many designs are known already, of so many at most (None: nobody knows)."""

    def advance(self, points: Sequence[Point]) -> None:
        """Take note of finished designs."""


@dataclass(slots=True)
class Summary:
    """What became of an exploration.

    Attributes
    ----------
    statuses
        How many designs of this run ended how.
    reasons
        Why designs are invalid, infeasible or failed, by how often.
    known
        Designs that were on disk before.
    excluded
        Designs passed over, by the constraint that rules them out.
    stopped
        Why it ended before the strategy did: "" if it did not.
    seconds
        How long this run took.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    known: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0

    @property
    def evaluated(self) -> int:
        """Designs that this run evaluated."""
        return sum(self.statuses.values())


class Driver:
    """One run of an exploration."""

    def __init__(
        self, space: Space, strategy: Strategy, backend: Backend, sink: Sink, watcher: Watcher, most: int | None
    ) -> None:
        self._strategy, self._backend, self._sink = strategy, backend, sink
        self._budget, self._watcher, self._lattice = space.budget, watcher, space.lattice
        self._summary = Summary(known=len(sink.done))
        self._started = time.monotonic()
        self._left = space.budget.points
        self._again: deque[Task] = deque()
        self._in_flight = 0
        self._pace = 0.0  # seconds a design, of one worker
        watcher.start(len(sink.done), most)

    def run(self) -> Summary:
        """Evaluate until the strategy has no more, or the budget is spent."""
        while not self._is_over():
            proposed = self._strategy.propose()
            if not proposed:
                break
            if self._left is not None and len(proposed) >= self._left:
                proposed = proposed[: self._left]
                self._summary.stopped = f"{self._budget.points} points"
            if self._left is not None:
                self._left -= len(proposed)
            self._evaluate([number for number in proposed if number not in self._sink.done])
            if self._strategy.adaptive:
                self._drain()
                self._strategy.tell({one: self._sink.done[one] for one in proposed if one in self._sink.done})
            if self._left == 0:
                break
        self._drain()
        self._summary.excluded = dict(self._strategy.excluded)
        self._summary.seconds = time.monotonic() - self._started
        return self._summary

    def _is_over(self) -> bool:
        minutes = self._budget.minutes
        if minutes is not None and time.monotonic() - self._started > 60 * minutes:
            self._summary.stopped = f"{minutes:g} minutes"
            return True
        return False

    def _evaluate(self, numbers: Sequence[int]) -> None:
        """Hand designs out in chunks as workers get free; with a strategy that waits, no worker gets too many."""
        start = 0
        while start < len(numbers) and not self._is_over():
            while not self._backend.has_room():
                self._collect()
            size = self._whole(numbers[start:], self._chunk(len(numbers) - start))
            self._submit(Task(tuple(numbers[start : start + size])))
            start += size

    def _chunk(self, left: int) -> int:
        by_time = round(_CHUNK_SECONDS / self._pace) if self._pace else 4
        fair = -(-left // (2 * self._backend.workers)) if self._strategy.adaptive else left
        return max(1, min(by_time, fair, _MOST_AT_ONCE))

    def _whole(self, numbers: Sequence[int], size: int) -> int:
        """Return about `size`, so that designs which share most of their evaluation come together if they are few."""
        keys = [self._lattice.shared(self._lattice.design(number)) for number in numbers[: 2 * size + 1]]
        ends = [end for end in range(size // 2 + 1, len(keys)) if keys[end] != keys[end - 1]]
        return min(ends, key=lambda end: abs(end - size), default=size)

    def _submit(self, task: Task) -> None:
        self._backend.submit(task)
        self._in_flight += 1

    def _drain(self) -> None:
        while self._in_flight or self._again:
            while self._again and self._backend.has_room():
                self._submit(self._again.popleft())
            self._collect()

    def _collect(self) -> None:
        for done in self._backend.collect():
            self._in_flight -= 1
            self._finish(done)

    def _finish(self, done: Done) -> None:
        """Keep what was found; try again what failed once, each design alone; give up on what failed twice."""
        points: list[Point] = []
        found = (
            [Failure(one, "the worker process died") for one in done.task.numbers] if done.found is None else done.found
        )
        for one in found:
            if isinstance(one, Point):
                points.append(one)
            elif done.task.attempt == 0:
                self._again.append(Task((one.number,), attempt=1))
            else:
                points.append(Point(one.number, "error", one.error, {}))
        self._sink.add(points)
        self._watcher.advance(points)
        self._count(points)

    def _count(self, points: Iterable[Point]) -> None:
        for point in points:
            self._summary.statuses[point.status] += 1
            if point.reason:
                self._summary.reasons[f"{point.status}: {point.reason}"] += 1
            seconds = point.values.get("seconds")
            if isinstance(seconds, float):
                self._pace = seconds if not self._pace else 0.9 * self._pace + 0.1 * seconds
