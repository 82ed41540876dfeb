"""When the tiles of a schedule run, and what the array waits for meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels.timeline import TENSORS
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
    """Attribute the cycles in which the array waited, as :func:`zapsim.kernels.timeline.run` does, made to be read.

    A wait belongs to what comes last; of several that come at once, to the loads, then to the buffer, then to the
    predictor. While the array waits for a load, or for a store that is not overlapped, the channel writes or it reads.
    Behind the last tile, the array waits for the end.
    """
    tiles, behind = len(times.start), schedule.depths[TENSORS]
    begins, ends = np.append(0, times.start + schedule.cycles), np.append(times.start, times.end)
    stored = np.append(0, np.maximum.accumulate(times.store_end))  # when all stores of the first tiles have ended
    loaded = np.max(times.load_end + schedule.latency, axis=1, where=schedule.loads > 0, initial=0)
    read, written, buffer, predictor = 0, 0, 0, 0
    for tile in np.flatnonzero(ends > begins).tolist():
        begin, end = int(begins[tile]), int(ends[tile])
        last_store = stored[tiles] if tile == tiles else stored[max(tile - behind, 0)]
        if (tile < tiles and loaded[tile] == end) or (last_store == end and (tile == tiles or not behind)):
            overlaps = np.minimum(times.store_end, end) - np.maximum(times.store_end - schedule.stores, begin)
            writing = int(overlaps[overlaps > 0].sum())
            written, read = written + writing, read + end - begin - writing
        elif last_store == end:
            buffer += end - begin
        else:
            predictor += end - begin
    return Stalls(read, written, buffer, predictor)
