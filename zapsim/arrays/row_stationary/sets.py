"""Sets of filters: the filter tiles whose psums stay in the GLB together, for which an ifmap strip is loaded once.

With full psums a set has m filters in every strip. With compact ones, stage B's sets are filled at run time, from the
mask: filter tiles are taken in order until the psums that the strip really makes, and the pointers to them, would be
more words than the n · q · r ifmap strips leave of the GLB. What a controller needs for it is the number of outputs
of each filter in each ofmap row, which the predictor counts as it writes the mask. If a filter tile alone is too much,
what does not fit goes to DRAM after each tile of channels, and comes back for the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.kernels import fill_sets
from zapsim.arrays.row_stationary.mapping import Ints, Resources
from zapsim.arrays.row_stationary.strips import Stage, glb_strips
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True, eq=False)
class FilterSets:
    """Which filter tiles are in a set.

    Attributes
    ----------
    ends
        int64 (groups, sets, strips, image tiles): the filter tile after the last one of a set, which begins where the
        set before it ends. Strips may have empty sets at their end.
    free_words
        Words of the GLB that remain free throughout.
    overflow
        int64 (groups, filter tiles, strips, image tiles): psums of each residency that do not fit; without filter
        tiles: all fit.
    """

    ends: Ints
    free_words: int
    overflow: Ints


NO_OVERFLOW: Final = np.zeros((1, 0, 1, 1), dtype=np.int64)


def filter_sets(
    shape: ConvShape, array: Resources, mapping: PassParameters, stage: Stage, outputs: Ints, pointers: Ints
) -> FilterSets:
    """Form the sets of a stage.

    Parameters
    ----------
    shape, array, mapping, stage
        What is mapped where.
    outputs
        int64 (groups, filter tiles, strips, image tiles): psums that each residency makes.
    pointers
        Words that point to them, broadcast to the same.
    """
    ifmap_strip, _, _ = glb_strips(shape, mapping.e, array, stage)
    room = array.glb_words - mapping.n * mapping.q * mapping.r * ifmap_strip
    if array.compact and stage.by_mask:
        ends, most = np.empty(outputs.shape, dtype=np.int64), np.empty(2, dtype=np.int64)
        words = outputs + pointers * (outputs > 0)
        room //= array.psum_strips
        fill_sets(words, room, ends, most)
        free_words = array.psum_strips * max(room - int(most[1]), 0)
        return FilterSets(np.ascontiguousarray(ends[:, : most[0]]), free_words, np.maximum(words - room, 0))
    return even_sets(shape, array, mapping, stage, outputs.shape)


def even_sets(
    shape: ConvShape, array: Resources, mapping: PassParameters, stage: Stage, passes: tuple[int, ...]
) -> FilterSets:
    """Form the sets of a stage whose psums are not compact: m filters each, whatever the mask.

    `passes` are the groups, filter tiles, strips and image tiles; the other parameters are those of
    :func:`filter_sets`.
    """
    ifmap_strip, psum_strip, _ = glb_strips(shape, mapping.e, array, stage)
    room = array.glb_words - mapping.n * mapping.q * mapping.r * ifmap_strip
    ends = _even_ends(passes, mapping.m // (mapping.p * mapping.t))
    return FilterSets(ends, room - mapping.n * mapping.m * psum_strip, NO_OVERFLOW)


@lru_cache(maxsize=1024)
def _even_ends(passes: tuple[int, ...], tiles_per_set: int) -> Ints:
    """Return the ends of sets that all have the same number of filter tiles, but the last one."""
    groups, filter_tiles, strips, image_tiles = passes
    sets = np.arange(1, -(-filter_tiles // tiles_per_set) + 1)
    of_set = np.minimum(sets * tiles_per_set, filter_tiles)[:, np.newaxis, np.newaxis]
    # A copy may be written to, as all other arrays: kernels are compiled once more for one that may not.
    return np.broadcast_to(of_set, (groups, len(sets), strips, image_tiles)).copy()
