"""Which filters share a pass and a PE column, so that the columns of a pass have about as much to do.

A pass takes as long as its busiest PE column. The order of a layer's filters is free: it is settled with the weights,
and the next layer's channels follow it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.equations import tiles
from zapsim.workload import ConvShape


def by_density(shape: ConvShape, mapping: PassParameters, kept_rows: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the order in which filters are dealt to passes and columns: intp (K,).

    Within each group the filters with most outputs left come first, so that those of a pass are alike; within a pass
    they are dealt to the columns to and fro, so that no column gets all of the first.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    kept_rows
        int32 (N, P, K): outputs to compute in each ofmap row. Their sum stands for the density that is known when the
        weights are laid out, so this is the best that a static order can do.
    """
    densities = kept_rows.sum(axis=(0, 1), dtype=np.int64).reshape(shape.groups, shape.K_per_group)
    densest_first = np.argsort(-densities, axis=1, kind="stable")
    first_filters = np.arange(0, shape.K, shape.K_per_group)[:, np.newaxis]
    filters_of_pass = tiles(shape.K_per_group, mapping.p * mapping.t)
    starts = np.cumsum(filters_of_pass) - filters_of_pass
    places = np.concatenate(
        [start + _to_and_fro(int(size), mapping.t) for start, size in zip(starts, filters_of_pass, strict=True)]
    )
    order = np.empty_like(densest_first)
    order[:, places] = densest_first + first_filters
    return order.ravel()


@lru_cache(maxsize=1024)
def _to_and_fro(filters: int, columns: int) -> NDArray[np.intp]:
    """Return the places of a pass in the order in which they are filled: a round over all columns, the next back."""
    share = -(-filters // columns)
    column, turn = np.divmod(np.arange(filters), share)
    return np.lexsort((np.where(turn % 2, -column, column), turn))
