"""Memories as hexadecimal text, as ``$readmemh`` reads and ``$writememh`` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_words(path: Path | str, words: Iterable[int], bits: int) -> None:
    """Write one word a line; negative ones in two's complement of `bits` bits."""
    most = (1 << bits) - 1
    Path(path).write_text("".join(f"{int(word) & most:x}\n" for word in words) or "0\n")


def joined(values: Iterable[int], bits: int) -> int:
    """Return values of `bits` bits as one word, the first one lowest."""
    most, word = (1 << bits) - 1, 0
    for place, value in enumerate(values):
        word |= (int(value) & most) << (place * bits)
    return word


def read_words(path: Path | str, bits: int) -> list[int]:
    """Read what ``$writememh`` wrote, as unsigned words of `bits` bits."""
    lines = Path(path).read_text().split()
    return [int(line, 16) & ((1 << bits) - 1) for line in lines if not line.startswith(("//", "@"))]


def signed(words: Iterable[int], bits: int) -> NDArray[np.int64]:
    """Return two's complement words as numbers."""
    values = np.array(list(words), dtype=np.int64)
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values)
