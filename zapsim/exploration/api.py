"""The public functions: ``zapsim.explore`` and ``zapsim.compare``. Importing them needs no extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zapsim.errors import ConfigError
from zapsim.exploration import check_dependencies
from zapsim.exploration.compare import compare

if TYPE_CHECKING:
    import pandas as pd

    from zapsim.exploration.space import Objective

__all__ = ["compare", "explore"]


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
        A space file, or a mapping with the keys of one.
    out
        Folder of the results, from which the same call continues; None: they are only returned.
    workers
        Processes (None: one per core, but no more than the work needs).
    scheduler
        Address of a Dask scheduler, or ``local`` for a Dask cluster on this machine.
    layers
        Whether the metrics of every layer are written, too (to `out`).
    yes
        Whether a very large grid is meant.
    progress
        Whether terminals and notebooks show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row per design, in the order of the grid; ``on_front`` marks those that no other dominates.

    Raises
    ------
    ZapsimError
        For mistakes in the space, a folder of something else, too large a grid, or a missing library.
    """
    check_dependencies()
    from zapsim.exploration.driver import RunOptions, run_space
    from zapsim.exploration.load import load_space
    from zapsim.exploration.progress import ProgressBar

    if layers and out is None:
        raise ConfigError("layers need a folder (out) to be written to")
    loaded = load_space(space)
    with ProgressBar(loaded, wanted=progress) as watcher:
        options = RunOptions(workers, scheduler, layers, yes)
        _, table = run_space(loaded, None if out is None else Path(out), options, watcher)
    return _with_front(table.to_pandas(), loaded.objectives)


def _with_front(designs: pd.DataFrame, objectives: Sequence[Objective]) -> pd.DataFrame:
    """Add the column ``on_front``."""
    from zapsim.exploration.pareto import pareto_front

    ok = designs[designs["status"] == "ok"]
    values = ok[[f"objective.{objective.text}" for objective in objectives]].itertuples(index=False)
    costs = [[objective.cost(value) for objective, value in zip(objectives, row, strict=True)] for row in values]
    return designs.assign(on_front=designs.index.isin(ok.index[pareto_front(costs)]))
