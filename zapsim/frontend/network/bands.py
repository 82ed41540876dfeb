"""Bands of channels that must keep one order, and the axes of tensors that are made of them.

A *band* is a number of channels in a row. Where two tensors are added, their channels are the same band; where channels
are cut apart (a grouped convolution, a slice), a band has parts. A band whose order must stay as it is, is *fixed*, for
a reason. An *axis* is one dimension of a tensor: bands one after the other, each with so many values per channel
(``inner``: more than one where a map was flattened).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TypeAlias

Piece: TypeAlias = tuple["Band", int]
"""A band, and how many values in a row belong to each of its channels."""

Axis: TypeAlias = tuple[Piece, ...]

RESHAPED = "a reshape takes its channels apart"


class Band:
    """Channels in a row, whose order is free until something fixes it."""

    __slots__ = ("_parts", "_same", "reason", "size")

    def __init__(self, size: int, reason: str | None = None) -> None:
        self.size = size
        self.reason = reason
        self._same: Piece | None = None
        self._parts: tuple[Band, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether its channels must keep their order: there is a reason, or only one channel."""
        return self.reason is not None or self.size == 1

    def leaves(self) -> Iterator[Piece]:
        """Yield what stands for this band today: itself, its parts, or a band with several values per channel."""
        if self._same is not None:
            band, inner = self._same
            yield from ((leaf, inner * times) for leaf, times in band.leaves())
        elif self._parts:
            for part in self._parts:
                yield from part.leaves()
        else:
            yield self, 1

    def fix(self, reason: str) -> None:
        """Fix a leaf, unless it is fixed already."""
        self.reason = reason if self.reason is None else self.reason

    def cut(self, place: int) -> None:
        """Part a leaf in two, before channel `place`."""
        self._parts = Band(place, self.reason), Band(self.size - place, self.reason)

    def become(self, other: Band, inner: int) -> None:
        """Let a leaf be another one with `inner` values per channel; what fixes this one fixes the other."""
        if other is self:
            return
        if self.reason is not None:
            other.fix(self.reason)
        self._same = other, inner


def fixed_axis(size: int, reason: str = "") -> Axis:
    """Return an axis whose order must stay (rows and columns, for instance)."""
    return ((Band(size, reason), 1),)


def free_axis(size: int) -> Axis:
    """Return an axis that no other tensor shares yet."""
    return ((Band(size), 1),)


def pieces(axis: Axis) -> list[Piece]:
    """List the leaves of an axis."""
    return [(leaf, inner * times) for band, inner in axis for leaf, times in band.leaves()]


def length(axis: Axis) -> int:
    """Return how many values an axis has."""
    return sum(band.size * inner for band, inner in axis)


def ends(axis: Axis) -> list[int]:
    """List where the pieces of an axis end."""
    return list(accumulate(band.size * inner for band, inner in pieces(axis)))


def is_fixed(axis: Axis) -> bool:
    """Return whether no channel of an axis can move."""
    return all(band.fixed for band, _ in pieces(axis))


def fix(axis: Axis, reason: str) -> None:
    """Fix all bands of an axis that are not fixed yet."""
    for band, _ in pieces(axis):
        band.fix(reason)


def cut(axis: Axis, places: Iterable[int]) -> None:
    """Make sure that free bands end at `places`; one that has several values per channel there is fixed."""
    for place in places:
        start = 0
        for band, inner in pieces(axis):
            end = start + band.size * inner
            if start < place < end and not band.fixed:
                if (place - start) % inner:
                    band.fix(RESHAPED)
                else:
                    band.cut((place - start) // inner)
            start = end


def part(axis: Axis, start: int, end: int) -> Axis:
    """Return the part of an axis from `start` to before `end`."""
    cut(axis, (start, end))
    parts: list[Piece] = []
    place = 0
    for band, inner in pieces(axis):
        size = band.size * inner
        shared = min(place + size, end) - max(place, start)
        if shared == size:
            parts.append((band, inner))
        elif shared > 0:
            parts.append((Band(shared, band.reason or ""), 1))
        place += size
    return tuple(parts)


def unify(first: Axis, second: Axis) -> None:
    """Let two axes of one length have one order."""
    while True:  # a cut of one axis may cut the other, if they share bands
        before = len(pieces(first)), len(pieces(second))
        cut(first, ends(second))
        cut(second, ends(first))
        if before == (len(pieces(first)), len(pieces(second))):
            break
    for start, end, piece in _spans(first):
        for other_start, other_end, other in _spans(second):
            if (start, end) == (other_start, other_end):
                _unify_pieces(piece, other)
            elif start < other_end and other_start < end:  # fixed bands are not cut: they may span several
                _fix_both(piece[0], other[0])


def _unify_pieces(first: Piece, second: Piece) -> None:
    """Let two leaves that take the same place be one, with the larger number of values per channel."""
    (band, inner), (other, other_inner) = first, second
    if other_inner % inner == 0 and band.size % other.size == 0:
        band.become(other, other_inner // inner)
    elif inner % other_inner == 0:
        other.become(band, inner // other_inner)
    else:
        _fix_both(band, other)


def _fix_both(first: Band, second: Band) -> None:
    reason = next((band.reason for band in (first, second) if band.reason), RESHAPED)
    first.fix(reason)
    second.fix(reason)


def _spans(axis: Axis) -> list[tuple[int, int, Piece]]:
    spans, start = [], 0
    for band, inner in pieces(axis):
        spans.append((start, start + band.size * inner, (band, inner)))
        start += band.size * inner
    return spans
