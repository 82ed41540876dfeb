"""Summaries of boolean maps, slowly: unpacked, one output after another."""

import numpy as np


def row_counts(values: np.ndarray) -> np.ndarray:
    """Count per row and channel of bool (images, rows, columns, channels)."""
    images, rows, cols, channels = values.shape
    out = np.zeros((images, rows, channels), dtype=np.int32)
    for n in range(images):
        for y in range(rows):
            for k in range(channels):
                out[n, y, k] = sum(1 for x in range(cols) if values[n, y, x, k])
    return out


def group_counts(values: np.ndarray, groups: int) -> np.ndarray:
    """Count per pixel and group of channels."""
    images, rows, cols, channels = values.shape
    out = np.zeros((images, rows, cols, groups), dtype=np.int32)
    for n, y, x, k in np.argwhere(values):
        out[n, y, x, k // (channels // groups)] += 1
    return out


def window_sums(counts, R, S, stride, padding, dilation, P, Q) -> np.ndarray:
    """Sum int (images, H, W, groups) over the receptive fields of a P × Q ofmap, by scattering every value."""
    images, H, W, groups = counts.shape
    out = np.zeros((images, P, Q, groups), dtype=np.int32)
    for n in range(images):
        for row in range(H):
            for col in range(W):
                for r in range(R):
                    for s in range(S):
                        y, y_rest = divmod(row + padding[0] - r * dilation[0], stride[0])
                        x, x_rest = divmod(col + padding[1] - s * dilation[1], stride[1])
                        if not y_rest and not x_rest and 0 <= y < P and 0 <= x < Q:
                            out[n, y, x] += counts[n, row, col]
    return out
