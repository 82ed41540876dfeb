"""Sharing out whole numbers, so that the parts sum to what is shared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel

Ints = NDArray[np.int64]

_MOST_PRODUCT = 2**62


@helper
def _divided(total: int, part: int, whole: int, fits: bool) -> tuple[int, int]:
    """Return quotient and rest of total · part / whole, exactly, for part <= whole; the product may not fit."""
    if fits:
        quotient = total * part // whole
        return quotient, total * part - quotient * whole
    quotient, rest = 0 * total, 0 * total
    for bit in range(62, -1, -1):  # as on paper, one binary digit of `total` after the other
        quotient, rest = 2 * quotient, 2 * rest
        if rest >= whole:
            quotient, rest = quotient + 1, rest - whole
        if (total >> bit) & 1:
            rest += part
            if rest >= whole:
                quotient, rest = quotient + 1, rest - whole
    return quotient, rest


@helper
def portion(total: int, part: int, whole: int) -> int:
    """Return ceil(total · part / whole), exactly, for part <= whole."""
    quotient, rest = _divided(total, part, whole, total <= _MOST_PRODUCT // whole)
    return quotient + (1 if rest else 0)


class Line(NamedTuple):
    """How far `total` is shared out: over any weights so far, ceil(total · their sum / whole) of it.

    As Bresenham's line, it takes a division only for another weight than the one before: that one's share is `quotient`
    and `rest` / whole. So far, `ahead` / whole more was handed out than total · weights / whole.
    """

    total: int
    whole: int
    fits: bool
    """Whether total · whole fits in 64 bits."""
    weight: int
    quotient: int
    rest: int
    ahead: int


@helper
def line(total: int, whole: int) -> Line:
    """Begin to share out `total` over weights that sum to `whole`."""
    nothing = 0 * total  # no literal: else Numba compiles what it is passed to once more for that value
    return Line(total, whole, total <= _MOST_PRODUCT // max(whole, 1), nothing, nothing, nothing, nothing)


@helper
def next_share(so_far: Line, weight: int) -> tuple[Line, int]:
    """Hand out the share of the next weight."""
    total, whole, fits, before, quotient, rest, ahead = so_far
    if weight == 0:
        return so_far, weight
    if weight != before:
        quotient, rest = _divided(total, weight, whole, fits)
    if ahead < rest:
        return Line(total, whole, fits, weight, quotient, rest, ahead - rest + whole), quotient + 1
    return Line(total, whole, fits, weight, quotient, rest, ahead - rest), quotient


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
    shared = line(total, whole)
    for i in range(len(weights)):
        shared, out[i] = next_share(shared, weights[i])


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
