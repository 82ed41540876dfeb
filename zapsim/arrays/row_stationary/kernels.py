"""How the outputs that are left spread over the PEs of each row-stationary pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def pass_work(
    kept: NDArray[np.int32],
    groups: int,
    tile: tuple[int, int, int, int],
    paired: bool,
    slowest: NDArray[np.int64],
    total: NDArray[np.int64],
) -> None:
    """Find the work of the busiest PE column and of all PE columns, for every residency of psums on the array.

    A PE column owns one ofmap row, or two, and p filters; the filters of a pass are dealt in order to t columns, evenly
    if there are fewer than p · t. The same work is repeated for every tile of channels, so these are not an axis.

    Parameters
    ----------
    kept
        int32 (N, P, K): outputs to compute in each ofmap row.
    groups
        Groups of the convolution; K is a multiple.
    tile
        (n, e, p, t): images and ofmap rows of a pass, filters of a PE, columns of filters.
    paired
        Whether a PE column works on two rows of a strip, one of its upper and one of its lower half.
    slowest
        int64 (groups, ceil(K / groups / (p · t)), ceil(P / e), ceil(N / n)), overwritten: outputs of the busiest
        column, summed over the images of the pass.
    total
        int64, same shape, overwritten: outputs of all columns.
    """
    images, rows, channels = kept.shape
    n, e, p, t = tile
    filters = channels // groups
    _, filter_tiles, strips, image_tiles = slowest.shape
    for g in range(groups):
        for f in range(filter_tiles):
            first = g * filters + f * p * t
            last = min(first + p * t, (g + 1) * filters)
            share = (last - first + t - 1) // t
            for s in range(strips):
                for i in range(image_tiles):
                    most = 0
                    everything = 0
                    top, bottom = s * e, min(s * e + e, rows)
                    columns = (bottom - top + 1) // 2 if paired else bottom - top
                    for y in range(top, top + columns):
                        below = y + columns
                        for start in range(first, last, share):
                            work = 0
                            for image in range(i * n, min(i * n + n, images)):
                                for k in range(start, min(start + share, last)):
                                    work += kept[image, y, k]
                                    if below < bottom:
                                        work += kept[image, below, k]
                            most = max(most, work)
                            everything += work
                    slowest[g, f, s, i] = most
                    total[g, f, s, i] = everything
