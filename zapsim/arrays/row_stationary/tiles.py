"""The passes of a row-stationary stage one after another, with what DRAM brings for each.

Order (JSSC 2017, section V; which loop is outermost is ours): groups, then sets of m filters whose psums stay in the
GLB, then strips of ofmap rows, then images, then tiles of channels, then the passes of the m filters. So an ifmap strip
is loaded once for m filters, and filters once for every strip and tile of images. What comes before the tiles of
channels is a block: its outputs are finished together.
"""

from __future__ import annotations

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.equations import PassCosts
from zapsim.arrays.row_stationary.kernels import order_passes
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    Resources,
    glb_strips,
    pass_grid,
    strip_rows,
    tile_classes,
    tiles,
)
from zapsim.arrays.tiles import Tiles, shared_out
from zapsim.workload import ConvShape

MOST_TILES = 2**17
"""Passes that are told apart; in a stage with more, all passes of a block are one tile."""

_WINDOW_ROWS = 2
"""Rows above and below an output that its predictor sees: two 3×3 kernels, one after the other."""


def pass_tiles(
    shape: ConvShape,
    array: Resources,
    mapping: PassParameters,
    costs: PassCosts,
    present: Ints,
    ifmap_dram_words: int,
) -> Tiles:
    """List every pass of the stage that has work, in order.

    Parameters
    ----------
    shape, array, mapping
        Layer, array and mapping.
    costs
        Of the passes; arrays that broadcast to (2, groups, filter tiles, strips, image tiles), with the full tiles of
        channels first and then the partial one.
    present
        bool (groups, filter tiles, strips, image tiles): the passes that have work.
    ifmap_dram_words
        Words of ifmaps that DRAM gives, as it holds them.
    """
    filter_tiles, strips, image_tiles = pass_grid(shape, mapping)
    tiles_per_set = mapping.m // (mapping.p * mapping.t)
    sets = -(-filter_tiles // tiles_per_set)
    blocks = shape.groups * sets * strips * image_tiles
    classes = tile_classes(shape.C_per_group, np.array(mapping.q * mapping.r))[1]  # full and partial tiles of channels
    passes = blocks * int(classes.sum()) * tiles_per_set
    merge = _blocks_as_tiles if passes > MOST_TILES else _passes_as_tiles
    cycles, ifmap, filters, outputs, block = merge(shape, mapping, costs, present, classes)
    ifmap_strip, psum_strip = (int(words) for words in glb_strips(shape, np.array(mapping.e), array))
    none = np.zeros_like(cycles)
    return Tiles(
        cycles=cycles,
        ifmap_words=shared_out(ifmap_dram_words, ifmap),
        filter_words=filters,
        psum_words=none,
        spilled_words=none,
        outputs=outputs,
        block=block,
        blocks=blocks,
        reach=_reach(mapping, (shape.groups * sets, strips, image_tiles)),
        visits=strips * image_tiles,
        free_words=array.glb_words - mapping.n * (mapping.q * mapping.r * ifmap_strip + mapping.m * psum_strip),
    )


def _passes_as_tiles(
    shape: ConvShape, mapping: PassParameters, costs: PassCosts, present: Ints, classes: Ints
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return cycles, plain ifmap words, filter words, finished outputs and block of each pass: int64 (passes,)."""
    grid = (2, *present.shape)
    channels = tiles(shape.C_per_group, mapping.q * mapping.r)
    strip_words = _strip_words(shape, mapping)[:, :, np.newaxis] * channels
    order = np.empty((4, int(present.sum()) * len(channels)), dtype=np.int64)
    order_passes(present, mapping.m // (mapping.p * mapping.t), int(classes[0]), strip_words, order)
    cost, block, ifmap, finishes = order
    cycles, filters, psums = (
        np.broadcast_to(words, grid).reshape(-1)[cost] for words in (costs.cycles, costs.filter, costs.psum)
    )
    return cycles, ifmap, filters, psums * finishes, block


def _blocks_as_tiles(
    shape: ConvShape, mapping: PassParameters, costs: PassCosts, present: Ints, classes: Ints
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return what :func:`_passes_as_tiles` does, with all passes of a block as one tile: int64 (blocks with work,)."""
    grid = (2, *present.shape)
    first_tiles = np.arange(0, present.shape[1], mapping.m // (mapping.p * mapping.t))
    busy = np.add.reduceat(present, first_tiles, axis=1).reshape(-1) > 0
    times = classes[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]

    def by_block(per_pass: Ints) -> Ints:
        return np.asarray(np.add.reduceat(per_pass * present, first_tiles, axis=1).reshape(-1)[busy], dtype=np.int64)

    cycles, filters = (
        by_block((np.broadcast_to(values, grid) * times).sum(axis=0)) for values in (costs.cycles, costs.filter)
    )
    outputs = by_block(np.broadcast_to(costs.psum, grid)[0])
    ifmap = np.tile((_strip_words(shape, mapping) * shape.C_per_group).reshape(-1), shape.groups * len(first_tiles))
    return cycles, ifmap[busy], filters, outputs, np.flatnonzero(busy).astype(np.int64)


def _strip_words(shape: ConvShape, mapping: PassParameters) -> Ints:
    """Count the ifmap words of each strip, per channel: int64 (strips, image tiles)."""
    return strip_rows(shape, mapping.e)[:, np.newaxis] * tiles(shape.N, mapping.n) * shape.W


def _reach(mapping: PassParameters, blocks: tuple[int, int, int]) -> Ints:
    """Return the last block whose outputs the predictor sees, for every block: strips further down, same filters.

    `blocks` are numbered (sets of filters, strips, image tiles).
    """
    _, strips, _ = blocks
    below = np.minimum(np.arange(strips) + -(-_WINDOW_ROWS // mapping.e), strips - 1)
    numbers = np.arange(int(np.prod(blocks)), dtype=np.int64).reshape(blocks)
    return np.ascontiguousarray(numbers[:, below]).reshape(-1)
