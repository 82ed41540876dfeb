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
from zapsim.kernels.timeline import AFTER, ARRAY, END, ENDS, START, TAKES, Limits, Plan

Ints = NDArray[np.int64]

UNIT_CYCLES, JOB_LATENCY = 5, 18
"""Places in a row of numbers (:func:`run_rows`): cycles of a predictor of its own, and its latency."""

_LOADED = timeline.LOADED
_PSUM_WORDS, _SPILLED_WORDS = timeline.PSUM_WORDS, timeline.SPILLED_WORDS
_run, _order, _jobs, _stalls, _total = timeline.run, timeline.order, timeline._jobs, timeline.stalls, timeline._total


@helper
def _plan(n: Ints) -> Plan:
    """Give numbers their names."""
    return Plan(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12])


@helper
def _limits(n: Ints) -> Limits:
    """Give numbers their names."""
    return Limits(n[13], n[14], n[15], n[16], n[17], n[18])


@helper
def _same_order(row: Ints, other: Ints) -> bool:
    """Tell whether two rows put tiles in the same order: they differ at most in a predictor that both have."""
    for place in range(JOB_LATENCY):
        if place != UNIT_CYCLES and row[place] != other[place]:
            return False
    return bool((row[UNIT_CYCLES] > 0) == (other[UNIT_CYCLES] > 0))


@helper
def _end_alike(jobs: Ints, done: Ints, work: Ints) -> bool:
    """Tell whether jobs end when those that are `done` did, if tiles run as in `work`; then they do run so."""
    unit_free = 0
    for job in range(len(jobs)):
        after = jobs[job, AFTER]
        unit_free += jobs[job, TAKES]
        if after >= 0:
            begin = max(unit_free - jobs[job, TAKES], work[after, START])
            unit_free = max(begin + jobs[job, TAKES], work[after, START] + work[after, ARRAY])
        if unit_free != done[job, ENDS]:
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
    ordered, jobs = _order(a, loads_a, b, loads_b, reach, _plan(rows[0]))
    work, done, has_ended = ordered, jobs, False
    for row in range(len(rows)):
        if row and not _same_order(rows[row], rows[row - 1]):
            ordered, jobs = _order(a, loads_a, b, loads_b, reach, _plan(rows[row]))
        elif row:
            jobs = _jobs(a, b, reach, _plan(rows[row]), ordered)
            if has_ended and rows[row, JOB_LATENCY] == rows[row - 1, JOB_LATENCY] and _end_alike(jobs, done, work):
                out[row] = out[row - 1]
                continue
        limits = _limits(rows[row])
        work, done = ordered.copy(), jobs
        end = _run(work, done, limits)
        out[row, END], has_ended = end, end >= 0
        if has_ended:
            _stalls(work, limits, end, out[row])
        out[row, _LOADED] = _total(loads_a[0]) + _total(loads_a[1]) + _total(loads_b[0]) + _total(loads_b[1])
        out[row, _PSUM_WORDS] = _total(a[timeline.PSUMS]) + _total(b[timeline.PSUMS])
        out[row, _SPILLED_WORDS] = _total(a[timeline.SPILLED]) + _total(b[timeline.SPILLED])
    return out
