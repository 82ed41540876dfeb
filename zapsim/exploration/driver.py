"""Running an exploration: designs from the strategy to the workers, results to the store, until there is no more."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from threadpoolctl import threadpool_limits

from zapsim.errors import ConfigError, ZapsimError
from zapsim.exploration.backends import Backend, Finished, Processes, Serial, Task, cores
from zapsim.exploration.evaluated import EvaluatedDesign, FailedDesign
from zapsim.exploration.lock import one_writer
from zapsim.exploration.manifest import check_free, open_folder
from zapsim.exploration.space import Space
from zapsim.exploration.store import MemoryStore, Store
from zapsim.exploration.strategies import Strategy, check_size, grid, random, sobol

_CHUNK_SECONDS = 0.6
"""Time that a task should take: long enough to hide its way to a worker and back, short enough to lose little."""

_MOST_PER_TASK = 256

_FEW_WORKERS = 32
"""With more, tasks grow in proportion: some 8 ms of this process for each would otherwise take most of its time."""

MOST_WORKERS = 256
"""Processes that one exploration starts on a machine, or asks of a Dask cluster."""

_DESIGNS_PER_WORKER = 100
"""Designs that justify another process, if nobody says how many to start."""


class Watcher(Protocol):
    """Is told about the progress of an exploration."""

    def start(self, known: int, most: int | None) -> None:
        """Note how many designs are known already, and how many there are at most (None: unknown)."""

    def advance(self, designs: Sequence[EvaluatedDesign]) -> None:
        """Note finished designs."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How an exploration runs; none of it changes a result.

    Attributes
    ----------
    workers
        Processes (None: one per core, but no more than the work needs).
    scheduler
        Address of a Dask scheduler, or ``local`` for a Dask cluster of `workers` on this machine; None: no Dask.
    layers
        Whether the metrics of every layer are kept, too.
    yes
        Whether a very large grid is meant.
    """

    workers: int | None = None
    scheduler: str | None = None
    layers: bool = False
    yes: bool = False


@dataclass(slots=True)
class Summary:
    """Outcome of an exploration.

    Attributes
    ----------
    statuses
        Number of designs of this run by status.
    reasons
        How often each reason made a design invalid, infeasible or fail.
    known
        Number of designs with earlier results.
    excluded
        Number of designs passed over, by the constraint that excludes them.
    stopped
        The budget that ended it before the strategy did; "" if none did.
    seconds
        Duration of this run.
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
        self,
        space: Space,
        strategy: Strategy,
        backend: Backend,
        store: Store | MemoryStore,
        watcher: Watcher,
        most: int | None,
    ) -> None:
        self._strategy, self._backend, self._store = strategy, backend, store
        self._budget, self._watcher, self._lattice = space.budget, watcher, space.lattice
        self._summary = Summary(known=len(store.done))
        self._started = time.monotonic()
        self._left = space.budget.points
        self._retries: deque[Task] = deque()
        self._in_flight = 0
        self._pace = 0.0  # seconds per design of one worker
        watcher.start(len(store.done), most)

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
            self._evaluate(self._by_locality([number for number in proposed if number not in self._store.done]))
            if self._strategy.adaptive:
                self._drain()
                done = self._store.done
                self._strategy.tell({number: done[number] for number in proposed if number in done})
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

    def _by_locality(self, numbers: list[int]) -> list[int]:
        """Order proposed designs such that neighbours share as much work as possible, as in a grid.

        Not if minutes are limited: what they leave out of a sample must not be all of one kind.
        """
        if self._budget.minutes is not None:
            return numbers
        return sorted(numbers, key=lambda number: self._lattice.locality(self._lattice.design(number)))

    def _evaluate(self, numbers: Sequence[int]) -> None:
        """Submit designs in chunks as workers become free; an adaptive strategy's are shared evenly among workers."""
        start = 0
        while start < len(numbers) and not self._is_over():
            while not self._backend.has_room():
                self._collect()
            size = self._whole_groups(numbers[start:], self._chunk_size(len(numbers) - start))
            self._submit(Task(tuple(numbers[start : start + size])))
            start += size

    def _chunk_size(self, left: int) -> int:
        longer = max(1.0, self._backend.workers / _FEW_WORKERS)
        by_time = round(longer * _CHUNK_SECONDS / self._pace) if self._pace else 4
        fair = -(-left // (2 * self._backend.workers)) if self._strategy.adaptive else left
        return max(1, min(by_time, fair, round(longer * _MOST_PER_TASK)))

    def _whole_groups(self, numbers: Sequence[int], size: int) -> int:
        """Return about `size`, such that designs which share most of their evaluation end up in one chunk."""
        keys = [self._lattice.shared(self._lattice.design(number)) for number in numbers[: 2 * size + 1]]
        ends = [end for end in range(size // 2 + 1, len(keys)) if keys[end] != keys[end - 1]]
        return min(ends, key=lambda end: abs(end - size), default=size)

    def _submit(self, task: Task) -> None:
        self._backend.submit(task)
        self._in_flight += 1

    def _drain(self) -> None:
        while self._in_flight or self._retries:
            while self._retries and self._backend.has_room():
                self._submit(self._retries.popleft())
            self._collect()

    def _collect(self) -> None:
        """Keep what has ended, all in one file: the busier this process is, the more designs share a file's cost."""
        designs: list[EvaluatedDesign] = []
        for finished in self._backend.collect():
            self._in_flight -= 1
            designs += self._final(finished)
        self._store.add(designs)
        self._watcher.advance(designs)
        self._count(designs)

    def _final(self, finished: Finished) -> Iterable[EvaluatedDesign]:
        """Return final results; try failed designs once more, each alone; those that failed twice are errors."""
        task = finished.task
        for result in finished.results or [FailedDesign(number, "the worker process died") for number in task.numbers]:
            if isinstance(result, EvaluatedDesign):
                yield result
            elif task.attempt == 0:
                self._retries.append(Task((result.number,), attempt=1))
            else:
                yield EvaluatedDesign(result.number, "error", result.error, {})

    def _count(self, designs: Iterable[EvaluatedDesign]) -> None:
        for design in designs:
            self._summary.statuses[design.status] += 1
            if design.reason:
                self._summary.reasons[f"{design.status}: {design.reason}"] += 1
            seconds = design.values.get("seconds")
            if isinstance(seconds, float):
                self._pace = seconds if not self._pace else 0.9 * self._pace + 0.1 * seconds


def run_space(space: Space, folder: Path | None, options: RunOptions, watcher: Watcher) -> tuple[Summary, pa.Table]:
    """Explore `space`, and return a summary and the table of all its designs in the order of their numbers.

    Parameters
    ----------
    space
        The space to explore.
    folder
        Folder of the results, those of an earlier run included; None: they are only returned.
    options, watcher
        How it runs, and who is told about its progress.

    Raises
    ------
    ZapsimError
        Before any work, for a folder of something else or that another process writes to, too large a grid, or workers
        that cannot start.
    """
    if options.workers is not None and not 1 <= options.workers <= MOST_WORKERS:
        raise ConfigError(f"workers must be 1 to {MOST_WORKERS}, got {options.workers}")
    check_size(space, options.yes)
    if folder is None:
        return _run(space, None, options, watcher)
    check_free(folder)
    with one_writer(folder):
        open_folder(folder, space)
        return _run(space, folder, options, watcher)


def _run(space: Space, folder: Path | None, options: RunOptions, watcher: Watcher) -> tuple[Summary, pa.Table]:
    store = MemoryStore(space) if folder is None else Store(folder, space)
    most = min(space.lattice.size, space.budget.points or space.lattice.size)
    # The matrices of a search are small: several threads of linear algebra would mostly wait for one another.
    with threadpool_limits(1, user_api="blas"), make_backend(space, options, most - len(store.done)) as backend:
        summary = Driver(space, make_strategy(space), backend, store, watcher, most).run()
    if not store.done:
        raise ZapsimError(f"{space.file}: the constraints exclude every design")
    return summary, store.table()


def make_backend(space: Space, options: RunOptions, designs: int) -> Backend:
    """Start the workers for so many designs, unless `options` say how many workers there are."""
    if options.scheduler is not None:
        from zapsim.exploration.cluster import Cluster  # Dask takes a second to load

        return Cluster(space, options.layers, options.scheduler, options.workers)
    workers = options.workers or max(1, min(cores(), designs // _DESIGNS_PER_WORKER))
    return Serial(space, options.layers) if workers == 1 else Processes(space, options.layers, workers)


def make_strategy(space: Space) -> Strategy:
    """Make the strategy that the space asks for."""
    if space.strategy.name == "search":
        from zapsim.exploration.search import Search  # Optuna takes half a second to load

        return Search(space)
    return {"grid": grid, "random": random, "sobol": sobol}[space.strategy.name](space)
