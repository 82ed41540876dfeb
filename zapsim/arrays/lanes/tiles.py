"""The strips of an output-lanes stage one after another, with what DRAM brings for each.

A tile is one ofmap row (of every image after the other) of a block of filters that are at work together. Lanes do not
keep to such borders: what the stage takes is spread over its tiles in proportion to their outputs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.lanes.use_kernels import strip_table
from zapsim.arrays.lanes.work import LaneWork
from zapsim.arrays.tiles import Tiles
from zapsim.workload import ConvShape

MOST_TILES = 2**12
"""Tiles that are told apart; where there would be more, a tile is several rows."""


class DramWords(NamedTuple):
    """Words from DRAM in a stage; once: they come when first used and stay, else they come along with the work."""

    ifmap: int
    ifmap_once: bool
    filters: int
    filters_once: bool
    free_words: int


def no_tiles(shape: ConvShape, work: LaneWork, glb_words: int) -> Tiles:
    """Build the tiles of a stage without work."""
    return strip_tiles(shape, work, DramWords(0, True, 0, True, glb_words), 0)


@lru_cache(maxsize=256)
def _each_alone(blocks: int) -> NDArray[np.int64]:
    """Return the reach of blocks whose predictor sees no other block."""
    return np.arange(blocks, dtype=np.int64)


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
    in_block = min(work.mapping.whole.filters, shape.K)
    blocks = -(-shape.K // in_block)
    rows = max(1, min(shape.N * shape.P, MOST_TILES // blocks))
    sizes, totals = (in_block, shape.K_per_group, rows), (cycles, dram.ifmap, dram.filters)
    table = strip_table(work.per_filter, sizes, dram.ifmap_once, dram.filters_once, totals)
    return Tiles(
        table,
        blocks=blocks,
        reach=_each_alone(blocks),
        visits=1,
        free_words=max(dram.free_words, 0),
        ifmap_stays=dram.ifmap_once,
    )
