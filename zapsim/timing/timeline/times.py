"""When the tiles of a schedule run, and what the array waits for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels import timeline as kernels
from zapsim.timing.timeline.schedule import Schedule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When everything happens, in cycles from the layer's start.

    Attributes
    ----------
    start
        int64 (tiles,): the first cycle of each tile on the array.
    load_end
        int64 (tiles, 3): the cycle after the last one of each load on the channel; 0 if there is none.
    store_end
        int64 (tiles,): the same of each store.
    job_end
        int64 (jobs,): the same of each job of the predictor.
    end
        The cycle in which everything is done.
    """

    start: Ints
    load_end: Ints
    store_end: Ints
    job_end: Ints
    end: int


class TimelineEngine(Protocol):
    """An engine that runs a schedule; all engines give the same times."""

    def __call__(self, schedule: Schedule, /) -> Times:
        """Return when everything happens in `schedule`."""


class Stalls(NamedTuple):
    """Cycles in which the array waits, by cause; with the tiles' own cycles they sum to the layer's."""

    dram_read: int = 0
    dram_write: int = 0
    buffer: int = 0
    predictor: int = 0


def stalls(schedule: Schedule, times: Times) -> Stalls:
    """Attribute the cycles in which the array waited (rules: :func:`zapsim.kernels.timeline.stalls`)."""
    work, limits = tile_table(schedule)
    moved = schedule.loads > 0
    work[:, kernels.START], work[:, kernels.STORE_END] = times.start, times.store_end
    work[:, kernels.LOAD : kernels.LOAD + kernels.TENSORS] = np.where(moved, times.load_end, 0)
    out = np.zeros(8, dtype=np.int64)
    kernels.attribute(work, limits, times.end, out)
    return Stalls(*out[kernels.DRAM_READ : kernels.PREDICTOR + 1].tolist())


def tile_table(schedule: Schedule) -> tuple[Ints, Ints]:
    """Put a schedule into the table on which the kernels work, and its depths and latencies behind one another."""
    work = np.zeros((len(schedule.cycles), kernels.COLUMNS), dtype=np.int64)
    work[:, kernels.ARRAY], work[:, kernels.STORE] = schedule.cycles, schedule.stores
    work[:, kernels.LOAD : kernels.LOAD + kernels.TENSORS] = schedule.loads
    work[:, kernels.WAITS] = schedule.waits_for
    return work, np.array((*schedule.depths, schedule.latency, schedule.job_latency), dtype=np.int64)
