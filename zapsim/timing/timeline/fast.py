"""The fast engine: a recurrence over the tiles, compiled."""

from __future__ import annotations

import numpy as np

from zapsim.errors import ZapsimError
from zapsim.kernels import timeline as kernels
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import Stalls, Times


def run_fast(schedule: Schedule) -> Times:
    """Return when everything happens.

    Raises
    ------
    ZapsimError
        If tiles wait for one another (a job waits for a tile that waits for the job).
    """
    return run_with_stalls(schedule)[0]


def run_with_stalls(schedule: Schedule) -> tuple[Times, Stalls]:
    """Return when everything happens, and what the array waits for; errors are those of :func:`run_fast`."""
    work = np.zeros((len(schedule.cycles), kernels.COLUMNS), dtype=np.int64)
    loads = slice(kernels.LOAD, kernels.LOAD + kernels.TENSORS)
    work[:, kernels.ARRAY], work[:, loads], work[:, kernels.STORE] = schedule.cycles, schedule.loads, schedule.stores
    work[:, kernels.WAITS] = schedule.waits_for
    jobs = np.zeros((len(schedule.job_cycles), kernels.JOB_COLUMNS), dtype=np.int64)
    jobs[:, kernels.AFTER], jobs[:, kernels.TAKES] = schedule.job_after, schedule.job_cycles
    limits = np.array((*schedule.depths, schedule.latency, schedule.job_latency), dtype=np.int64)
    waits = np.zeros(8, dtype=np.int64)
    end = kernels.run_ordered(work, jobs, limits, waits)
    check_end(end)
    times = Times(work[:, kernels.START], work[:, loads], work[:, kernels.STORE_END], jobs[:, kernels.ENDS], int(end))
    return times, Stalls(*waits[kernels.DRAM_READ : kernels.PREDICTOR + 1].tolist())


def check_end(end: int) -> None:
    """Refuse a timeline that does not end.

    Raises
    ------
    ZapsimError
        If `end` is negative: tiles wait for one another.
    """
    if end < 0:
        raise ZapsimError("the timeline's tiles wait for one another")
