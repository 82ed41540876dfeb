"""Sharing out whole numbers, so that the parts sum to what is shared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel

Ints = NDArray[np.int64]

_MOST_PRODUCT = 2**62


@helper
def portion(total: int, part: int, whole: int) -> int:
    """Return ceil(total · part / whole), exactly, for part <= whole."""
    if total <= _MOST_PRODUCT // whole:
        return (total * part + whole - 1) // whole
    quotient, rest = 0, 0
    for bit in range(62, -1, -1):  # as on paper, one binary digit of `total` after the other
        quotient, rest = 2 * quotient, 2 * rest
        if rest >= whole:
            quotient, rest = quotient + 1, rest - whole
        if (total >> bit) & 1:
            rest += part
            if rest >= whole:
                quotient, rest = quotient + 1, rest - whole
    return quotient + (1 if rest else 0)


@kernel
def share_out(total: int, weights: Ints, out: Ints) -> None:
    """Divide `total` in proportion to `weights`: the first i entries get ceil(total · their weight / all weight).

    Parameters
    ----------
    total
        Not negative.
    weights
        int64 (n,), not negative. Without any weight, nothing is shared out.
    out
        int64 (n,), overwritten; it may be `weights`.
    """
    whole = 0
    for weight in weights:
        whole += weight
    reached, before = 0, 0
    for i in range(len(weights)):
        weight = weights[i]
        out[i] = 0
        if total and weight:
            reached += weight
            end = portion(total, reached, whole)
            out[i] = end - before
            before = end


@kernel
def even_shares(totals: Ints, parts: Ints, out: Ints) -> None:
    """Divide each total into its parts, so that the first i parts sum to floor(i · total / parts).

    Parameters
    ----------
    totals, parts
        int64 (n,), not negative: what is divided, and into how many parts.
    out
        int64 (sum of parts,), overwritten: the parts of the first total, then those of the next.
    """
    position = 0
    for i in range(totals.shape[0]):
        count = parts[i]
        if count == 0:
            continue
        quotient = totals[i] // count
        remainder = totals[i] - quotient * count
        # As Bresenham's line: a part gets one more whenever the sum of the remainders passes `count`.
        error = 0
        for _ in range(count):
            error += remainder
            if error >= count:
                error -= count
                out[position] = quotient + 1
            else:
                out[position] = quotient
            position += 1
