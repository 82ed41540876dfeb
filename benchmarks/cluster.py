"""What a design costs besides its evaluation on a Dask cluster, and how many workers one exploration keeps busy.

python -m benchmarks --only cluster

The real driver, client, scheduler and store run; workers hand back results that they made once, so that hardly anything
but the way there and back is left. Scheduler and workers are processes of their own. A line through the processor time
of tasks of several sizes says what a task costs, and what each design in it. From these costs follows on paper how many
workers the busiest other process keeps busy, and how long a hundred million designs take (docs/exploring.md).
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import psutil

from benchmarks.explore_vgg16 import space_file
from benchmarks.measure import Expected, Line, Row, straight_line
from zapsim.exploration import cluster, driver
from zapsim.exploration.evaluated import EvaluatedDesign
from zapsim.exploration.load import load_space
from zapsim.exploration.manifest import open_folder
from zapsim.exploration.store import DESIGNS, Store, read_table
from zapsim.exploration.worker import Results, evaluate_job

EVALUATION_MS = 4.0
"""Processor time of a design of this space on a worker (group "exploration of VGG-16")."""

GROUP = "a cluster, besides the evaluation"

_TASKS = {1: 300, 16: 300, 64: 160, 256: 40}
"""Tasks to time, by the designs in each."""

_ON_PAPER = 10**8
"""Designs of the largest exploration that is worked out on paper."""

_KNOWN = 64
_known: dict[str, list[EvaluatedDesign]] = {}


class Quiet:
    """Looks at no progress."""

    def start(self, known: int, most: int | None) -> None:
        """Do nothing."""

    def advance(self, designs: Sequence[EvaluatedDesign]) -> None:
        """Do nothing."""


def ready_results(name: str, numbers: Sequence[int]) -> Results:
    """Return results of a few designs under the numbers of others; without seconds, tasks stay as large as they are."""
    if name not in _known:
        found = evaluate_job(name, range(_KNOWN)).evaluations
        _known[name] = [one for one in found if isinstance(one, EvaluatedDesign)]
    chosen = ((number, _known[name][number % _KNOWN]) for number in numbers)
    return Results([replace(one, number=number, values={**one.values, "seconds": None}) for number, one in chosen])


def serve(end: Connection) -> None:
    """Run a scheduler here and a worker beside it until the other side hangs up."""
    import distributed

    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **cluster.WITHOUT_DASHBOARD) as local:
        worker = next(iter(local.workers.values()))
        end.send((local.scheduler_address, worker.process.pid))
        end.recv()


@contextmanager
def own_cluster() -> Iterator[tuple[str, list[psutil.Process]]]:
    """Start scheduler and worker; give the address, and both processes."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(there,))
    process.start()
    try:
        address, worker = here.recv()
        yield address, [psutil.Process(process.pid), psutil.Process(worker)]
    finally:
        here.send(None)
        process.join(20)


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Time tasks of several sizes, and draw lines through what each process takes for one."""
    taken: dict[str, dict[float, float]] = {"exploring process": {}, "scheduler": {}, "worker": {}}
    with tempfile.TemporaryDirectory() as folder, own_cluster() as (address, others):
        for size, tasks in _TASKS.items():
            costs = _of_tasks(Path(folder), address, others, size, tasks // 4 if quick else tasks)
            for name, milliseconds in zip(taken, costs, strict=True):
                taken[name][size] = milliseconds
    lines = {name: straight_line(by_size) for name, by_size in taken.items()}
    measured = []
    for name, line in lines.items():
        sizes = ", ".join(f"{size:.0f}: {milliseconds:.1f}" for size, milliseconds in taken[name].items())
        measured.append(Row(GROUP, f"{name}, a task", line.start, "ms", f"tasks of so many designs: {sizes} ms"))
        measured.append(Row(GROUP, f"{name}, each design in it", 1000 * line.slope, "µs", line.text))
    return [*measured, *(on_paper(lines, size) for size in (1, 16, 150, 1000))]


def on_paper(lines: Mapping[str, Line], size: int) -> Row:
    """Work out how many workers are kept busy by tasks of `size` designs, and the hours of a very large exploration."""
    a_design = {name: line.start / size + line.slope for name, line in lines.items()}
    on_worker = EVALUATION_MS + a_design.pop("worker")
    busiest = max(a_design, key=a_design.__getitem__)
    hours = (
        f"{_ON_PAPER * max(on_worker / workers, a_design[busiest]) / 3.6e6:.1f} h with {workers}"
        for workers in (16, 64, 256)
    )
    beside = f"then the {busiest} is busy; 10^8 designs: {', '.join(hours)}"
    label = f"workers kept busy, designs of {EVALUATION_MS:g} ms, {size} a task"
    return Row(GROUP, label, on_worker / a_design[busiest], "", beside)


def _of_tasks(folder: Path, address: str, others: Sequence[psutil.Process], size: int, tasks: int) -> tuple[float, ...]:
    """Return the processor time of this process and the others for a task of `size` designs, in ms."""
    space = load_space(space_file(folder, "grid", (tasks + 8) * size if (tasks + 8) * size < 10_000 else None))
    out = folder / f"designs{size}"
    open_folder(out, space)
    store = Store(out, space)
    with (
        patch.object(cluster, "evaluate_job", ready_results),
        cluster.Cluster(space, False, address, None) as backend,
    ):
        backend.submit(driver.Task(tuple(range(2))))  # makes what is handed back
        backend.collect()
        one = driver.Driver(space, driver.make_strategy(space), backend, store, Quiet(), None)
        one._pace = driver._CHUNK_SECONDS / size
        before = _processor(others)
        summary = one.run()
        after = _processor(others)
    assert read_table(out, DESIGNS).num_rows == summary.evaluated
    return tuple(1000 * (b - a) * size / summary.evaluated for a, b in zip(before, after, strict=True))


def _processor(others: Sequence[psutil.Process]) -> list[float]:
    return [time.process_time(), *(sum(process.cpu_times()[:2]) for process in others)]
