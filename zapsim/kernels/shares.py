"""Whole numbers divided into parts that differ by one at most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def even_shares(totals: NDArray[np.int64], parts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Divide each total into its parts: the first i parts have floor(i · total / parts) together.

    Parameters
    ----------
    totals, parts
        int64 (n,), not negative.
    out
        int64 (sum of parts,), overwritten.
    """
    place = 0
    for i in range(totals.shape[0]):
        count = parts[i]
        if count == 0:
            continue
        each = totals[i] // count
        rest = totals[i] - each * count
        over = 0
        for _ in range(count):
            over += rest
            more = over >= count
            if more:
                over -= count
            out[place] = each + 1 if more else each
            place += 1
