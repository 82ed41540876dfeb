"""The strips of an output-lanes stage one after another, with what DRAM brings for each.

A tile is one ofmap row (of every image after the other) of a block of filters that are at work together. Lanes do not
keep to such borders: what the stage takes is spread over its tiles in proportion to their outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.arrays.lanes.work import Ints, LaneWork
from zapsim.arrays.tiles import Tiles, even_shares, shared_out, tile_table
from zapsim.workload import ConvShape

MOST_TILES = 2**12
"""Tiles that are told apart; where there would be more, a tile is several rows."""


@dataclass(frozen=True, slots=True)
class DramWords:
    """Words from DRAM in a stage; once: they come when first used and stay, else they come along with the work."""

    ifmap: int
    ifmap_once: bool
    filters: int
    filters_once: bool
    free_words: int


def no_tiles(shape: ConvShape, work: LaneWork, glb_words: int) -> Tiles:
    """Build the tiles of a stage without work."""
    return strip_tiles(shape, work, DramWords(0, True, 0, True, glb_words), 0)


def strip_tiles(shape: ConvShape, work: LaneWork, dram: DramWords, cycles: int) -> Tiles:
    """List the tiles of the stage that have work, in order: blocks of filters, and ofmap rows in them.

    Parameters
    ----------
    shape, work
        The layer, and the lanes' work.
    dram
        What DRAM brings.
    cycles
        Cycles of the stage.
    """
    starts = np.arange(0, shape.K, min(work.mapping.whole.filters, shape.K))
    in_block: Ints = np.add.reduceat(work.per_filter, starts)
    used: Ints = np.add.reduceat((work.per_filter > 0).astype(np.int64), starts)
    busy = np.flatnonzero(in_block)
    rows = max(1, min(shape.N * shape.P, MOST_TILES // len(starts)))
    strips = np.minimum(rows, in_block[busy])
    block = np.repeat(busy, strips)
    first = np.zeros(len(block), dtype=np.int64)
    first[np.cumsum(strips) - strips] = 1
    outputs = even_shares(in_block[busy], strips)
    group = starts[busy] // shape.K_per_group
    opens_group = np.repeat(np.diff(group, prepend=-1) > 0, strips)
    ifmap_weights = np.where(
        opens_group | (not dram.ifmap_once), np.repeat(np.max(strips, initial=1) // strips, strips), 0
    )
    filter_weights = first * np.repeat(used[busy], strips) if dram.filters_once else outputs
    none = np.zeros_like(outputs)
    table = tile_table(
        shared_out(cycles, outputs),
        ifmap=shared_out(dram.ifmap, ifmap_weights),
        filters=shared_out(dram.filters, filter_weights),
        psums=none,
        spilled=none,
        outputs=outputs,
        block=block,
    )
    return Tiles(
        table,
        blocks=len(starts),
        reach=np.arange(len(starts), dtype=np.int64),
        visits=1,
        free_words=max(dram.free_words, 0),
        ifmap_stays=dram.ifmap_once,
    )
