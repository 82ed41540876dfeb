"""Whole numbers divided into parts that differ by at most one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def even_shares(totals: NDArray[np.int64], parts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Divide each total into its parts, so that the first i parts sum to floor(i · total / parts).

    Parameters
    ----------
    totals, parts
        int64 (n,), not negative: what is divided, and into how many parts.
    out
        int64 (sum of parts,), overwritten: the parts of the first total, then those of the next.
    """
    position = 0
    for i in range(totals.shape[0]):
        count = parts[i]
        if count == 0:
            continue
        quotient = totals[i] // count
        remainder = totals[i] - quotient * count
        # As Bresenham's line: a part gets one more whenever the sum of the remainders passes `count`.
        error = 0
        for _ in range(count):
            error += remainder
            if error >= count:
                error -= count
                out[position] = quotient + 1
            else:
                out[position] = quotient
            position += 1
