"""What the timeline engines run: tiles in order, with their times on each resource, and what each waits for.

``granularity: layer`` runs all of stage A, the predictor, and all of stage B. ``granularity: tile`` goes block by
block: a block's stage B follows when the predictor has seen the block and what its window reaches. Page of the model:
docs/models/timeline.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import NO_TILES, Tiles
from zapsim.kernels import timeline as kernels
from zapsim.kernels.timeline import Plan
from zapsim.remembered import once_per_object
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
    plan = layer_plan(arch, stages, loads, ofmap_words, prediction)
    work, jobs = kernels.order_layer(*plan)
    limits = plan.numbers[len(Plan._fields) :].tolist()
    return Schedule(
        cycles=work[:, kernels.ARRAY],
        stage=work[:, kernels.START],
        loads=work[:, kernels.LOAD : kernels.LOAD + kernels.TENSORS],
        stores=work[:, kernels.STORE],
        waits_for=work[:, kernels.WAITS],
        job_after=jobs[:, kernels.AFTER],
        job_cycles=jobs[:, kernels.TAKES],
        depths=tuple(limits[:4]),
        latency=limits[4],
        job_latency=limits[5] if len(jobs) else 0,
    )


class LayerPlan(NamedTuple):
    """What the kernels of the timeline take of a layer (:func:`zapsim.kernels.timeline.run_layer`)."""

    a: Ints
    loads_a: Ints
    b: Ints
    loads_b: Ints
    reach: Ints
    numbers: Ints


def layer_plan(
    arch: ArchSpec, stages: Sequence[Tiles], loads: Sequence[Loads], ofmap_words: int, prediction: Prediction
) -> LayerPlan:
    """Gather what the timeline takes; parameters are those of :func:`build_schedule`."""
    first, rest = stages[0], stages[1] if len(stages) == 2 else NO_TILES
    channel, limits = _channel_numbers(arch)
    unit = prediction
    numbers = np.array(
        (
            ofmap_words, 0 if unit.weights_hidden else unit.weight_words, unit.spilled_words, unit.reread_words,
            unit.array_cycles, unit.unit_cycles, unit.by_tile, first.blocks, rest.blocks, *channel, *limits,
        ),
        dtype=np.int64,
    )  # fmt: skip
    loads_b = loads[1].table if len(stages) == 2 else _NO_LOADS
    return LayerPlan(first.table, loads[0].table, rest.table, loads_b, first.reach, numbers)


_NO_LOADS: Final = np.zeros((2, 0), dtype=np.int64)


@once_per_object
def _channel_numbers(arch: ArchSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the last fields of a plan, and the limits of the timeline."""
    channel, ahead = channel_of(arch), arch.buffers.prefetch
    speed = (channel.bits, 8 * channel.burst, channel.burst * channel.byte_cycles[0], channel.byte_cycles[1])
    limits = (ahead.ifmap, ahead.filter, ahead.ifmap, ahead.ofmap, channel.latency, arch.predictor.latency)
    return speed, limits
