"""Where designs are evaluated: in this process, or in processes beside it (on a cluster: :mod:`.cluster`)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from zapsim.errors import ZapsimError
from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.evaluated import Evaluation
from zapsim.exploration.space import Space
from zapsim.exploration.worker import Job, collect_rarely, evaluate_prepared, prepare, ready

QUICK_START = "zapsim.exploration.quick_start"
"""What a worker process imports first."""


@dataclass(frozen=True, slots=True)
class Task:
    """Designs that are evaluated together, and the number of earlier attempts."""

    numbers: tuple[int, ...]
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that has ended; `results` is None if its worker died."""

    task: Task
    results: Sequence[Evaluation] | None


class Backend(AbstractContextManager["Backend"], Protocol):
    """Evaluates tasks somewhere.

    Attributes
    ----------
    workers
        Number of tasks that are worked on at the same time.
    """

    workers: int

    def has_room(self) -> bool:
        """Tell whether another task would keep a worker busy."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def collect(self) -> Iterable[Finished]:
        """Wait until at least one task has ended, and return all that have; none if there is no task."""


class Serial(AbstractContextManager["Serial"]):
    """Evaluates in this process, one task after another."""

    workers = 1

    def __init__(self, space: Space, with_layers: bool) -> None:
        self._evaluator = Evaluator(space, with_layers)
        self._waiting: deque[Task] = deque()

    def __enter__(self) -> Self:
        self._thresholds = collect_rarely()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        gc.set_threshold(*self._thresholds)

    def has_room(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self._waiting

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._waiting.append(task)

    def collect(self) -> Iterable[Finished]:
        """Evaluate the next task."""
        if not self._waiting:
            return []
        task = self._waiting.popleft()
        return [Finished(task, self._evaluator(task.numbers))]


class Processes(AbstractContextManager["Processes"]):
    """Evaluates in other processes; each is a pool of its own, so that the task of a dead one is known.

    Raises
    ------
    ZapsimError
        If the processes cannot start.
    """

    _QUEUED = 2
    """Tasks per worker: one that it works on, and the next, so that it need not wait."""

    def __init__(self, space: Space, with_layers: bool, workers: int) -> None:
        self.workers = workers
        self._job = Job(space, with_layers)
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([QUICK_START, "zapsim.exploration.worker"])
        self._pools = [self._pool() for _ in range(workers)]
        self._waiting: list[deque[tuple[Task, Future[list[Evaluation]]]]] = [deque() for _ in range(workers)]
        self._lost: list[Finished] = []

    def __enter__(self) -> Self:
        try:
            for started in [pool.submit(ready) for pool in self._pools]:
                started.result()
        except BrokenProcessPool:
            self._shut_down()
            main = getattr(sys.modules["__main__"], "__file__", None)
            raise ZapsimError(
                "worker processes cannot start: they end at once"
                + (f'; {main} must guard what it runs with `if __name__ == "__main__":`' if main else "")
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shut_down()

    def has_room(self) -> bool:
        """Tell whether some worker's queue is not full."""
        return min(len(queue) for queue in self._waiting) < self._QUEUED

    def submit(self, task: Task) -> None:
        """Give a task to the worker with the shortest queue."""
        worker = min(range(self.workers), key=lambda worker: len(self._waiting[worker]))
        try:
            future = self._pools[worker].submit(evaluate_prepared, task.numbers)
        except BrokenProcessPool:
            self._replace(worker)
            future = self._pools[worker].submit(evaluate_prepared, task.numbers)
        self._waiting[worker].append((task, future))

    def collect(self) -> Iterable[Finished]:
        """Wait for workers; those that died are replaced, and their successors take over their queues."""
        futures = [future for queue in self._waiting for _, future in queue]
        if futures and not self._lost:
            wait(futures, return_when=FIRST_COMPLETED)
        ended, self._lost = self._lost, []
        for worker, queue in enumerate(self._waiting):
            while queue and queue[0][1].done():
                task, future = queue[0]
                if isinstance(future.exception(), BrokenProcessPool):
                    self._replace(worker)
                    ended += self._lost
                    self._lost = []
                    break
                queue.popleft()
                ended.append(Finished(task, future.result()))
        return ended

    def _replace(self, worker: int) -> None:
        """Start a successor to a dead worker: its current task is lost, the rest of its queue is submitted again."""
        self._pools[worker].shutdown(wait=False, cancel_futures=True)
        self._pools[worker] = self._pool()
        queue = self._waiting[worker]
        if queue:
            self._lost.append(Finished(queue.popleft()[0], None))
        rest = [task for task, _ in queue]
        queue.clear()
        for task in rest:
            queue.append((task, self._pools[worker].submit(evaluate_prepared, task.numbers)))

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=self._context, initializer=prepare, initargs=(self._job,))

    def _shut_down(self) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
