"""Early exit: the MAC after which the falling sum of an output is negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

_BLOCK_VALUES = 2**16  # values of the windows that stay in the CPU's cache while all filters pass over them


@kernel
def falling_macs(
    windows: NDArray[np.float64],
    order: NDArray[np.int64],
    weights: NDArray[np.float64],
    rising: NDArray[np.int64],
    sums: NDArray[np.float64],
    out: NDArray[np.uint16 | np.uint32],
) -> None:
    """Count the MACs of every output until its sum is negative and can only fall.

    Parameters
    ----------
    windows
        float64 (outputs, MACs): the inputs of each output, none of them negative.
    order
        int64 (filters, MACs): positions of each filter's weights in rising order, the most negative weight first.
    weights
        float64 (filters, MACs): the weights in that order.
    rising
        int64 (filters,): number of positive weights.
    sums
        float64 (outputs, filters): bias and all positive products.
    out
        unsigned (outputs, filters), overwritten: the MACs of each output. Positive products come first; from the last
        of them on, the sign is checked after each MAC. An output whose sum never is negative takes all MACs.
    """
    outputs, macs = windows.shape
    block = max(1, _BLOCK_VALUES // macs)
    for first in range(0, outputs, block):
        for k in range(order.shape[0]):
            falling = macs - rising[k]
            for i in range(first, min(first + block, outputs)):
                total = sums[i, k]
                taken = 0  # MACs with weights that are not positive
                # Without a positive weight, the first check is after the first MAC, whatever the bias.
                if rising[k] == 0 or not total < 0:
                    while taken < falling:
                        total += weights[k, taken] * windows[i, order[k, taken]]
                        taken += 1
                        if total < 0:
                            break
                out[i, k] = rising[k] + taken
