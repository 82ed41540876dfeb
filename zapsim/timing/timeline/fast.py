"""The fast engine: a recurrence over the tiles, compiled."""

from __future__ import annotations

import numpy as np

from zapsim.errors import ZapsimError
from zapsim.kernels import timeline as kernels
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import Times, tile_table


def run_fast(schedule: Schedule) -> Times:
    """Return when everything happens.

    Raises
    ------
    ZapsimError
        If tiles wait for one another (a job waits for a tile that waits for the job).
    """
    work, limits = tile_table(schedule)
    jobs = np.zeros((len(schedule.job_cycles), 3), dtype=np.int64)
    jobs[:, kernels.AFTER], jobs[:, kernels.TAKES] = schedule.job_after, schedule.job_cycles
    end = kernels.run_ordered(work, jobs, limits, np.zeros(8, dtype=np.int64))
    check_end(end)
    return Times(
        work[:, kernels.START],
        work[:, kernels.LOAD : kernels.LOAD + kernels.TENSORS],
        work[:, kernels.STORE_END],
        jobs[:, kernels.ENDS],
        int(end),
    )


def check_end(end: int) -> None:
    """Refuse a timeline that does not end.

    Raises
    ------
    ZapsimError
        If `end` is negative: tiles wait for one another.
    """
    if end < 0:
        raise ZapsimError("the timeline's tiles wait for one another")
