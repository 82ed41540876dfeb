"""DRAM: how it holds feature maps, and how long its channel is busy with a request.

Feature maps are held plain, run-length coded as in Eyeriss, or as a bitmask and the values that are not zero. Source:
Chen et al., JSSC 2017, section V: pairs of a 5-bit run of zeros and a level, as many as fit 64 bits less a flag bit
(three of 16-bit levels).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.kernels.rlc import RUN_BITS, zero_level_pairs
from zapsim.tracefile.packed import PackedMap

Words = TypeVar("Words", int, NDArray[np.int64])

BLOCK_BITS = 64
"""Bits of a block of pairs; one of them tells the last block of a layer from the others."""


def coded_words(arch: ArchSpec, nonzero: PackedMap) -> int:
    """Return the words of a feature map in the DRAM of `arch`.

    A map that coding would make larger is stored plain (so the first layer's is, as in the chip).

    Parameters
    ----------
    arch
        Says whether and in which words.
    nonzero
        The values that are not zero (images, rows, columns, channels).
    """
    images, rows, cols, channels = nonzero.shape
    plain = images * rows * cols * channels
    match arch.dram.compression:
        case "none":
            return plain
        case "bitmask":
            return min(plain, nonzero.count() + -(-plain // arch.word))
        case "rlc":
            return min(plain, words_of_pairs(arch, nonzero.summary(_pairs)))


def _pairs(nonzero: PackedMap) -> int:
    """Return the pairs that a coded map takes."""
    return nonzero.count() + zero_level_pairs(nonzero.words(), nonzero.channels)


def expected_coded_words(arch: ArchSpec, plain: int, zeros: float) -> int:
    """Return the coded words of a map of which only the share of zeros is known, if these are independent.

    The values that a pair covers are then distributed geometrically, cut at 32: (1 − z^32) / (1 − z) on average.
    """
    if arch.dram.compression == "none":
        return plain
    if arch.dram.compression == "bitmask":
        return min(plain, round(plain * (1 - zeros)) + -(-plain // arch.word))
    longest = 2**RUN_BITS
    values = (1 - zeros**longest) / (1 - zeros) if zeros < 1 else longest
    return min(plain, words_of_pairs(arch, round(plain / values)))


def words_of_pairs(arch: ArchSpec, pairs: int) -> int:
    """Return the words of DRAM that hold `pairs` of a run and a level."""
    per_block = max((BLOCK_BITS - 1) // (RUN_BITS + arch.word), 1)
    blocks = -(-pairs // per_block)
    return -(-blocks * BLOCK_BITS // arch.word)


_LARGEST_DENOMINATOR = 10**6
"""Largest denominator of the cycles per byte: exact for clocks and bandwidths as people write them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A DRAM channel in cycles of the array's clock.

    cycles = ceil(bytes, rounded up to bursts / bytes per cycle); bytes per cycle = bandwidth · (1 − refresh) / clock.

    Attributes
    ----------
    bits
        Bits of a word.
    burst
        Bytes of the smallest transfer.
    byte_cycles
        Cycles that a byte takes: (numerator, denominator).
    latency
        Cycles from a request's last word on the channel to its use.
    """

    bits: int
    burst: int
    byte_cycles: tuple[int, int]
    latency: int

    def cycles(self, words: Words) -> Words:
        """Return the cycles that the channel takes for a request of each number of words; 0 for none."""
        bursts = _ceil(words * self.bits, 8 * self.burst)
        numerator, denominator = self.byte_cycles
        return _ceil(bursts * (self.burst * numerator), denominator)


def _ceil(number: Words, divisor: int) -> Words:
    """Return quotients rounded up of what is not negative; dividing by a power of two is shifting."""
    if divisor & (divisor - 1) == 0:
        return (number + (divisor - 1)) >> (divisor.bit_length() - 1)
    return (number + (divisor - 1)) // divisor


def channel_of(arch: ArchSpec) -> Channel:
    """Return the DRAM channel of an architecture."""
    dram = arch.dram
    return _channel(arch.word, dram.burst, dram.bandwidth, dram.refresh, dram.latency, arch.clock)


@lru_cache(maxsize=256)
def _channel(word: int, burst: int, bandwidth: float, refresh: float, latency_ns: float, clock: float) -> Channel:
    usable = Fraction(bandwidth) * (1 - Fraction(str(refresh)))
    byte_cycles = (Fraction(clock) / usable).limit_denominator(_LARGEST_DENOMINATOR)
    return Channel(word, burst, (byte_cycles.numerator, byte_cycles.denominator), ceil(latency_ns * clock / 1e9))
