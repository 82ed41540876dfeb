"""Which MACs switch, slowly: every output, every product of its window, in plain Python."""

import numpy as np

from zapsim.workload import ConvShape


def nonzero_products(shape: ConvShape, nonzero: np.ndarray, output: tuple[int, int, int, int]) -> int:
    """Count the products of one output (image, row, column, filter) whose ifmap value is not zero.

    `nonzero` is bool (N, H, W, C). Products with padding count as zero.
    """
    n, y, x, k = output
    group = k // (shape.K // shape.groups)
    channels = shape.C // shape.groups
    top, _, left, _ = shape.padding
    found = 0
    for r in range(shape.R):
        for s in range(shape.S):
            row = y * shape.stride[0] + r * shape.dilation[0] - top
            col = x * shape.stride[1] + s * shape.dilation[1] - left
            if not (0 <= row < shape.H and 0 <= col < shape.W):
                continue
            for c in range(group * channels, (group + 1) * channels):
                found += int(nonzero[n, row, col, c])
    return found


def switching_macs(shape: ConvShape, kept: np.ndarray | None, nonzero: np.ndarray | None) -> int:
    """Count the MACs of the outputs in `kept` (N, P, Q, K; None: all) with inputs in `nonzero` (None: any)."""
    found = 0
    for output in np.ndindex(shape.N, shape.P, shape.Q, shape.K):
        if kept is not None and not kept[output]:
            continue
        if nonzero is None:
            found += shape.C // shape.groups * shape.R * shape.S
        else:
            found += nonzero_products(shape, nonzero, output)
    return found
