"""How many bits of a word are set."""

from __future__ import annotations

import numpy as np


def popcount(word: np.uint64) -> int:
    """Count the bits set in a uint64; in compiled kernels, this is the processor's own instruction."""
    return int(word).bit_count()
