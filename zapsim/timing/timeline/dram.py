"""How long a DRAM channel is busy with a request."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec

Words = TypeVar("Words", int, NDArray[np.int64])

_FINEST = 10**6
"""Bytes a cycle are a fraction with a denominator up to this: exact for clocks and bandwidths as people write them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A DRAM channel in cycles of the array's clock.

    cycles = ceil(bytes, rounded up to bursts / bytes a cycle), with bytes a cycle = bandwidth · (1 − refresh) / clock.

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
        """Return the cycles that the channel takes for requests of so many words (each); 0 for none."""
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
    share = 1 - Fraction(str(refresh))
    each = (Fraction(clock) / (Fraction(bandwidth) * share)).limit_denominator(_FINEST)
    return Channel(word, burst, (each.numerator, each.denominator), ceil(latency_ns * clock / 1e9))
