"""Run-length coding of feature maps, counted on their bits: the pairs that runs of zeros take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

RUN_BITS = 5
"""Bits of a run: up to 31 zeros before a level (Eyeriss, JSSC 2017, section V)."""

_BITS = ((np.arange(256)[:, np.newaxis] >> np.arange(8)) & 1).astype(np.uint64)
_SPREAD = (_BITS << (8 * np.arange(8)).astype(np.uint64)).sum(axis=1, dtype=np.uint64)
"""uint64 (256,): the bits of a byte, spread so that each has a byte of its own."""

_LOWEST = _SPREAD[255]
_FULL = np.uint64(RUN_BITS)
_ALL_BITS = np.uint64(255)
_BYTE = np.uint64(8)
_ONE = np.uint64(1)
_NOTHING = np.uint64(0)


@kernel
def zero_level_pairs(bits: NDArray[np.uint8], channels: int) -> int:
    """Return the pairs of a coded map whose level is zero; all others hold one non-zero value each.

    Each channel of each image is one stream, row by row. A pair is a run of up to 31 zeros and the level after it, so
    a longer run takes a pair of 31 zeros and a zero level for every 32 zeros; what is left of a run at the end of a
    stream takes one more.

    Parameters
    ----------
    bits
        uint8 (images, rows, columns, bytes): non-zero values, channels innermost, least significant bit first.
    channels
        Channels of the map.
    """
    images, rows, cols, size = bits.shape
    runs = np.zeros(size, dtype=np.uint64)  # runs of 8 channels, a byte each, never above 32
    full = np.zeros(size, dtype=np.uint64)  # 1 in the byte of each channel whose run has just reached 32
    used = np.full(size, _LOWEST, dtype=np.uint64)
    used[size - 1] = _SPREAD[(1 << (channels - 8 * (size - 1))) - 1]
    pairs = 0
    for n in range(images):
        runs[:] = _NOTHING
        for y in range(rows):
            for x in range(cols):
                some = _NOTHING
                for b in range(size):
                    grown = (runs[b] + used[b]) & ~(_SPREAD[bits[n, y, x, b]] * _ALL_BITS)
                    full[b] = (grown >> _FULL) & _LOWEST
                    some |= full[b]
                    runs[b] = grown & ~(full[b] << _FULL)
                if some != _NOTHING:
                    for b in range(size):
                        while full[b] != _NOTHING:
                            full[b] &= full[b] - _ONE
                            pairs += 1
        for b in range(size):
            while runs[b] != _NOTHING:
                if runs[b] & _ALL_BITS:
                    pairs += 1
                runs[b] >>= _BYTE
    return pairs
