"""The passes of a row-stationary stage one after another, with what DRAM brings for each.

Order (JSSC 2017, section V; which loop is outermost is ours): groups, then m filters whose psums stay in the GLB, then
strips of ofmap rows, then images, then tiles of channels, then the passes of the m filters. So an ifmap strip is loaded
once for m filters, and filters once for every strip and set of images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.equations import PassCosts, pass_grid, tile_classes, tiles
from zapsim.arrays.row_stationary.mapping import Ints, Resources, glb_strips, strip_rows
from zapsim.arrays.tiles import Tiles, shared_out
from zapsim.workload import ConvShape

MOST_TILES = 2**17
"""Passes that are told apart; in a stage with more, all passes of a block are one tile."""

_WINDOW_ROWS = 2
"""Rows above and below an output that its predictor sees: two 3×3 kernels, one after the other."""


def pass_tiles(
    shape: ConvShape, have: Resources, of: PassParameters, costs: PassCosts, present: Ints, ifmap_dram_words: int
) -> Tiles:
    """Return every pass of the stage that has work, in order.

    Parameters
    ----------
    shape, have, of
        Layer, array and mapping.
    costs
        Of the passes; arrays that broadcast to (2, groups, filter tiles, strips, image tiles), with the full tiles of
        channels first and then the partial one.
    present
        bool (groups, filter tiles, strips, image tiles): the passes that have work.
    ifmap_dram_words
        Words of ifmaps that DRAM gives, as it holds them.
    """
    grid = _Grid(shape, of, present)
    rows, images = strip_rows(shape, of.e), tiles(shape.N, of.n)
    strip_words = rows[:, None] * images * shape.W
    if np.prod(grid.shape) > MOST_TILES:
        words = grid.of_blocks(costs, strip_words * shape.C_per_group)
    else:
        channels = np.minimum(of.q * of.r, shape.C_per_group - np.arange(grid.channel_tiles) * of.q * of.r)
        words = grid.of_passes(costs, strip_words[..., None] * channels)
    ifmap_strip, psum_strip = (int(words) for words in glb_strips(shape, np.array(of.e), have))
    none = np.zeros_like(words.cycles)
    blocks = np.arange(int(np.prod(grid.shape[:4])), dtype=np.int64)
    return Tiles(
        cycles=words.cycles,
        ifmap_words=shared_out(ifmap_dram_words, words.ifmap),
        filter_words=words.filters,
        psum_words=none,
        spilled_words=none,
        outputs=words.outputs,
        block=words.block,
        blocks=len(blocks),
        reach=_reach(of, blocks.reshape(grid.shape[:4])),
        visits=grid.shape[2] * grid.shape[3],
        room=have.glb_words - of.n * (of.q * of.r * ifmap_strip + of.m * psum_strip),
    )


def present_first(present: np.ndarray) -> np.ndarray:
    """Return where, along the last axis, the first True is: bool of the same shape."""
    first: np.ndarray = present & (np.cumsum(present, axis=-1) == 1)
    return first


class _Grid:
    """Passes in order: (groups, sets of m filters, strips, image tiles, channel tiles, filter tiles of a set)."""

    def __init__(self, shape: ConvShape, of: PassParameters, present: Ints) -> None:
        filter_tiles, strips, image_tiles = pass_grid(shape, of)
        self.per_set = of.m // (of.p * of.t)
        self.sets = -(-filter_tiles // self.per_set)
        full, partial = tile_classes(shape.C_per_group, np.array(of.q * of.r))[1]
        self.classes = np.repeat([0, 1], [int(full), int(partial)])
        self.channel_tiles = len(self.classes)
        self.grid = (shape.groups, filter_tiles, strips, image_tiles)
        self.shape = (shape.groups, self.sets, strips, image_tiles, self.channel_tiles, self.per_set)
        self.present = self._by_set(np.broadcast_to(present, self.grid)[np.newaxis])[..., 0, :].astype(np.bool_)

    def _by_set(self, values: np.ndarray) -> np.ndarray:
        """Return (classes, groups, filter tiles, strips, images) as (groups, sets, strips, images, classes, tiles)."""
        kinds, groups, filter_tiles, strips, images = values.shape
        if self.sets * self.per_set > filter_tiles:  # the last set has fewer
            padded = np.zeros((kinds, groups, self.sets * self.per_set, strips, images), dtype=values.dtype)
            padded[:, :, :filter_tiles] = values
            values = padded
        by_set: np.ndarray = values.reshape(kinds, groups, self.sets, self.per_set, strips, images)
        return by_set.transpose(1, 2, 4, 5, 0, 3)

    def of_passes(self, costs: PassCosts, strip_words: Ints) -> _Words:
        """Return every pass that has work; `strip_words` are (strips, image tiles, channel tiles)."""
        kept = np.broadcast_to(self.present[:, :, :, :, None, :], self.shape).reshape(-1)

        def by_pass(values: Ints) -> Ints:
            by_class = self._by_set(np.broadcast_to(values, (2, *self.grid)))
            return np.asarray(by_class[:, :, :, :, self.classes].reshape(-1)[kept], dtype=np.int64)

        ifmap = np.zeros(self.shape, dtype=np.int64)
        np.copyto(ifmap, strip_words[..., None], where=present_first(self.present)[:, :, :, :, None, :])
        last = np.zeros(self.shape, dtype=np.int64)
        last[:, :, :, :, -1] = 1
        block = np.repeat(np.arange(int(np.prod(self.shape[:4]))), self.shape[4] * self.shape[5])
        finished = by_pass(costs.psum) * last.reshape(-1)[kept]
        return _Words(by_pass(costs.cycles), ifmap.reshape(-1)[kept], by_pass(costs.filter), finished, block[kept])

    def of_blocks(self, costs: PassCosts, strip_words: Ints) -> _Words:
        """Return all passes of a block as one tile; `strip_words` are (strips, image tiles), of all channels."""
        kept = self.present.any(axis=-1).reshape(-1)
        often = np.bincount(self.classes, minlength=2)[:, None, None, None, None]

        def by_block(values: Ints, often: Ints = often) -> Ints:
            by_set = self._by_set((np.broadcast_to(values, (2, *self.grid)) * often).sum(axis=0, keepdims=True))
            return np.asarray((by_set[..., 0, :] * self.present).sum(axis=-1).reshape(-1)[kept], dtype=np.int64)

        ifmap = np.broadcast_to(strip_words, self.shape[:4]).reshape(-1)[kept]
        outputs = by_block(costs.psum, np.array([1, 0])[:, None, None, None, None])
        block = np.arange(len(kept), dtype=np.int64)[kept]
        return _Words(by_block(costs.cycles), ifmap, by_block(costs.filter), outputs, block)


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Cycles, words and outputs of each tile, and its block: int64 (tiles,)."""

    cycles: Ints
    ifmap: Ints
    filters: Ints
    outputs: Ints
    block: Ints


def _reach(of: PassParameters, blocks: Ints) -> Ints:
    """Return the last block whose outputs the predictor sees, for every block: strips further down, same filters."""
    strips = blocks.shape[2]
    below = np.minimum(np.arange(strips) + -(-_WINDOW_ROWS // of.e), strips - 1)
    return np.ascontiguousarray(blocks[:, :, below]).reshape(-1)
