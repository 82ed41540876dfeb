"""What the timeline engines run: tiles in order, with their times on each resource, and what each waits for.

``granularity: layer`` runs all of stage A, the predictor, and all of stage B. ``granularity: tile`` goes block by
block: a block's stage B follows when the predictor has seen the block and what its window reaches. Page of the model:
docs/models/timeline.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import NO_TILES, Tiles
from zapsim.kernels.schedule import Plan, order_tiles
from zapsim.timing.dram import channel_of
from zapsim.timing.predictor import Prediction
from zapsim.timing.residency import Loads

Ints = NDArray[np.int64]

STAGES = ("A", "Z", "B")
"""The pattern (or a layer without prediction), the predictor on the array, and the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """One layer's tiles in the array's order.

    Attributes
    ----------
    cycles
        int64 (tiles,): cycles on the array.
    stage
        int64 (tiles,): index into :data:`STAGES`.
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
    stage: Ints
    loads: Ints
    stores: Ints
    waits_for: Ints
    job_after: Ints
    job_cycles: Ints
    depths: tuple[int, int, int, int]
    latency: int
    job_latency: int


def build_schedule(
    arch: ArchSpec, stages: Sequence[Tiles], loads: Sequence[Loads], ofmap_words: int, prediction: Prediction
) -> Schedule:
    """Put the tiles of a layer in order, and say what each loads, stores and waits for.

    Parameters
    ----------
    arch
        Says what overlaps, and how fast DRAM is.
    stages, loads
        Tiles of stage A (or of the only stage) and of stage B, and what DRAM brings for them.
    ofmap_words
        Words of the ofmap as DRAM holds it; a tile writes its share when it has finished outputs.
    prediction
        What happens between the stages.
    """
    first, rest = stages[0], stages[1] if len(stages) == 2 else NO_TILES
    channel, ahead = channel_of(arch), arch.buffers.prefetch
    plan = Plan(
        ofmap=ofmap_words,
        weights=0 if prediction.weights_hidden else prediction.weight_words,
        spilled=prediction.spilled_words,
        reread=prediction.reread_words,
        array_cycles=prediction.array_cycles,
        unit_cycles=prediction.unit_cycles,
        by_tile=prediction.by_tile,
        blocks_a=first.blocks,
        blocks_b=rest.blocks,
        word_bits=channel.bits,
        burst_bits=8 * channel.burst,
        numerator=channel.burst * channel.byte_cycles[0],
        denominator=channel.byte_cycles[1],
    )
    tiles, loaded, jobs = order_tiles(
        first.table,
        loads[0].table,
        rest.table,
        loads[1].table if len(stages) == 2 else NO_TILES.table[:2],
        first.reach,
        np.array(plan, dtype=np.int64),
    )
    return Schedule(
        cycles=tiles[0],
        stage=tiles[1],
        loads=loaded,
        stores=tiles[2],
        waits_for=tiles[3],
        job_after=jobs[0],
        job_cycles=jobs[1],
        depths=(ahead.ifmap, ahead.filter, ahead.ifmap, ahead.ofmap),
        latency=channel.latency,
        job_latency=arch.predictor.latency if jobs.shape[1] else 0,
    )
