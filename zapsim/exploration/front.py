"""The Pareto front: the designs that no other is at least as good as in everything and better in something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def front(costs: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[int]:
    """Return the indices of the designs on the front, in their order; equal ones are all on it.

    Parameters
    ----------
    costs
        Of each design, what each objective is to have little of.
    """
    if not len(costs):
        return []
    values = np.asarray(costs, dtype=np.float64)
    distinct, place = np.unique(values, axis=0, return_inverse=True)
    kept = _front_of_sorted(distinct)
    return [int(index) for index in np.flatnonzero(kept[place.reshape(-1)])]


def _front_of_sorted(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows no other dominates; rows are distinct and sorted, so that none dominates an earlier one."""
    kept = np.zeros(len(values), dtype=np.bool_)
    members = np.empty((0, values.shape[1]))
    for index, row in enumerate(values):
        if not (members <= row).all(axis=1).any():
            kept[index] = True
            members = np.vstack([members, row])
    return kept
