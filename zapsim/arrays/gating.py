"""How many MACs switch: demanded outputs times non-zero inputs, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape


def outputs_per_pixel(mask: PackedMap, groups: int) -> NDArray[np.int32]:
    """Count the filters of each group that the mask marks at each ofmap pixel: int32 (N, P, Q, groups)."""
    return mask.summary(_per_pixel, groups)


def _per_pixel(mask: PackedMap, groups: int) -> NDArray[np.int32]:
    images, rows, cols, channels = mask.shape
    out = np.empty((images, rows, cols, groups), dtype=np.int32)
    words = mask.words()
    bits.group_counts(words.reshape(-1, words.shape[-1]), channels, out.reshape(-1, groups))
    return out


def window_nonzero(shape: ConvShape, ifmap_nonzero: PackedMap) -> NDArray[np.int32]:
    """Count the non-zero ifmap values that each output multiplies: int32 (N, P, Q, groups).

    Padding counts as zero, as it does for a PE that gates on zero inputs.
    """
    return ifmap_nonzero.summary(_window_nonzero, shape)


def _window_nonzero(ifmap_nonzero: PackedMap, shape: ConvShape) -> NDArray[np.int32]:
    counts = outputs_per_pixel(ifmap_nonzero, shape.groups)
    out = np.empty((shape.N, shape.P, shape.Q, shape.groups), dtype=np.int32)
    corner = (shape.padding[0], shape.padding[2])
    bits.window_sums(counts, shape.R, shape.S, shape.stride, corner, shape.dilation, out)
    return out


def expected_window_nonzero(shape: ConvShape, zeros: float) -> NDArray[np.int32]:
    """Estimate :func:`window_nonzero` of a map of which only the share of `zeros` is known, spread evenly.

    Whole numbers, rounded so that their sum is that of the expected values.
    """
    axes = zip((shape.P, shape.Q), (shape.R, shape.S), (shape.H, shape.W), (0, 1), strict=True)
    rows, columns = (_taps_inside(shape, outputs, taps, size, axis) for outputs, taps, size, axis in axes)
    inside = np.multiply.outer(rows, columns) * shape.C_per_group
    expected = np.broadcast_to(inside[None, :, :, None], (shape.N, shape.P, shape.Q, shape.groups)) * (1 - zeros)
    whole = np.diff(np.floor(np.cumsum(expected) + 0.5), prepend=0.0)
    return whole.reshape(expected.shape).astype(np.int32)


def _taps_inside(shape: ConvShape, outputs: int, taps: int, size: int, axis: int) -> NDArray[np.int64]:
    """Count the taps of each output that lie in the map and not in its padding, along one axis."""
    first = np.arange(outputs) * shape.stride[axis] - shape.padding[2 * axis]
    places = first[:, np.newaxis] + np.arange(taps) * shape.dilation[axis]
    return np.asarray(((places >= 0) & (places < size)).sum(axis=1), dtype=np.int64)


def switching_macs(shape: ConvShape, outputs: NDArray[np.int32] | None, window: NDArray[np.int32] | None) -> int:
    """Count the MACs that switch.

    Parameters
    ----------
    shape
        The layer.
    outputs
        int32 (N, P, Q, groups): outputs computed at each pixel; None: all.
    window
        int32 (N, P, Q, groups): non-zero inputs of each output; None: inputs are not gated.
    """
    if outputs is None and window is None:
        return shape.macs
    if outputs is None:
        assert window is not None
        return int(window.sum(dtype=np.int64)) * shape.K_per_group
    if window is None:
        return int(outputs.sum(dtype=np.int64)) * shape.macs_per_output
    return int(bits.sum_of_products(outputs.reshape(-1), window.reshape(-1)))
