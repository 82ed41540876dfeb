"""The patterns of ZAP: which outputs are always computed first (the paper's set I_s).

Source: Shomron et al., "Thanks for Nothing", ECCV 2020 (1/3, 2/5, 1/2, 3/5); 1/4, 2/3 and 3/4 complete the family.
Patterns that end in r or c take whole rows or columns, from the first one on. Predictors guess less well from them, but
what they leave out is what arrays skip with ease: the pattern's rows of a layer are a dense layer of a larger stride.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ZapsimError, did_you_mean, shown

_TILES: dict[str, tuple[str, ...]] = {  # '#' = computed first; repeated from the map's origin, the same on all channels
    "1/4": ("..", ".#"),
    "1/3": ("..#", ".#.", "#.."),
    "1/3r": ("###", "...", "..."),
    "1/3c": ("#..", "#..", "#.."),
    "2/5": ("..#.#", ".#.#.", "#.#..", ".#..#", "#..#."),
    "1/2": ("#.", ".#"),
    "1/2r": ("##", ".."),
    "1/2c": ("#.", "#."),
    "3/5": ("##.#.", "#.#.#", ".#.##", "#.##.", ".##.#"),
    "2/3": ("##.", "#.#", ".##"),
    "3/4": ("##", "#."),
}

PATTERNS: tuple[str, ...] = tuple(_TILES)
"""Names of the patterns, sparsest first."""

NO_PATTERN = "none"
"""What stands in the place of a pattern's name where no output is computed first: the mask is known beforehand."""


def pattern_tile(pattern: str) -> NDArray[np.bool_]:
    """Draw one period of `pattern`: a square bool array (rows, columns), True = computed first.

    Raises
    ------
    ZapsimError
        If no pattern has this name.
    """
    try:
        rows = _TILES[pattern]
    except KeyError:
        near, known = did_you_mean(pattern, PATTERNS), ", ".join(PATTERNS)
        raise ZapsimError(f"unknown pattern {shown(pattern)}{near}; known: {known}") from None
    return np.array([[cell == "#" for cell in row] for row in rows])


def pattern_map(pattern: str, rows: int, cols: int) -> NDArray[np.bool_]:
    """Repeat `pattern` over an ofmap: bool (rows, cols), True = computed first; all False for :data:`NO_PATTERN`.

    Raises
    ------
    ZapsimError
        If no pattern has this name.
    """
    if pattern == NO_PATTERN:
        return np.zeros((rows, cols), dtype=np.bool_)
    tile = pattern_tile(pattern)
    side = len(tile)
    return np.tile(tile, (-(-rows // side), -(-cols // side)))[:rows, :cols]
