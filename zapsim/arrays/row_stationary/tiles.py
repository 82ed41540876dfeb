"""The passes of a row-stationary stage one after another, with what DRAM brings for each.

Order (JSSC 2017, section V; which loop is outermost is ours): groups, then sets of filters whose psums stay in the GLB
(m of them, if psums are full), then strips of ofmap rows, then images, then tiles of channels, then the passes of the
set. So an ifmap strip is loaded once for a set, and filters once for every strip and tile of images. What comes before
the tiles of channels is a block: its outputs are finished together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import Ints, ceil, ifmap_columns, tiles
from zapsim.arrays.row_stationary.pass_kernels import SUMS, pass_table
from zapsim.arrays.row_stationary.sets import FilterSets
from zapsim.arrays.row_stationary.strips import Pixels, stage_rows, strips_of
from zapsim.arrays.tiles import Tiles
from zapsim.workload import ConvShape

MOST_TILES = 2**17
"""Passes that are told apart; in a stage with more, all passes of a block are one tile."""

_WINDOW_ROWS = 2
"""Rows above and below an output that its predictor sees: two 3×3 kernels, one after the other."""


E, STREAMED, FIRST, MASKED, POINTED = range(5)
"""Rows of :attr:`LayerSizes.strips`."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerSizes:
    """What the tiles of each dimension of a layer hold.

    Attributes
    ----------
    filters, images
        int64 (filter tiles,) and (image tiles,): filters and images of each.
    filter_columns
        int64 (filter tiles,): columns of PEs to which its filters are dealt.
    channels
        int64 (2, 2): channels and number of the full tiles, and of the partial one.
    strips
        int64 (5, strips): as in :class:`zapsim.arrays.row_stationary.mapping.PassSizes`; none waits for a mask.
    strip_words
        int64 (strips, image tiles): words of each ifmap strip that DRAM gives, per channel.
    columns
        Ifmap columns that a row of the ofmap reads.
    channel_tiles
        Tiles of channels, the partial one included.
    """

    filters: Ints
    images: Ints
    filter_columns: Ints
    channels: Ints
    strips: Ints
    strip_words: Ints
    columns: int
    channel_tiles: int


@lru_cache(maxsize=1024)
def layer_sizes(
    shape: ConvShape, mapping: PassParameters, rows_per_column: int = 1, pixels: Pixels = None
) -> LayerSizes:
    """Cut a layer, of which a stage computes some `pixels` of each ofmap row, into tiles."""
    filters, images = tiles(shape.K_per_group, mapping.p * mapping.t), tiles(shape.N, mapping.n)
    strips, read = _strips(shape, mapping.e, pixels, rows_per_column)
    full, rest = divmod(shape.C_per_group, mapping.q * mapping.r)
    channel_tiles = full + min(rest, 1)
    return LayerSizes(
        filters,
        images,
        ceil(filters, ceil(filters, mapping.t)),
        np.array([[mapping.q * mapping.r, rest], [full, channel_tiles - full]], dtype=np.int64),
        strips,
        read[:, np.newaxis] * images * shape.W,
        ifmap_columns(shape),
        channel_tiles,
    )


@lru_cache(maxsize=256)
def _strips(shape: ConvShape, e: int, pixels: Pixels, rows_per_column: int) -> tuple[Ints, Ints]:
    """Return the strips of :class:`LayerSizes`, and how many ifmap rows of each DRAM gives."""
    strips = strips_of(shape, e, pixels, rows_per_column)
    none = np.zeros_like(strips.e)
    return np.stack([strips.e, strips.streamed, strips.first, none, none]), strips.read


@dataclass(frozen=True, slots=True, eq=False)
class StagePasses:
    """The passes of a stage.

    Attributes
    ----------
    shape, mapping, pixels
        Layer, mapping, and the pixels of each ofmap row in which the stage may compute.
    sizes
        What the tiles of each dimension hold.
    psums
        int64 (groups, filter tiles, strips, image tiles): outputs of each pass; without any, it has no work.
    cycles
        int64 (2, groups, filter tiles, strips, image tiles): with the full tiles of channels, and the partial one.
    sums
        What :func:`zapsim.arrays.row_stationary.pass_kernels.pass_sums` adds up over all of them.
    sets
        The filter tiles that share an ifmap strip.
    """

    shape: ConvShape
    mapping: PassParameters
    pixels: Pixels
    sizes: LayerSizes
    psums: Ints
    cycles: Ints
    sums: Ints
    sets: FilterSets

    @property
    def with_work(self) -> int:
        """How many residencies of psums have work."""
        return int(self.sums[_RESIDENCIES])


_RESIDENCIES = SUMS.index("residencies")


def pass_tiles(passes: StagePasses, coded_words: int | None) -> Tiles:
    """List every pass of the stage that has work, in order; DRAM holds the whole ifmap in so many words (None: plain).

    A strip takes its share of the coded map, as if zeros were spread evenly over it.
    """
    shape, sizes, sets = passes.shape, passes.sizes, passes.sets
    groups, in_group, strips, image_tiles = sets.ends.shape
    merged = passes.psums.size * sizes.channel_tiles > MOST_TILES
    table = np.empty((7, sets.ends.size if merged else passes.with_work * sizes.channel_tiles), dtype=np.int64)
    count = pass_table(
        sizes.filters, sizes.channels, shape.R * shape.S, sets.ends, sizes.strip_words, passes.psums, sets.overflow,
        passes.cycles, -1 if coded_words is None else coded_words, shape.ifmap_words, merged, table,
    )  # fmt: skip
    if count < table.shape[1]:
        table = table[:, :count].copy()
    return Tiles(
        table,
        blocks=sets.ends.size,
        reach=_reach(shape, passes.pixels, passes.mapping.e, (groups * in_group, strips, image_tiles)),
        visits=strips * image_tiles,
        free_words=sets.free_words,
    )


@lru_cache(maxsize=1024)
def _reach(shape: ConvShape, pixels: Pixels, e: int, blocks: tuple[int, int, int]) -> Ints:
    """Return the last block whose outputs the predictor sees, for every block: strips further down, same filters.

    `blocks` are numbered (sets of filters, strips, image tiles).
    """
    rows = stage_rows(shape, pixels)
    last_rows = rows[np.minimum(np.arange(1, blocks[1] + 1) * e, len(rows)) - 1]
    below = (np.searchsorted(rows, last_rows + _WINDOW_ROWS, side="right") - 1) // e
    numbers = np.arange(int(np.prod(blocks)), dtype=np.int64).reshape(blocks)
    return np.ascontiguousarray(numbers[:, below]).reshape(-1)
