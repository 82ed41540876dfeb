"""When falling sums become negative: one output after another, one product after another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

_BLOCK_VALUES = 2**16  # of windows that stay in the cache while all filters pass


@kernel
def falling_macs(
    windows: NDArray[np.float64],
    order: NDArray[np.int64],
    weights: NDArray[np.float64],
    rising: NDArray[np.int64],
    sums: NDArray[np.float64],
    out: NDArray[np.uint16 | np.uint32],
) -> None:
    """Count the MACs of every output until its sum is negative for good.

    Parameters
    ----------
    windows
        float64 (outputs, MACs): inputs, none of them negative.
    order
        int64 (filters, MACs): places of a filter's weights by rising weight: falling the sum most comes first.
    weights
        float64 (filters, MACs): the weights in that order.
    rising
        int64 (filters,): how many weights are positive.
    sums
        float64 (outputs, filters): start plus all positive products.
    out
        unsigned (outputs, filters), overwritten: MACs, positive ones first, with a look at the sign after each from
        the last positive one on; all of them if the sum never is negative.
    """
    outputs, most = windows.shape
    block = max(1, _BLOCK_VALUES // most)
    for first in range(0, outputs, block):
        for k in range(order.shape[0]):
            falling = most - rising[k]
            for i in range(first, min(first + block, outputs)):
                total = sums[i, k]
                done = 0
                if not (rising[k] > 0 and total < 0):
                    while done < falling:
                        total += weights[k, done] * windows[i, order[k, done]]
                        done += 1
                        if total < 0:
                            break
                out[i, k] = rising[k] + done
