"""What the timeline engines run: tiles in order, with their times on each resource, and who waits for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels.timeline import STALLS, stall_cycles

Ints = NDArray[np.int64]

PHASES = ("A", "Z", "B")
"""Stages of a tile: the pattern (or a layer without prediction), the predictor on the array, the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """One layer's tiles in the array's order.

    Attributes
    ----------
    cycles
        int64 (tiles,): cycles on the array.
    phase
        int64 (tiles,): index into :data:`PHASES`.
    loads
        int64 (tiles, 3): cycles of the DRAM channel before the tile, for ifmap, filters and psums; 0: none.
    stores
        int64 (tiles,): cycles of the channel after the tile; 0: none.
    waits_for
        int64 (tiles,): the predictor's last job that must be done before the tile; -1: none.
    job_after, job_cycles
        int64 (jobs,): the tile during which a job's inputs leave the array (-1: none), not falling; cycles of the unit.
        A job does not end before that tile.
    depths
        Tiles that the channel works ahead of the array for ifmaps, filters and psums, and behind it for stores.
    latency, job_latency
        Cycles from the channel's last word, or the end of a job, to its use.
    """

    cycles: Ints
    phase: Ints
    loads: Ints
    stores: Ints
    waits_for: Ints
    job_after: Ints
    job_cycles: Ints
    depths: tuple[int, int, int, int]
    latency: int
    job_latency: int

    def store_list(self) -> tuple[Ints, Ints]:
        """Return int64 (stores, 2), tile and cycles of each, and how many there are up to each tile."""
        tiles = np.flatnonzero(self.stores)
        listed = np.stack([tiles, self.stores[tiles]], axis=1).astype(np.int64)
        return listed, np.cumsum(self.stores > 0, dtype=np.int64)


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
    """Both engines: the readable one and the fast one."""

    def __call__(self, schedule: Schedule, /) -> Times:
        """Return when everything happens."""


@dataclass(frozen=True, slots=True)
class Stalls:
    """Cycles in which the array waits, by what for; with the tiles' own cycles they sum to the layer's."""

    dram_read: int = 0
    dram_write: int = 0
    buffer: int = 0
    predictor: int = 0


def stalls(schedule: Schedule, times: Times) -> Stalls:
    """Return for whom the array waited (rules: :func:`zapsim.kernels.timeline.stall_cycles`)."""
    out = np.zeros(STALLS, dtype=np.int64)
    stores, until = schedule.store_list()
    plan = schedule.cycles, schedule.loads, stores, until
    found = times.start, times.load_end, times.store_end[stores[:, 0]], times.job_end
    stall_cycles(plan, schedule.depths[3], schedule.latency, found, times.end, out)
    return Stalls(*(int(cycles) for cycles in out))
