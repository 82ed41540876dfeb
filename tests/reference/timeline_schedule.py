"""The schedule of a layer, written down with arrays: against the compiled one.

``granularity: layer`` runs all of stage A, the predictor, and all of stage B. ``granularity: tile`` goes block by
block: a block's stage B follows when the predictor has seen the block and what its window reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import Tiles
from zapsim.timing.dram import channel_of
from zapsim.timing.predictor import Prediction
from zapsim.timing.residency import Loads
from zapsim.timing.timeline.schedule import Schedule

Ints = NDArray[np.int64]

A, Z, B = range(3)


def shared_out(total: int, weights: Ints) -> Ints:
    """Divide `total`: the first i entries get ceil(total · their weight / all weight) in sum."""
    whole = int(weights.sum())
    if not whole or not total:
        return np.zeros(len(weights), dtype=np.int64)
    ends = [-(-total * int(part) // whole) for part in np.cumsum(weights)]
    return np.diff(np.array(ends, dtype=np.int64), prepend=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The tiles of one stage: cycles, block of stage A, words (tiles, 3) to load and (tiles,) to store, outputs."""

    stage: int
    cycles: Ints
    block: Ints
    loaded_words: Ints
    stored_words: Ints
    outputs: Ints


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
    first = stages[0]
    parts = [_stage_a(first, loads[0], prediction)]
    if prediction.array_cycles:
        parts.append(_stage_z(first, prediction))
    if len(stages) == 2:
        parts.append(_stage_b(first, stages[1], loads[1], prediction))
    stage = np.repeat([part.stage for part in parts], [len(part.cycles) for part in parts])
    block = np.concatenate([part.block for part in parts])
    order = _order(prediction, stage, block, first)
    stage, block = stage[order], block[order]
    outputs = np.concatenate([part.outputs for part in parts])[order]
    stored_words = np.concatenate([part.stored_words for part in parts])[order] + shared_out(ofmap_words, outputs)
    jobs = _jobs(prediction, first, stage, block, outputs)
    channel, ahead = channel_of(arch), arch.buffers.prefetch
    return Schedule(
        cycles=np.concatenate([part.cycles for part in parts])[order],
        stage=stage,
        loads=channel.cycles(np.concatenate([part.loaded_words for part in parts])[order]),
        stores=channel.cycles(stored_words),
        waits_for=_waits(prediction, stage, block, jobs),
        job_after=jobs.after,
        job_cycles=jobs.cycles,
        depths=(ahead.ifmap, ahead.filter, ahead.ifmap, ahead.ofmap),
        latency=channel.latency,
        job_latency=arch.predictor.latency if len(jobs.cycles) else 0,
    )


def _stage_a(tiles: Tiles, loads: Loads, prediction: Prediction) -> _Part:
    """Collect stage A, which brings the predictor's weights too and writes the mask bits that do not fit on chip."""
    filter_words = loads.table[1]
    if prediction.weight_words and not prediction.weights_hidden:
        proportion = np.maximum(tiles.outputs, tiles.outputs.sum() == 0)
        filter_words = filter_words + shared_out(prediction.weight_words, proportion)
    stored = tiles.spilled_words + shared_out(prediction.spilled_words, tiles.outputs)
    words = np.stack([loads.table[0], filter_words, tiles.psum_words], axis=1)
    return _Part(A, tiles.cycles, tiles.block, words, stored, tiles.outputs)


def _stage_z(first: Tiles, prediction: Prediction) -> _Part:
    """Make one tile of the predictor on the array, or one for each block with outputs."""
    per_block = np.bincount(first.block, first.outputs, first.blocks).astype(np.int64)
    blocks = np.flatnonzero(per_block) if prediction.by_tile else np.array([first.blocks - 1])
    proportion = per_block[blocks] if prediction.by_tile else np.ones(1, dtype=np.int64)
    none = np.zeros(len(blocks), dtype=np.int64)
    words = np.stack([none, none, shared_out(prediction.reread_words, proportion)], axis=1)
    return _Part(Z, shared_out(prediction.array_cycles, proportion), blocks.astype(np.int64), words, none, none)


def _stage_b(first: Tiles, tiles: Tiles, loads: Loads, prediction: Prediction) -> _Part:
    """Collect stage B, which gets back the mask bits that did not fit; its blocks are scaled to those of stage A."""
    block = tiles.block
    if tiles.blocks != first.blocks:
        block = np.asarray(((block + 1) * first.blocks - 1) // tiles.blocks, dtype=np.int64)
    mask_words = shared_out(prediction.spilled_words, np.maximum(tiles.cycles, 1))
    words = np.stack([loads.table[0], loads.table[1], tiles.psum_words + mask_words], axis=1)
    return _Part(B, tiles.cycles, block, words, tiles.spilled_words, tiles.outputs)


def _order(prediction: Prediction, stage: Ints, block: Ints, first: Tiles) -> Ints | slice:
    """Return the order of the tiles on the array.

    By tile, a block's later stages come when stage A has reached what the predictor's window sees of other blocks, and
    has had one block more to do meanwhile if the predictor is a unit of its own.
    """
    if not prediction.by_tile:
        return slice(None)
    more = 0 if prediction.array_cycles else 1
    after = np.minimum(first.reach[block] + more, first.blocks - 1)
    turn = np.where(stage == A, block, after)
    return np.lexsort((np.arange(len(stage)), stage, block, stage > A, turn))


@dataclass(frozen=True, slots=True, eq=False)
class _Jobs:
    """The jobs of a dedicated unit: the tile that each follows, its cycles, and its block."""

    after: Ints
    cycles: Ints
    block: Ints


def _jobs(prediction: Prediction, first: Tiles, stage: Ints, block: Ints, outputs: Ints) -> _Jobs:
    """Make a job for every tile of stage A that finishes outputs; if none does, one for all that there is to do.

    The predictor of a block that reaches into others works when the last of these is finished.
    """
    tile = np.flatnonzero((stage == A) & (outputs > 0))
    if not prediction.unit_cycles or not len(tile):
        cycles = np.array([prediction.unit_cycles] if prediction.unit_cycles else [], dtype=np.int64)
        return _Jobs(np.full_like(cycles, -1), cycles, np.zeros_like(cycles))
    in_stage_a = np.flatnonzero(stage == A)
    last = in_stage_a[np.searchsorted(block[in_stage_a], first.reach[block[tile]], side="right") - 1]
    after = np.where(first.reach[block[tile]] == block[tile], tile, last)
    turn = np.argsort(after, kind="stable")
    return _Jobs(after[turn], shared_out(prediction.unit_cycles, outputs[tile])[turn], block[tile][turn])


def _waits(prediction: Prediction, stage: Ints, block: Ints, jobs: _Jobs) -> Ints:
    """Return the last job that each tile of stage B needs: of the layer, or of its block.

    A block without outputs of the pattern (a single row, say) goes with the one before it.
    """
    waits = np.full(len(stage), -1, dtype=np.int64)
    in_stage_b = stage == B
    if not len(jobs.cycles):
        return waits
    waits[in_stage_b] = len(jobs.cycles) - 1
    if prediction.by_tile:
        last_job = np.full(int(block.max()) + 1, -1, dtype=np.int64)
        np.maximum.at(last_job, jobs.block, np.arange(len(jobs.block)))
        with_job = np.maximum.accumulate(np.where(last_job >= 0, np.arange(len(last_job)), -1))
        waits[in_stage_b] = np.where(with_job >= 0, last_job[with_job], -1)[block[in_stage_b]]
    return waits
