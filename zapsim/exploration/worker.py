"""The work of a worker process: it makes its evaluator once, then evaluates chunks of designs."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from threadpoolctl import threadpool_limits

from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.evaluated import Evaluation
from zapsim.exploration.space import Space


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """The space of an exploration; `name` tells it from others that the same process works on."""

    space: Space
    with_layers: bool
    name: str = field(default_factory=lambda: uuid4().hex)


class _Local(threading.local):
    """The evaluator of a thread, and the name of the job that it was made for."""

    job: str = ""
    evaluator: Evaluator | None = None


_local = _Local()

_jobs: dict[str, Job] = {}
"""Jobs that were handed to this process, by name."""

_takers: Counter[str] = Counter()
"""How often each job was handed to this process: workers may be threads of it."""


def prepare(job: Job) -> None:
    """Make the evaluator of `job`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides when this one ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _one_thread()
    gc.freeze()
    collect_rarely()
    _evaluator(job)


def collect_rarely() -> tuple[int, int, int]:
    """Look for reference cycles seldom: designs leave hardly any, and what they share makes every look long.

    Return how often it was before (:func:`gc.get_threshold`).
    """
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    return before


def _one_thread() -> None:
    """Let linear algebra use one thread of this process, as kernels do: the processes share out the cores."""
    threadpool_limits(1, user_api="blas")


def _end_with_parent() -> None:
    """End this process when its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def ready() -> bool:
    """Confirm that this process has started."""
    return True


def evaluate_prepared(numbers: Sequence[int]) -> list[Evaluation]:
    """Evaluate designs with the evaluator that :func:`prepare` made."""
    assert _local.evaluator is not None
    return _local.evaluator(numbers)


def take_job(job: Job) -> None:
    """Remember a job that others work on in this process, too, so that its tasks need only name it."""
    _jobs[job.name] = job
    _takers[job.name] += 1


def drop_job(name: str) -> None:
    """Forget a job that has ended, once all who took it say so."""
    _takers[name] -= 1
    if not _takers[name]:
        del _takers[name], _jobs[name]


@dataclass(frozen=True, slots=True)
class Results:
    """Results of a task as one object: of a list, Dask sends every item by itself, in five times the time."""

    evaluations: list[Evaluation]


def evaluate_job(name: str, numbers: Sequence[int]) -> Results:
    """Evaluate designs of a job that this process has taken, possibly in several threads."""
    _one_thread()
    return Results(_evaluator(_jobs[name])(numbers))


def _evaluator(job: Job) -> Evaluator:
    if _local.evaluator is None or _local.job != job.name:
        _local.job, _local.evaluator = job.name, Evaluator(job.space, job.with_layers)
    return _local.evaluator
