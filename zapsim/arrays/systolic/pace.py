"""How long the folds of a stage take: filling, streaming and draining, on one array or on several side by side.

Serial fill: a fold begins when the one before has drained, and each pays its ramp (SCALE-Sim v3). Overlapped fill: the
stationary operand of the next fold enters behind the running one, row after row, so that folds follow each other by
max(vectors, rows) cycles, and the ramp is paid once per stage. Tiles that several arrays run side by side are a round.
Where the buffer holds all that streams, every array goes through its tiles at its own pace; else the next round begins
when the slowest tile is done, because the arrays share what DRAM brings for the round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arrays.systolic.mapping import SystolicMapping, ramp_cycles
from zapsim.arrays.systolic.work import Counters, Work, one_by_one
from zapsim.counts import Cycles


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """Cycles of a stage.

    Attributes
    ----------
    cycles
        ``compute`` is what streams, ``ramp`` fills and drains the array.
    imbalance
        Cycles of the slowest (array, or tile of each round) over the mean of all arrays.
    """

    cycles: Cycles
    imbalance: float = 1.0


def stage_cycles(mapping: SystolicMapping, work: Work, part: bool = False) -> Pace:
    """Count the cycles of a stage.

    Parameters
    ----------
    mapping, work
        The layer on the array, and the tiles of the stage.
    part
        Whether the stage is a part of a layer and not counted from cycle 0.
    """
    if not len(work.cols):
        return Pace(Cycles())
    if mapping.array.count > 1:
        work = one_by_one(work)
    streamed, ramp = _streamed(mapping, work), tile_cycles(mapping, work)
    ramp -= streamed
    mean = 0.0
    if mapping.array.count > 1:
        total = int((streamed + ramp).sum())
        streamed, ramp = (values[_slowest(mapping, work, streamed + ramp)] for values in (streamed, ramp))
        mean = total / mapping.array.count
        streams, ramps = int(streamed.sum()), int(ramp.sum())
    else:
        streams, ramps = work.total(streamed), work.total(ramp)
    imbalance = (streams + ramps) / mean if mean else 1.0
    total = streams + ramps + once_cycles(mapping) - (0 if part else 1)
    compute = min(streams, total)
    return Pace(Cycles(compute=compute, ramp=total - compute), imbalance)


def tile_cycles(mapping: SystolicMapping, work: Work) -> Counters:
    """Count the cycles of each tile, without what a stage takes once."""
    array, streamed = mapping.array, _streamed(mapping, work)
    if array.fill == "serial":
        used_rows = work.vectors if array.dataflow == "output-stationary" else work.blocks * mapping.Sr
        return streamed + ramp_cycles(array, work.folds, used_rows, work.folds * work.cols)
    if array.dataflow == "output-stationary":
        return work.folds * max(mapping.T, array.rows)
    size = mapping.T if mapping.blocking is None else mapping.blocking.vectors
    last = work.vectors - (work.blocks - 1) * size
    per_fold = (work.blocks - 1) * max(size, array.rows) + np.maximum(last, array.rows)
    return np.asarray(mapping.row_folds * per_fold, dtype=np.int64)


def once_cycles(mapping: SystolicMapping) -> int:
    """Count the cycles that an overlapped fill takes once per stage: the first fold fills, the last one drains."""
    array = mapping.array
    return 2 * array.rows + array.cols - 2 if array.fill == "overlapped" else 0


def _streamed(mapping: SystolicMapping, work: Work) -> Counters:
    """Count the cycles in which vectors (output-stationary: products) stream through each tile."""
    if mapping.array.dataflow == "output-stationary":
        return work.folds * mapping.T
    return mapping.row_folds * work.vectors


def _slowest(mapping: SystolicMapping, tiles: Work, cycles: Counters) -> Counters:
    """Find the tiles that take the stage's time: those of the slowest array, or the slowest of each round."""
    if mapping.drifts:
        array = tiles.tile % mapping.array.count
        slowest = int(np.bincount(array, cycles).argmax())
        return np.flatnonzero(array == slowest).astype(np.int64)
    order = np.lexsort((cycles, tiles.tile // mapping.array.count))
    rounds = (tiles.tile // mapping.array.count)[order]
    return np.asarray(order[np.flatnonzero(np.diff(rounds, append=-1))], dtype=np.int64)
