"""The timeline of a layer on many designs at once: a row of numbers for each, and the same tiles for all.

Designs of an exploration often differ only in how fast their predictors are. Their tiles are put in order once; and
where a faster predictor would finish every block when the slower one did, because both wait for the array, nothing runs
again. (A change in :mod:`zapsim.kernels.timeline` is noticed only when this file changes, too.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels import timeline
from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.timeline import AFTER, ARRAY, END, ENDS, START, TAKES

Ints = NDArray[np.int64]

UNIT_CYCLES, JOB_LATENCY = 5, 18
"""Places in a row of numbers (:func:`run_rows`): cycles of a predictor of its own, and its latency."""

_LOADED = timeline.LOADED
_order, _share_unit, _run = timeline.order, timeline.share_unit, timeline.run
_plan_of, _limits_of = timeline.plan_of, timeline.limits_of


@helper
def _same_order(row: Ints, other: Ints) -> bool:
    """Tell whether two rows put tiles in the same order: they differ at most in a predictor that both have."""
    for place in range(JOB_LATENCY):
        if place != UNIT_CYCLES and row[place] != other[place]:
            return False
    return bool((row[UNIT_CYCLES] > 0) == (other[UNIT_CYCLES] > 0))


@helper
def _end_alike(jobs: Ints, work: Ints) -> bool:
    """Tell whether jobs end when they did before, if tiles run as in `work`; then they do run so."""
    unit_free = 0
    for job in range(len(jobs)):
        after = jobs[job, AFTER]
        unit_free += jobs[job, TAKES]
        if after >= 0:
            begin = max(unit_free - jobs[job, TAKES], work[after, START])
            unit_free = max(begin + jobs[job, TAKES], work[after, START] + work[after, ARRAY])
        if unit_free != jobs[job, ENDS]:
            return False
    return True


@kernel
def run_rows(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, rows: Ints) -> Ints:
    """Time a layer on several designs: int64 (designs, 8), what :func:`zapsim.kernels.timeline.run_layer` returns.

    Parameters
    ----------
    a, loads_a, b, loads_b, reach
        As there: what all designs share.
    rows
        int64 (designs, 19): the numbers of each design; quickest if neighbours differ only in the predictor's speed.
    """
    out = np.zeros((len(rows), 8), dtype=np.int64)
    ordered, jobs = _order(a, loads_a, b, loads_b, reach, _plan_of(rows[0]), out[0])
    work = ordered
    for row in range(len(rows)):
        if row and not _same_order(rows[row], rows[row - 1]):
            ordered, jobs = _order(a, loads_a, b, loads_b, reach, _plan_of(rows[row]), out[row])
        elif row:
            out[row, _LOADED:] = out[row - 1, _LOADED:]
            _share_unit(jobs, a[timeline.OUTPUTS], _plan_of(rows[row]))
            alike = out[row - 1, END] >= 0 and rows[row, JOB_LATENCY] == rows[row - 1, JOB_LATENCY]
            if alike and _end_alike(jobs, work):
                out[row] = out[row - 1]
                continue
        is_needed = row + 1 < len(rows) and _same_order(rows[row + 1], rows[row])
        work = ordered.copy() if is_needed else ordered
        out[row, END] = _run(work, jobs, _limits_of(rows[row, 13:]), out[row])
    return out
