"""The strips of a stage, tabulated by their width in one kernel: :mod:`zapsim.arrays.row_stationary.strips` for all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel


class Rows(NamedTuple):
    """What says which ifmap rows an ofmap row reads: stride, dilation, R, padding above and H."""

    stride: int
    dilation: int
    taps: int
    padding: int
    height: int


@helper
def _count_rows(
    rows: Rows, y: NDArray[np.int64], first: int, last: int, seen: NDArray[np.int64], mark: int
) -> tuple[int, int]:
    """Count the different ifmap rows that ofmap rows ``y[first:last]`` read, and those of them that are no padding.

    `seen` has a place for each ifmap row with its padding; rows that are counted get the `mark`, which is new.
    """
    every, read = 0, 0
    for at in range(first, last):
        for tap in range(rows.taps):
            row = y[at] * rows.stride + tap * rows.dilation
            if seen[row] != mark:
                seen[row] = mark
                every += 1
                if rows.padding <= row < rows.padding + rows.height:
                    read += 1
    return every, read


@kernel
def tabulate_strips(
    rows: Rows, y: NDArray[np.int64], pixels: NDArray[np.int64], rows_per_column: int, widest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Tabulate the strips of a stage by their width, 0 (as 1) to `widest`.

    Parameters
    ----------
    rows
        How ofmap rows read ifmap rows.
    y, pixels
        int64 (ofmap rows of the stage,) both: the rows, and in how many of their pixels it may compute.
    rows_per_column
        Rows of a strip that a PE column works on.
    widest
        The largest width.

    Returns
    -------
    sums, starts, kinds
        int64 (8, widths), (widths + 1,) and (kinds, 4): for this stage, as in
        :class:`zapsim.arrays.row_stationary.search_kernels.Strips`.
    most
        int64 (3, widths): the largest e, held rows and pixels of a strip.
    """
    count = len(y)
    seen = np.zeros(y[count - 1] * rows.stride + (rows.taps - 1) * rows.dilation + 1, np.int64)
    sums, most = np.zeros((8, widest + 1), np.int64), np.zeros((3, widest + 1), np.int64)
    starts, kinds = np.zeros(widest + 2, np.int64), np.empty((64, 4), np.int64)
    end, mark = 0, 0
    for width in range(widest + 1):
        e = max(width, 1)
        for top in range(0, count, e):
            bottom = min(top + e, count)
            size = bottom - top
            columns = -(-size // rows_per_column)
            mark += 3
            first, read = _count_rows(rows, y, top, top + columns, seen, mark)
            later, held = 0, first
            if columns < size:
                later, _ = _count_rows(rows, y, top + columns, bottom, seen, mark + 1)
                held, read = _count_rows(rows, y, top, bottom, seen, mark + 2)
            in_strip = 0
            for at in range(top, bottom):
                in_strip += pixels[at]
            sums[0, width] += 1
            sums[2, width] += first + later
            sums[3, width] += first
            sums[4, width] += read
            if size == e:
                sums[1, width] += 1
                sums[5, width] += first
            sums[6, width] += columns
            sums[7, width] += min(size, rows_per_column)
            most[0, width] = max(most[0, width], size)
            most[1, width] = max(most[1, width], held)
            most[2, width] = max(most[2, width], in_strip)
            kind = starts[width]
            while kind < end and (kinds[kind, 0] != size or kinds[kind, 1] != first + later or kinds[kind, 2] != first):
                kind += 1
            if kind == end:
                if end == len(kinds):
                    larger = np.empty((2 * end, 4), np.int64)
                    for other in range(end):  # an assignment to a slice takes Numba seconds to compile
                        for at in range(4):
                            larger[other, at] = kinds[other, at]
                    kinds = larger
                kinds[end, 0], kinds[end, 1], kinds[end, 2], kinds[end, 3] = size, first + later, first, 0
                end += 1
            kinds[kind, 3] += 1
        starts[width + 1] = end
    return sums, starts, kinds[:end], most
