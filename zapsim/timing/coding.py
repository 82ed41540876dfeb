"""Feature maps as DRAM holds them: plain, run-length coded as in Eyeriss, or as a bitmask and the values left.

Source: Chen et al., JSSC 2017, section V: pairs of a 5-bit run of zeros and a level, as many as fit 64 bits less a flag
bit (three of 16-bit levels).
"""

from __future__ import annotations

from zapsim.arch.spec import ArchSpec
from zapsim.kernels.rlc import RUN_BITS, zero_level_pairs
from zapsim.tracefile.packed import PackedMap

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
            return min(plain, nonzero.count() + _mask_words(arch, plain))
        case "rlc":
            return min(plain, words_of_pairs(arch, nonzero.summary(_pairs)))


def _mask_words(arch: ArchSpec, plain: int) -> int:
    """Return the words that one bit a value takes."""
    return -(-plain // arch.word)


def _pairs(nonzero: PackedMap) -> int:
    """Return the pairs that a coded map takes."""
    return nonzero.count() + zero_level_pairs(nonzero.words(), nonzero.channels)


def expected_coded_words(arch: ArchSpec, plain: int, zeros: float) -> int:
    """Return the coded words of a map of which only the share of zeros is known, if these lie independently.

    The values that a pair covers are then distributed geometrically, cut at 32: (1 − z^32) / (1 − z) on average.
    """
    if arch.dram.compression == "none":
        return plain
    if arch.dram.compression == "bitmask":
        return min(plain, round(plain * (1 - zeros)) + _mask_words(arch, plain))
    longest = 2**RUN_BITS
    values = (1 - zeros**longest) / (1 - zeros) if zeros < 1 else longest
    return min(plain, words_of_pairs(arch, round(plain / values)))


def words_of_pairs(arch: ArchSpec, pairs: int) -> int:
    """Return the words of DRAM that hold `pairs` of a run and a level."""
    per_block = max((BLOCK_BITS - 1) // (RUN_BITS + arch.word), 1)
    blocks = -(-pairs // per_block)
    return -(-blocks * BLOCK_BITS // arch.word)
