"""Run-length coding of feature maps: the pairs that runs of zeros take, counted on the bits of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

RUN_BITS = 5
"""Bits of a run length: up to 31 zeros before a level (Eyeriss, JSSC 2017, section V)."""

# Typed constants, since uint64 together with Python's signed integers becomes float64.
_ZERO, _ONE, _ALL = (np.uint64(n) for n in (0, 1, 0xFFFFFFFFFFFFFFFF))


@kernel
def zero_level_pairs(words: NDArray[np.uint64], channels: int) -> int:
    """Count the pairs of a coded map whose level is zero; every other pair holds one non-zero value.

    Each channel of each image is one stream, row by row. A pair is a run of up to 31 zeros and the level behind it. So
    a longer run takes one pair of 31 zeros and a zero level for every 32 zeros, and zeros that remain at the end of a
    stream take one pair more.

    The runs of 64 channels are counted at a time: word d holds binary digit d of each run, and each channel is one bit.

    Parameters
    ----------
    words
        uint64 (images, rows, columns, words): non-zero values, channel c in bit c % 64 of word c // 64.
    channels
        Channels of the map.
    """
    images, rows, cols, n_words = words.shape
    digits = np.empty((n_words, RUN_BITS), dtype=np.uint64)
    used = np.empty(n_words, dtype=np.uint64)  # bits that stand for a channel
    for w in range(n_words):
        used[w] = _ALL
    used[n_words - 1] = _ALL >> np.uint64(64 * n_words - channels)
    pairs = 0
    for n in range(images):
        digits[:] = _ZERO
        for y in range(rows):
            for x in range(cols):
                for w in range(n_words):
                    zeros = ~words[n, y, x, w] & used[w]
                    carry = zeros
                    for d in range(RUN_BITS):
                        digit = digits[w, d] & zeros  # a non-zero value ends its channel's run
                        digits[w, d] = digit ^ carry
                        carry &= digit
                    while carry != _ZERO:  # one pair for each run that has just reached 32 zeros
                        pairs += 1
                        carry &= carry - _ONE  # clears the lowest bit that is set
        for w in range(n_words):
            unfinished = digits[w, 0]
            for d in range(1, RUN_BITS):
                unfinished |= digits[w, d]
            while unfinished != _ZERO:
                pairs += 1
                unfinished &= unfinished - _ONE
    return pairs
