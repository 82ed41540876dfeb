"""Exploring from Python: what ``zapsim.explore(...)`` and ``zapsim explore`` both call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from zapsim.errors import ConfigError, ZapsimError
from zapsim.exploration.backends import Backend, Processes, Serial, cores
from zapsim.exploration.driver import Driver, Summary, Watcher
from zapsim.exploration.evaluate import Point
from zapsim.exploration.front import front
from zapsim.exploration.load import load_space
from zapsim.exploration.manifest import open_folder
from zapsim.exploration.space import Space
from zapsim.exploration.store import POINTS, Store, as_table, read_table, schema
from zapsim.exploration.strategies import Costs, check_size, make_strategy

if TYPE_CHECKING:
    import pandas as pd

_A_WORKERS_WORTH = 100
"""Designs for which it is worth while to start another process, if nobody says how many to start."""


@dataclass(frozen=True, slots=True)
class How:
    """How an exploration runs; none of it changes a result.

    Attributes
    ----------
    workers
        Processes (None: as many as there are cores and work for).
    scheduler
        Address of a Dask scheduler, or ``local`` for a Dask cluster of `workers` on this machine; None: no Dask.
    layers
        Whether every layer's metrics are kept too.
    yes
        Whether a very large grid is meant.
    """

    workers: int | None = None
    scheduler: str | None = None
    layers: bool = False
    yes: bool = False


class Memory:
    """Keeps results in memory, for explorations without a folder."""

    def __init__(self) -> None:
        self.done: dict[int, Costs] = {}
        self.points: list[Point] = []

    def add(self, points: Sequence[Point]) -> None:
        """Keep finished designs."""
        self.points += points
        self.done |= {point.number: point.costs for point in points}


def run_space(space: Space, folder: Path | None, how: How, watcher: Watcher) -> tuple[Summary, pa.Table]:
    """Explore `space`, and return what became of it and the table of all its designs, by number.

    Parameters
    ----------
    space
        What to explore.
    folder
        Where results go, and where those of an earlier run are; None: they are only returned.
    how, watcher
        How it runs, and who is told.

    Raises
    ------
    ZapsimError
        Before any work: for a folder of something else, a grid too large, workers that cannot start.
    """
    if how.workers is not None and how.workers < 1:
        raise ConfigError(f"workers must be at least 1, got {how.workers}")
    check_size(space, how.yes)
    sink: Store | Memory
    if folder is None:
        sink = Memory()
    else:
        open_folder(folder, space)
        sink = Store(folder, space)
    most = _most(space)
    with make_backend(space, how, most - len(sink.done)) as backend:
        driver = Driver(space, make_strategy(space), backend, sink, watcher, most)
        summary = driver.run()
    if not sink.done:
        raise ZapsimError(f"{space.file}: the constraints leave no design")
    if isinstance(sink, Memory):
        return summary, as_table(sink.points, space)
    sink.merge()
    assert folder is not None
    table = read_table(folder, POINTS)
    return summary, schema(space).empty_table() if table is None else table


def _most(space: Space) -> int:
    """Return how many designs there can be at most."""
    return min(space.lattice.size, space.budget.points or space.lattice.size)


def make_backend(space: Space, how: How, left: int) -> Backend:
    """Return where designs are evaluated."""
    if how.scheduler is not None:
        from zapsim.exploration.cluster import Cluster

        return Cluster(space, how.layers, how.scheduler, how.workers)
    workers = how.workers or max(1, min(cores(), left // _A_WORKERS_WORTH))
    return Serial(space, how.layers) if workers == 1 else Processes(space, how.layers, workers)


def explore(
    space: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    layers: bool = False,
    yes: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Explore a space of designs, and return them as a table.

    Parameters
    ----------
    space
        A space file, or what would stand in one.
    out
        Folder of the results, from which the same call goes on; None: they are only returned.
    workers
        Processes (None: as many as there are cores and work for).
    scheduler
        Address of a Dask scheduler, or ``local`` for a Dask cluster on this machine.
    layers
        Whether every layer's metrics are written too (to `out`).
    yes
        Whether a very large grid is meant.
    progress
        Whether a bar is shown, in terminals and notebooks.

    Returns
    -------
    pandas.DataFrame
        One row a design, in the order of the grid; ``on_front`` tells those that no other beats.

    Raises
    ------
    ZapsimError
        For mistakes in the space, a folder of something else, a grid too large.
    """
    from zapsim.exploration.progress import Display

    if layers and out is None:
        raise ConfigError("layers need a folder (out) to be written to")
    loaded = load_space(space)
    with Display(loaded, wanted=progress) as watcher:
        how = How(workers, scheduler, layers, yes)
        _, table = run_space(loaded, None if out is None else Path(out), how, watcher)
    return with_front(table, loaded).to_pandas()


def with_front(table: pa.Table, space: Space) -> pa.Table:
    """Return the table of designs with a column ``on_front``."""
    values = [table[f"objective.{one.text}"].to_pylist() for one in space.objectives]
    ok = [index for index, status in enumerate(table["status"].to_pylist()) if status == "ok"]
    costs = [tuple(one.cost(value[index]) for one, value in zip(space.objectives, values, strict=True)) for index in ok]
    best = {ok[index] for index in front(costs)}
    return table.append_column("on_front", pa.array([index in best for index in range(len(table))], pa.bool_()))
