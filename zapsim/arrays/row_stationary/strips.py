"""The ofmap rows of a stage cut into strips: what each strip reads, and what the GLB holds of it.

A stage computes in those ofmap rows in which its pattern (or what the pattern leaves) has a pixel: every row for a
checkerboard, every second one for a pattern of rows. A strip is e consecutive rows *of these*. It reads the union, over
its rows y, of the ifmap rows {y · stride + i · dilation}, i < R. Where y counts up by one, these are the
(e − 1) · stride + R rows of the Eyeriss papers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zapsim.arrays.row_stationary.mapping import Ints, Resources
from zapsim.workload import ConvShape

SHARES = 32
"""Shares of outputs are multiples of 1/32: coarse, so that images with similar masks get the same mapping."""

Pixels = tuple[int, ...] | None
"""Pixels of each ofmap row in which a stage may compute; None: all."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is known of a stage beforehand.

    Attributes
    ----------
    share
        Outputs that it computes, in 1/32 of all outputs of its rows.
    pixels
        Pixels of each ofmap row in which it may compute.
    by_mask
        Whether the mask says at run time what it computes.
    """

    share: int = SHARES
    pixels: Pixels = None
    by_mask: bool = False


WHOLE = Stage()
"""A stage that computes everything."""


class Strips(NamedTuple):
    """The strips of a stage: int64 (strips,) each.

    Attributes
    ----------
    e
        Ofmap rows.
    streamed
        Ifmap rows that the bus brings. With paired rows, those of each turn: in the second turn a PE has no word of the
        first one any more, because its spad holds a window and not a row.
    first
        Ifmap rows of the first turn (of the only one, if rows are not paired).
    held
        Ifmap rows that the GLB holds, padding included.
    read
        Ifmap rows that DRAM brings: those without padding.
    pixels
        Pixels in which the stage may compute.
    """

    e: Ints
    streamed: Ints
    first: Ints
    held: Ints
    read: Ints
    pixels: Ints


@lru_cache(maxsize=1024)
def stage_rows(shape: ConvShape, pixels: Pixels = None) -> Ints:
    """List the ofmap rows in which a stage may compute."""
    return np.arange(shape.P) if pixels is None else np.flatnonzero(pixels)


class _Kinds(NamedTuple):
    """The different strips of a stage; few, however many strips there are.

    Attributes
    ----------
    sizes
        int64 (kinds, 5): e, streamed, first, held and read of each (:class:`Strips`).
    times
        int64 (kinds,): how often each occurs.
    """

    sizes: Ints
    times: Ints


@lru_cache(maxsize=8192)
def _kinds(shape: ConvShape, e: int, pixels: Pixels, rows_per_column: int) -> _Kinds:
    """Find the different strips of `e` rows."""
    sizes, of_strip = _told_apart(shape, e, pixels, rows_per_column)
    return _Kinds(sizes, np.bincount(of_strip, minlength=len(sizes)))


def _told_apart(shape: ConvShape, e: int, pixels: Pixels, rows_per_column: int) -> tuple[Ints, Ints]:
    """Return the sizes of the different strips of `e` rows, and the number of each strip's kind: int64 (strips,).

    Strips are alike if the distances between their rows are, and if padding cuts off as much of them.
    """
    y = stage_rows(shape, pixels)
    full, rest = divmod(len(y), e)
    rows = y[: full * e].reshape(full, e)
    span = (rows[:, -1] - rows[:, 0]) * shape.stride[0] + (shape.R - 1) * shape.dilation[0] + 1
    begin = shape.padding[0] - rows[:, 0] * shape.stride[0]  # of the ifmap without padding, from the strip's first row
    above, below = np.maximum(begin, 0), np.minimum(begin + shape.H, span)
    apart = np.column_stack((above, below) if pixels is None else (above, below, np.diff(rows, axis=1)))
    of_strip, firsts = np.zeros(full, dtype=np.int64), np.arange(min(full, 1))
    # One column after the other, since strips that differ in all of them at once are hardly more; most do in none.
    for column in apart[:, (apart != apart[:1]).any(axis=0)].T:
        _, numbers = np.unique(column, return_inverse=True)
        _, firsts, of_strip = np.unique(of_strip * (full + 1) + numbers, return_index=True, return_inverse=True)
    kinds = [_strip_sizes(shape, rows[first], rows_per_column) for first in firsts]
    if rest:
        kinds.append(_strip_sizes(shape, y[full * e :], rows_per_column))
        of_strip = np.append(of_strip, len(kinds) - 1)
    return np.array(kinds, dtype=np.int64).reshape(-1, 5), of_strip


def _strip_sizes(shape: ConvShape, y: Ints, rows_per_column: int) -> tuple[int, int, int, int, int]:
    """Count the ofmap rows `y` of a strip, and the different ifmap rows that they read: see :class:`Strips`."""
    taps = np.arange(shape.R) * shape.dilation[0]
    in_first_turn = -(-len(y) // rows_per_column)
    rows = (y - y[0])[:, np.newaxis] * shape.stride[0] + taps  # from the first one
    by_turn = np.zeros((2, rows[-1, -1] + 1), dtype=bool)
    by_turn[0, rows[:in_first_turn]] = True
    by_turn[1, rows[in_first_turn:]] = True
    held = by_turn[0] | by_turn[1]
    begin = shape.padding[0] - y[0] * shape.stride[0]  # of the ifmap without padding
    read = held[max(begin, 0) : max(begin + shape.H, 0)].sum()
    return len(y), int(by_turn.sum()), int(by_turn[0].sum()), int(held.sum()), int(read)


@lru_cache(maxsize=256)
def strips_of(shape: ConvShape, e: int, pixels: Pixels = None, rows_per_column: int = 1) -> Strips:
    """Cut the rows of a stage into strips of `e`, and count what each reads."""
    sizes, of_strip = _told_apart(shape, e, pixels, rows_per_column)
    rows, streamed, first, held, read = np.ascontiguousarray(sizes[of_strip].T)
    return Strips(rows, streamed, first, held, read, _pixels_of_strips(shape, e, pixels))


def _pixels_of_strips(shape: ConvShape, e: int, pixels: Pixels) -> Ints:
    """Count the pixels of each strip in which the stage may compute."""
    y = stage_rows(shape, pixels)
    in_row = np.full(len(y), shape.Q) if pixels is None else np.array(pixels)[y]
    return np.add.reduceat(in_row, np.arange(0, len(y), e))


class Glb(NamedTuple):
    """GLB words of a strip, each as often as the GLB holds it (for tiles that DRAM works ahead or behind).

    Attributes
    ----------
    ifmap
        Rows of a channel and image, in the strip that has most of them.
    psums
        Psums of a filter and image.
    pointers
        Pointers of a column of filters (p of them, all images).
    """

    ifmap: Ints
    psums: Ints
    pointers: Ints

    def take(self, e: Ints) -> Glb:
        """Look up strips of `e` rows."""
        return Glb(*(words[e] for words in self))


def glb_strips(shape: ConvShape, e: int, array: Resources | None = None, stage: Stage = WHOLE) -> tuple[int, int, int]:
    """Count the GLB words of a strip of `e` rows: see :class:`Glb`.

    Full psums are all Q outputs of each row. Compact ones are those that the stage makes: of a stage that computes all
    of its pixels, those of the fullest strip; of one with a mask, the expected share (no more than all of its pixels),
    and a pointer for each PE column, which says where the column's psums begin.
    """
    if array is None:
        return _strip_words(shape, e, stage, 1, False)
    ifmap, psums, pointers = _strip_words(shape, e, stage, array.rows_per_column, array.compact)
    return array.ifmap_strips * ifmap, array.psum_strips * psums, array.psum_strips * pointers


@lru_cache(maxsize=8192)
def _strip_words(shape: ConvShape, e: int, stage: Stage, rows_per_column: int, compact: bool) -> tuple[int, int, int]:
    """Count the words of a strip that the GLB holds once."""
    rows, _, _, held, _ = _kinds(shape, e, stage.pixels, 1).sizes.max(axis=0).tolist()
    ifmap, psums, pointers = held * shape.W_padded, rows * shape.Q, 0
    if compact:
        psums = fullest = int(_pixels_of_strips(shape, e, stage.pixels).max())
        if stage.by_mask:
            psums = min(-(-stage.share * rows * shape.Q // SHARES), fullest)
            pointers = -(-rows // rows_per_column)
    return ifmap, psums, pointers


@lru_cache(maxsize=256)
def glb_table(shape: ConvShape, array: Resources, stages: tuple[Stage, ...]) -> Glb:
    """Tabulate the GLB words of strips of 0 (unused), 1, 2, ... rows: the most that one of `stages` needs."""
    words = np.array([
        [glb_strips(shape, max(e, 1), array, stage) for e in range(widest_strip(shape, array, stages) + 1)]
        for stage in stages
    ])  # fmt: skip
    return Glb(*words.max(axis=0).T)


def widest_strip(shape: ConvShape, array: Resources, stages: tuple[Stage, ...]) -> int:
    """Count the rows of the widest strip that the array and the stages have a use for."""
    rows = max(len(stage_rows(shape, stage.pixels)) for stage in stages)
    return min(rows, array.cols * (array.rows // shape.R) * array.rows_per_column)


class StripTable(NamedTuple):
    """Sums over all strips of a stage, for strips of 0 (unused), 1, 2, ... rows: int64 (widths,).

    Attributes
    ----------
    strips, full
        Number of strips, and of those among them that have all e rows.
    streamed, first, read
        Sums of what :class:`Strips` says of each.
    full_first
        Sum of `first` over the full strips.
    columns, turns
        Sums of the PE columns that a set takes, and of the rows that the busiest of them works on.
    sizes, times
        Kinds of strips, int64 (kinds, 3, widths): e, streamed and first of each; how often each occurs, int64 (kinds,
        widths).
    """

    strips: Ints
    full: Ints
    streamed: Ints
    first: Ints
    read: Ints
    full_first: Ints
    columns: Ints
    turns: Ints
    sizes: Ints
    times: Ints


@lru_cache(maxsize=1024)
def strip_table(shape: ConvShape, pixels: Pixels, rows_per_column: int, widest: int) -> StripTable:
    """Tabulate the strips of a stage by their width."""
    sums, kinds = [], []
    for e in [1, *range(1, widest + 1)]:
        of_width = _kinds(shape, e, pixels, rows_per_column)
        times = of_width.times
        rows, streamed, first, _, read = of_width.sizes.T
        full = rows == e
        columns, turns = -(-rows // rows_per_column), np.minimum(rows, rows_per_column)
        values = (full, streamed, first, read, first * full, columns, turns)
        sums.append([int(times.sum()), *(int(value @ times) for value in values)])
        counted: Counter[tuple[int, ...]] = Counter()
        for kind, count in zip(of_width.sizes[:, :3].tolist(), times.tolist(), strict=True):
            counted[tuple(kind)] += count
        kinds.append(counted)
    most = max(map(len, kinds))
    sizes, times = np.zeros((most, 3, len(kinds)), dtype=np.int64), np.zeros((most, len(kinds)), dtype=np.int64)
    for e, counted in enumerate(kinds):
        for kind, (size, count) in enumerate(counted.items()):
            sizes[kind, :, e], times[kind, e] = size, count
    totals = list(np.array(sums, dtype=np.int64).T)
    return StripTable._make([*totals, sizes, times])
