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
    stores, until = schedule.store_list()
    start, job_end = np.zeros(tiles, dtype=np.int64), np.zeros(jobs, dtype=np.int64)
    load_end, listed_end = np.zeros((tiles, TENSORS), dtype=np.int64), np.zeros(len(stores), dtype=np.int64)
    found = start, load_end, listed_end, job_end
    end = run_tiles(
        (schedule.cycles, schedule.loads, stores, until),
        (schedule.waits_for, schedule.job_after, schedule.job_cycles),
        np.array(schedule.depths, dtype=np.int64),
        (schedule.latency, schedule.job_latency),
        found,
    )
    if end < 0:
        raise ZapsimError("the timeline's tiles wait for one another")
    store_end = np.zeros(tiles, dtype=np.int64)
    store_end[stores[:, 0]] = listed_end
    return Times(start, load_end, store_end, job_end, int(end))
