"""The ifmap buffer of a PE: how far lanes may be apart in the map, and how often an ifmap value passes the bus.

All PEs listen to one stream of ifmaps. What the fastest lane needs next must stay in the other PEs until they have used
it, so that a buffer of B words bounds the pixels that are at work together. With r = (R − 1) · dilation + 1 rows and
s = (S − 1) · dilation + 1 columns of a window, and the C channels that a block of filters reads, B holds the windows of

    n = (⌊B / (r · C)⌋ − s) / stride + 1     neighbouring pixels of an ofmap row, at most Q of them
    n = (h − 1) · Q + 1                       neighbouring pixels anywhere, if (h − 1) · stride + r rows fit it

whichever is more, of which a stage computes the share that its positions have of all pixels. What the change from one
ofmap row to the next brings twice in the first case is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.lanes.mapping import LanesMapping
from zapsim.workload import ConvShape


def window_pixels(shape: ConvShape, mapping: LanesMapping, pixels: int) -> int:
    """Count the neighbouring pixels, among the `pixels` that a stage deals, whose windows a buffer holds together.

    At least one: lanes that work on one pixel walk through its window in step, if no buffer holds it.
    """
    if mapping.array.ifmap_buffer is None:
        return pixels
    return max(_map_pixels(shape, mapping) * pixels // (shape.N * shape.P * shape.Q), 1)


def segment_pixels(shape: ConvShape, mapping: LanesMapping, pixels: int) -> int:
    """Count the pixels that lanes deal with before they wait for one another, a multiple of the pixel lanes.

    They are those of which a buffer holds all windows, or all windows of the PE's own pixels. At least each pixel lane
    gets one.
    """
    lanes, own = mapping.whole.pixels, mapping.pe.pixels
    if mapping.array.ifmap_buffer is None or not pixels:
        return max(pixels, lanes)
    step = -(-shape.N * shape.P * shape.Q // pixels) * shape.stride[1]
    row, col = _window(shape)
    rounds_apart = mapping.array.ifmap_buffer // (row * ((own - 1) * step + col) * _channels(shape, mapping))
    rounds = max(window_pixels(shape, mapping, pixels) // lanes, rounds_apart, 1)
    return rounds * lanes


def streamed_words(shape: ConvShape, mapping: LanesMapping, positions: NDArray[np.bool_] | None) -> int:
    """Count the ifmap words of a group that pass the bus for one block of filters.

    Each value once, if a buffer holds all rows of a window; else once for each ofmap row in which the stage computes
    and that reads it; or once for each such pixel, if no buffer holds a window.
    """
    once, buffer = shape.ifmap_words_read // shape.groups, mapping.array.ifmap_buffer
    row, col = _window(shape)
    if buffer is None or buffer >= row * shape.W * _channels(shape, mapping):
        return once
    used = np.ones((shape.P, shape.Q), dtype=bool) if positions is None else positions
    rows_inside = _taps_inside(shape.P, shape.R, shape.stride[0], shape.dilation[0], shape.padding[0], shape.H)
    channels = shape.N * shape.C_per_group
    if buffer >= row * col * _channels(shape, mapping):
        columns = min(shape.W, (shape.Q - 1) * shape.stride[1] + col)
        return max(once, int(rows_inside[used.any(axis=1)].sum()) * columns * channels)
    cols_inside = _taps_inside(shape.Q, shape.S, shape.stride[1], shape.dilation[1], shape.padding[2], shape.W)
    return max(once, int((used * np.multiply.outer(rows_inside, cols_inside)).sum()) * channels)


def _map_pixels(shape: ConvShape, mapping: LanesMapping) -> int:
    """Count the neighbouring pixels of the whole map whose windows a buffer holds."""
    buffer, channels = mapping.array.ifmap_buffer or 0, _channels(shape, mapping)
    row, col = _window(shape)
    in_row = min((buffer // (row * channels) - col) // shape.stride[1] + 1, shape.Q)
    ofmap_rows = (buffer // (shape.W * channels) - row) // shape.stride[0] + 1
    anywhere = (ofmap_rows - 1) * shape.Q + 1
    return max(shape.P * shape.Q if ofmap_rows >= shape.P else anywhere, in_row, 1)


def _window(shape: ConvShape) -> tuple[int, int]:
    """Return the rows and columns of a window."""
    return (shape.R - 1) * shape.dilation[0] + 1, (shape.S - 1) * shape.dilation[1] + 1


def _channels(shape: ConvShape, mapping: LanesMapping) -> int:
    """Count the ifmap channels that a block of filters reads, at most: those of all groups that it touches."""
    block, size = min(mapping.whole.filters, shape.K), shape.K_per_group
    aligned = block % size == 0 or size % block == 0
    groups = -(-block // size) if aligned else (block - 2) // size + 2
    return min(groups, shape.groups) * shape.C_per_group


def _taps_inside(outputs: int, taps: int, stride: int, dilation: int, padding: int, size: int) -> NDArray[np.int64]:
    """Count the taps of each output that lie in the map, along one axis."""
    places = (np.arange(outputs) * stride - padding)[:, np.newaxis] + np.arange(taps) * dilation
    return np.asarray(((places >= 0) & (places < size)).sum(axis=1), dtype=np.int64)
