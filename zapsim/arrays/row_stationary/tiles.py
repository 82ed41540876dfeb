"""The passes of a row-stationary stage one after another, with what DRAM brings for each.

Order (JSSC 2017, section V; which loop is outermost is ours): groups, then sets of filters whose psums stay in the GLB
(m of them, if psums are full), then strips of ofmap rows, then images, then tiles of channels, then the passes of the
set. So an ifmap strip is loaded once for a set, and filters once for every strip and tile of images. What comes before
the tiles of channels is a block: its outputs are finished together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.equations import PassCosts
from zapsim.arrays.row_stationary.kernels import order_passes
from zapsim.arrays.row_stationary.mapping import Ints, tile_classes, tiles
from zapsim.arrays.row_stationary.sets import FilterSets
from zapsim.arrays.row_stationary.strips import Pixels, stage_rows, strips_of
from zapsim.arrays.tiles import Tiles, shared_out, tile_table
from zapsim.workload import ConvShape

MOST_TILES = 2**17
"""Passes that are told apart; in a stage with more, all passes of a block are one tile."""

_WINDOW_ROWS = 2
"""Rows above and below an output that its predictor sees: two 3×3 kernels, one after the other."""


@dataclass(frozen=True, slots=True, eq=False)
class StagePasses:
    """The passes of a stage.

    Attributes
    ----------
    shape, mapping, pixels
        Layer, mapping, and the pixels of each ofmap row in which the stage may compute.
    costs
        Of the passes; arrays that broadcast to (2, groups, filter tiles, strips, image tiles), with the full tiles of
        channels first and then the partial one.
    present
        int64 (groups, filter tiles, strips, image tiles): 1 where a pass has work.
    sets
        The filter tiles that share an ifmap strip.
    """

    shape: ConvShape
    mapping: PassParameters
    pixels: Pixels
    costs: PassCosts
    present: Ints
    sets: FilterSets

    @property
    def strip_words(self) -> Ints:
        """Words of each ifmap strip that DRAM gives, per channel: int64 (strips, image tiles)."""
        shape, mapping = self.shape, self.mapping
        rows = strips_of(shape, mapping.e, self.pixels).read
        return rows[:, np.newaxis] * tiles(shape.N, mapping.n) * shape.W

    @property
    def ifmap_words(self) -> int:
        """Words of ifmap strips that DRAM gives, not coded: each strip once for the passes of a set that have work."""
        busy = self.sets.sums(self.present) > 0
        return int((busy * self.strip_words).sum()) * self.shape.C_per_group

    @property
    def channel_tiles(self) -> Ints:
        """Number of full tiles of channels, and of partial ones."""
        return tile_classes(self.shape.C_per_group, np.array(self.mapping.q * self.mapping.r))[1]


def pass_tiles(passes: StagePasses, ifmap_dram_words: int) -> Tiles:
    """List every pass of the stage that has work, in order; DRAM gives so many words of ifmaps, as it holds them."""
    shape, present = passes.shape, passes.present
    groups, sets, strips, image_tiles = passes.sets.ends.shape
    merge = _blocks_as_tiles if present.size * passes.channel_tiles.sum() > MOST_TILES else _passes_as_tiles
    work = merge(passes)
    table = tile_table(
        work.cycles,
        ifmap=shared_out(ifmap_dram_words, work.ifmap),
        filters=work.filter,
        psums=work.returning,
        spilled=work.spilled,
        outputs=work.outputs,
        block=work.block,
    )
    return Tiles(
        table,
        blocks=groups * sets * strips * image_tiles,
        reach=_reach(stage_rows(shape, passes.pixels), passes.mapping.e, (groups * sets, strips, image_tiles)),
        visits=strips * image_tiles,
        free_words=passes.sets.free_words,
    )


class _Work(NamedTuple):
    """Cycles, words, finished outputs and block of each tile: int64 (tiles,)."""

    cycles: Ints
    ifmap: Ints  # not coded
    filter: Ints
    returning: Ints
    spilled: Ints
    outputs: Ints
    block: Ints


def _passes_as_tiles(passes: StagePasses) -> _Work:
    """Make a tile of each pass."""
    present, costs = passes.present, passes.costs
    grid = (2, *present.shape)
    channels = tiles(passes.shape.C_per_group, passes.mapping.q * passes.mapping.r)
    strip_words = passes.strip_words[:, :, np.newaxis] * channels
    order = np.empty((5, int(present.sum()) * len(channels)), dtype=np.int64)
    order_passes(present, passes.sets.ends, int(passes.channel_tiles[0]), strip_words, order)
    cost, block, ifmap, begins, finishes = order
    cycles, filters, psums, overflow = (
        np.broadcast_to(words, grid).reshape(-1)[cost]
        for words in (costs.cycles, costs.filter, costs.psum, passes.sets.overflow)
    )
    return _Work(cycles, ifmap, filters, overflow * (1 - begins), overflow * (1 - finishes), psums * finishes, block)


def _blocks_as_tiles(passes: StagePasses) -> _Work:
    """Make a tile of all passes of a block."""
    present, costs, sets = passes.present, passes.costs, passes.sets
    grid = (2, *present.shape)
    busy = sets.sums(present).reshape(-1) > 0
    times = passes.channel_tiles[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]

    def by_block(per_pass: Ints) -> Ints:
        return sets.sums(per_pass * present).reshape(-1)[busy]

    cycles, filters = (
        by_block((np.broadcast_to(values, grid) * times).sum(axis=0)) for values in (costs.cycles, costs.filter)
    )
    outputs = by_block(np.broadcast_to(costs.psum, grid)[0])
    ifmap = np.broadcast_to(passes.strip_words * passes.shape.C_per_group, sets.ends.shape).reshape(-1)
    spilled = by_block(sets.overflow * (int(times.sum()) - 1))
    return _Work(cycles, ifmap[busy], filters, spilled, spilled, outputs, np.flatnonzero(busy).astype(np.int64))


def _reach(rows: Ints, e: int, blocks: tuple[int, int, int]) -> Ints:
    """Return the last block whose outputs the predictor sees, for every block: strips further down, same filters.

    `rows` are those of the stage; `blocks` are numbered (sets of filters, strips, image tiles).
    """
    last_rows = rows[np.minimum(np.arange(1, blocks[1] + 1) * e, len(rows)) - 1]
    below = (np.searchsorted(rows, last_rows + _WINDOW_ROWS, side="right") - 1) // e
    numbers = np.arange(int(np.prod(blocks)), dtype=np.int64).reshape(blocks)
    return np.ascontiguousarray(numbers[:, below]).reshape(-1)
