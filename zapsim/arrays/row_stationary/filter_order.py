"""The order in which filters are dealt to passes and PE columns, from how many outputs each has to compute."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import tiles
from zapsim.workload import ConvShape


def by_density(shape: ConvShape, mapping: PassParameters, rows: NDArray[np.int32]) -> NDArray[np.intp]:
    """Order filters by density, as they are dealt to passes and columns: intp (K,).

    Within each group the filters with the most outputs come first, so that those of a pass are alike; within a pass
    they are dealt to the columns to and fro, so that no column gets all of the first.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    rows
        int32 (N, P, K): outputs to compute in each ofmap row. Their sum stands for the density that is known when the
        weights are laid out, so this is a bound of what a static order can do.
    """
    densities = rows.sum(axis=(0, 1), dtype=np.int64).reshape(shape.groups, shape.K_per_group)
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
    """List the places of a pass in the order in which they are filled: a round over all columns, the next one back."""
    share = -(-filters // columns)
    column, turn = np.divmod(np.arange(filters), share)
    return np.lexsort((np.where(turn % 2, -column, column), turn))


def dealt_evenly(shape: ConvShape, mapping: PassParameters, rows: NDArray[np.int32]) -> NDArray[np.intp]:
    """Order filters so that all PE columns of all passes get about the same work: intp (K,).

    Within each group the filters with the most outputs come first and are dealt to and fro over the columns of all
    passes that are needed for filters with any output; those without follow in passes of their own.

    Parameters
    ----------
    shape, mapping, rows
        As for :func:`by_density`.
    """
    densities = rows.sum(axis=(0, 1), dtype=np.int64).reshape(shape.groups, shape.K_per_group)
    pt = mapping.p * mapping.t
    order = np.empty((shape.groups, shape.K_per_group), dtype=np.intp)
    for group, outputs in enumerate(densities):
        densest_first = np.argsort(-outputs, kind="stable")
        dealt = min(max(-(-int((outputs > 0).sum()) // pt), 1) * pt, shape.K_per_group)
        places = np.concatenate([_columns_in_turn(dealt, pt, mapping.t), np.arange(dealt, shape.K_per_group)])
        order[group, places] = densest_first + group * shape.K_per_group
    return order.ravel()


@lru_cache(maxsize=1024)
def _columns_in_turn(filters: int, pt: int, columns: int) -> NDArray[np.intp]:
    """List the places of the passes' filters in the order in which they are filled: to and fro over all columns."""
    place = np.arange(filters)
    in_pass = np.minimum(pt, filters - place // pt * pt)
    share = -(-in_pass // columns)
    column, turn = np.divmod(place % pt, share)
    column += place // pt * columns
    return np.lexsort((np.where(turn % 2, -column, column), turn))


ORDERS: Final = {"filter-sort": by_density, "filter-deal": dealt_evenly}
"""The orders of filters, by the value of ``balance``."""
