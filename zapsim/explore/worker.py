"""What a worker process does: make its evaluator once, then evaluate chunks of designs."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numba

from zapsim.explore.evaluate import Evaluator, Point, UnusableTraceError

_evaluators: dict[bytes, Evaluator] = {}
"""The evaluator of this process, by the job that it was made for: one at a time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A design whose evaluation failed through no fault of the design: a bug, no memory."""

    number: int
    error: str


Found: TypeAlias = Point | Failure


def prepare(job: bytes) -> None:
    """Make the evaluator of `job` (a pickled space, and whether layers are wanted); one kernel thread a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process decides when it ends
    numba.set_num_threads(1)
    _evaluator(job)


def ready() -> bool:
    """Say that this process has started."""
    return True


def evaluate_prepared(numbers: Sequence[int]) -> list[Found]:
    """Evaluate designs with the evaluator that :func:`prepare` made."""
    return evaluate_chunk(next(iter(_evaluators.values())), numbers)


def evaluate_job(job: bytes, numbers: Sequence[int]) -> list[Found]:
    """Evaluate designs of `job` in a process that others use too."""
    numba.set_num_threads(1)
    return evaluate_chunk(_evaluator(job), numbers)


def evaluate_chunk(evaluator: Evaluator, numbers: Sequence[int]) -> list[Found]:
    """Evaluate designs; what fails is reported in its place."""
    found: list[Found] = []
    for number in numbers:
        try:
            found.append(evaluator(number))
        except UnusableTraceError:
            raise
        except Exception as error:  # whatever it is, the other designs go on
            found.append(Failure(number, f"{type(error).__name__}: {error}"))
    return found


def _evaluator(job: bytes) -> Evaluator:
    if job not in _evaluators:
        space, with_layers = pickle.loads(job)
        _evaluators.clear()
        _evaluators[job] = Evaluator(space, with_layers)
    return _evaluators[job]
