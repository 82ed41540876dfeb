"""From the tiles of a layer's stages to a schedule: order, DRAM words, and the predictor between the stages.

``granularity: layer`` runs all of stage A, the predictor, and all of stage B. ``granularity: tile`` goes block by
block: a block's stage B follows when the predictor has seen the block and what its window reaches. Page of the model:
docs/models/timeline.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import Ints, Tiles, shared_out
from zapsim.timing.timeline.dram import channel_of
from zapsim.timing.timeline.schedule import Schedule

A, Z, B = range(3)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the predictor does between the stages of a layer.

    Attributes
    ----------
    unit_cycles
        Cycles of a dedicated unit, without its latency.
    array_cycles
        Cycles of the predictor on the array.
    weight_words
        Words of its weights that DRAM gives.
    spilled_words
        Words of mask bits that DRAM keeps until stage B, for want of room on chip.
    reread_words
        Words of the pattern's outputs that DRAM gives back to the array for the predictor.
    by_tile
        Whether the stages alternate block by block.
    """

    unit_cycles: int = 0
    array_cycles: int = 0
    weight_words: int = 0
    spilled_words: int = 0
    reread_words: int = 0
    by_tile: bool = False


def build_schedule(
    arch: ArchSpec, first: Tiles, rest: Tiles | None, ofmap_words: int, prediction: Prediction
) -> Schedule:
    """Return the schedule of a layer.

    Parameters
    ----------
    arch
        Says what overlaps, and how fast DRAM is.
    first, rest
        Tiles of stage A (or of the only stage), and of stage B, whose words from DRAM are what it really loads; None:
        there is no stage B.
    ofmap_words
        Words of the ofmap as DRAM holds it; a tile writes its share when it has finished outputs.
    prediction
        What happens between the stages.
    """
    parts = [(A, first)]
    if prediction.array_cycles:
        parts.append((Z, _on_array(first, prediction)))
    if rest is not None:
        parts.append((B, rest))
    phase = np.repeat([kind for kind, _ in parts], [len(tiles) for _, tiles in parts])
    block = np.concatenate([_block(tiles, first) for _, tiles in parts])
    order = _order(prediction, phase, block, first)
    words = np.concatenate([_loads(kind, tiles, prediction) for kind, tiles in parts])[order]
    outputs = np.concatenate([tiles.outputs if kind != Z else 0 * tiles.outputs for kind, tiles in parts])[order]
    spilled = np.concatenate([_stores(kind, tiles, prediction) for kind, tiles in parts])[order]
    phase, block = phase[order], block[order]
    jobs = _jobs(prediction, first, phase, block, outputs)
    channel, ahead = channel_of(arch), arch.buffers.prefetch
    return Schedule(
        cycles=np.concatenate([tiles.cycles for _, tiles in parts])[order],
        phase=phase,
        loads=channel.cycles(words),
        stores=channel.cycles(spilled + shared_out(ofmap_words, outputs)),
        waits_for=_waits(prediction, phase, block, jobs),
        job_after=jobs.after,
        job_cycles=jobs.cycles,
        depths=(ahead.ifmap, ahead.filter, ahead.ifmap, ahead.ofmap),
        latency=channel.latency,
        job_latency=arch.predictor.latency if len(jobs.cycles) else 0,
    )


def _block(tiles: Tiles, first: Tiles) -> Ints:
    """Return the blocks of stage A that tiles belong to; other tilings of the same outputs are scaled to it."""
    if tiles.blocks == first.blocks:
        return tiles.block
    return np.asarray(((tiles.block + 1) * first.blocks - 1) // tiles.blocks, dtype=np.int64)


def _loads(kind: int, tiles: Tiles, prediction: Prediction) -> Ints:
    """Return the words that DRAM gives before each tile: int64 (tiles, 3), ifmap, filters, psums and mask bits."""
    filters, others = tiles.filter_words, tiles.psum_words
    if kind == A:
        filters = filters + shared_out(prediction.weight_words, np.maximum(tiles.outputs, tiles.outputs.sum() == 0))
    if kind == B:
        others = others + shared_out(prediction.spilled_words, np.maximum(tiles.cycles, 1))
    return np.stack([tiles.ifmap_words, filters, others], axis=1)


def _stores(kind: int, tiles: Tiles, prediction: Prediction) -> Ints:
    """Return the words that a tile writes beside its outputs."""
    if kind != A:
        return tiles.spilled_words
    return tiles.spilled_words + shared_out(prediction.spilled_words, tiles.outputs)


def _on_array(first: Tiles, prediction: Prediction) -> Tiles:
    """Return the tiles of a predictor on the array: one, or one for each block with outputs."""
    per_block = np.bincount(first.block, first.outputs, first.blocks).astype(np.int64)
    blocks = np.flatnonzero(per_block) if prediction.by_tile else np.array([first.blocks - 1])
    weights = per_block[blocks] if prediction.by_tile else np.ones(1, dtype=np.int64)
    none = np.zeros_like(blocks)
    return replace(
        first,
        cycles=shared_out(prediction.array_cycles, weights),
        ifmap_words=none,
        filter_words=none,
        psum_words=shared_out(prediction.reread_words, weights),
        spilled_words=none,
        outputs=none,
        block=blocks.astype(np.int64),
    )


def _order(prediction: Prediction, phase: Ints, block: Ints, first: Tiles) -> Ints | slice:
    """Return the order of the tiles on the array.

    By tile, a block's later phases come when stage A has reached what the predictor's window sees of other blocks, and
    has had one block more to do meanwhile if the predictor is a unit of its own.
    """
    if not prediction.by_tile:
        return slice(None)
    more = 0 if prediction.array_cycles else 1
    after = np.minimum(first.reach[block] + more, first.blocks - 1)
    turn = np.where(phase == A, block, after)
    return np.lexsort((np.arange(len(phase)), phase, block, phase > A, turn))


@dataclass(frozen=True, slots=True, eq=False)
class _Jobs:
    """The jobs of a dedicated unit: the tile that each follows, its cycles, and its block."""

    after: Ints
    cycles: Ints
    block: Ints


def _jobs(prediction: Prediction, first: Tiles, phase: Ints, block: Ints, outputs: Ints) -> _Jobs:
    """Return a job for every tile of stage A that finishes outputs; if none does, one for all that there is to do.

    The predictor of a block that reaches into others works when the last of these is finished.
    """
    tile = np.flatnonzero((phase == A) & (outputs > 0))
    if not prediction.unit_cycles or not len(tile):
        some = np.array([prediction.unit_cycles] if prediction.unit_cycles else [], dtype=np.int64)
        return _Jobs(some - some - 1, some, some * 0)
    in_first = np.flatnonzero(phase == A)
    last = in_first[np.searchsorted(block[in_first], first.reach[block[tile]], side="right") - 1]
    after = np.where(first.reach[block[tile]] == block[tile], tile, last)
    turn = np.argsort(after, kind="stable")
    return _Jobs(after[turn], shared_out(prediction.unit_cycles, outputs[tile])[turn], block[tile][turn])


def _waits(prediction: Prediction, phase: Ints, block: Ints, jobs: _Jobs) -> Ints:
    """Return the last job that each tile of stage B needs: of the layer, or of its block.

    A block without outputs of the pattern (a single row, say) goes with the one before it.
    """
    waits = np.full(len(phase), -1, dtype=np.int64)
    rest = phase == B
    if not len(jobs.cycles):
        return waits
    waits[rest] = len(jobs.cycles) - 1
    if prediction.by_tile:
        last = np.full(int(block.max()) + 1, -1, dtype=np.int64)
        np.maximum.at(last, jobs.block, np.arange(len(jobs.block)))
        known = np.maximum.accumulate(np.where(last >= 0, np.arange(len(last)), -1))
        waits[rest] = np.where(known >= 0, last[known], -1)[block[rest]]
    return waits
