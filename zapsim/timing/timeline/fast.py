"""The fast engine: a recurrence over the tiles, compiled."""

from __future__ import annotations

import numpy as np

from zapsim.errors import ZapsimError
from zapsim.kernels.timeline import TENSORS, run_tiles
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import Times


def run_fast(schedule: Schedule) -> Times:
    """Return when everything happens.

    Raises
    ------
    ZapsimError
        If tiles wait for one another (a job waits for a tile that waits for the job).
    """
    tiles, jobs = len(schedule.cycles), len(schedule.job_cycles)
    start, load_end, store_end, job_end = (
        np.empty(size, dtype=np.int64) for size in (tiles, (tiles, TENSORS), tiles, jobs)
    )
    end = run_tiles(
        schedule.cycles,
        schedule.loads,
        schedule.stores,
        schedule.waits_for,
        schedule.job_after,
        schedule.job_cycles,
        np.array(schedule.depths, dtype=np.int64),
        np.array((schedule.latency, schedule.job_latency), dtype=np.int64),
        start,
        load_end,
        store_end,
        job_end,
    )
    if end < 0:
        raise ZapsimError("the timeline's tiles wait for one another")
    return Times(start, load_end, store_end, job_end, int(end))
