"""How demanded outputs spread over the PEs of each row-stationary pass, and in which order passes run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel


@kernel
def pass_work(
    ends: NDArray[np.int32],
    groups: int,
    tile: tuple[int, int, int, int],
    paired: bool,
    slowest: NDArray[np.int64],
    total: NDArray[np.int64],
) -> None:
    """Count the outputs of the busiest PE column and of all PE columns, for every residency of psums on the array.

    A PE column owns one ofmap row, or two, and p filters; the filters of a pass are dealt in order to t columns, evenly
    if there are fewer than p · t. The same work is repeated for every tile of channels, so these are not an axis.

    Parameters
    ----------
    ends
        int32 (N, rows, K + 1): outputs of the first k filters to compute in each ofmap row in which the stage may
        compute.
    groups
        Groups of the convolution; K is a multiple.
    tile
        (n, e, p, t): images and ofmap rows of a pass, filters of a PE, columns of filters.
    paired
        Whether a PE column works on two rows of a strip, one of its upper and one of its lower half.
    slowest
        int64 (groups, ceil(K / groups / (p · t)), ceil(rows / e), ceil(N / n)), overwritten: outputs of the busiest
        column, summed over the images of the pass.
    total
        int64, same shape, overwritten: outputs of all columns.
    """
    images, rows, channels = ends.shape[0], ends.shape[1], ends.shape[2] - 1
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
                            end = min(start + share, last)
                            for image in range(i * n, min(i * n + n, images)):
                                work += ends[image, y, end] - ends[image, y, start]
                                if below < bottom:
                                    work += ends[image, below, end] - ends[image, below, start]
                            most = max(most, work)
                            everything += work
                    slowest[g, f, s, i] = most
                    total[g, f, s, i] = everything


@kernel
def fill_sets(words: NDArray[np.int64], room: int, ends: NDArray[np.int64], most: NDArray[np.int64]) -> None:
    """Take filter tiles in order into one set after the other, each as large as it fits, in every strip for itself.

    Parameters
    ----------
    words
        int64 (groups, filter tiles, strips, image tiles): words that the GLB keeps for a filter tile in a strip.
    room
        Words that it has for a set. A tile that needs more makes a set of its own.
    ends
        int64, same shape, overwritten: the filter tile after the last one of each set; after the last set, that of the
        layer. A set begins where the one before it ends.
    most
        int64 (2,), overwritten: sets of the strip that has most of them, and words of the fullest set.
    """
    groups, filter_tiles, strips, image_tiles = words.shape
    most[:] = 0
    for g in range(groups):
        for s in range(strips):
            for i in range(image_tiles):
                sets, held = 0, 0
                for f in range(filter_tiles):
                    wanted = words[g, f, s, i]
                    if held > 0 and held + wanted > room:
                        ends[g, sets, s, i] = f
                        sets += 1
                        held = 0
                    held += wanted
                    most[1] = max(most[1], held)
                ends[g, sets:, s, i] = filter_tiles
                most[0] = max(most[0], sets + 1)
