"""Run-length coding of feature maps, counted on their bits: the pairs that runs of zeros take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

RUN_BITS = 5
"""Bits of a run: up to 31 zeros before a level (Eyeriss, JSSC 2017, section V)."""

# Mixed with Python's signed integers, uint64 would become float64; hence the typed constants.
_NOTHING, _ONE, _ALL = (np.uint64(n) for n in (0, 1, 0xFFFFFFFFFFFFFFFF))


@kernel
def zero_level_pairs(words: NDArray[np.uint64], channels: int) -> int:
    """Return the pairs of a coded map whose level is zero; all others hold one non-zero value each.

    Each channel of each image is one stream, row by row. A pair is a run of up to 31 zeros and the level after it, so
    a longer run takes a pair of 31 zeros and a zero level for every 32 zeros; what is left of a run at the end of a
    stream takes one more.

    Runs are counted for 64 channels at a time, in binary, a word for each digit: the channels are its bits.

    Parameters
    ----------
    words
        uint64 (images, rows, columns, words): non-zero values, channel c in bit c % 64 of word c // 64.
    channels
        Channels of the map.
    """
    images, rows, cols, size = words.shape
    digits = np.zeros((size, RUN_BITS), dtype=np.uint64)
    used = np.full(size, _ALL, dtype=np.uint64)
    used[size - 1] = _ALL >> np.uint64(64 * size - channels)
    pairs = 0
    for n in range(images):
        digits[:] = _NOTHING
        for y in range(rows):
            for x in range(cols):
                for w in range(size):
                    zeros = ~words[n, y, x, w] & used[w]
                    carry = zeros
                    for d in range(RUN_BITS):
                        before = digits[w, d] & zeros  # a value that is not zero ends the run
                        digits[w, d] = before ^ carry
                        carry &= before
                    while carry != _NOTHING:  # the runs that have just reached 32
                        pairs += 1
                        carry &= carry - _ONE
        for w in range(size):
            left = digits[w, 0]
            for d in range(1, RUN_BITS):
                left |= digits[w, d]
            while left != _NOTHING:
                pairs += 1
                left &= left - _ONE
    return pairs
