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
from numpy.typing import NDArray

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


class _Windows(NamedTuple):
    """The rows of a stage, and the ifmap rows that they read: (rows,) and (rows, R)."""

    pixels: Ints
    previous: Ints  # the last row of the stage that reads the same ifmap row; −1: none
    inside: NDArray[np.bool_]  # whether the ifmap row is not padding


@lru_cache(maxsize=1024)
def stage_rows(shape: ConvShape, pixels: Pixels = None) -> Ints:
    """List the ofmap rows in which a stage may compute."""
    return np.arange(shape.P) if pixels is None else np.flatnonzero(pixels)


@lru_cache(maxsize=1024)
def _windows(shape: ConvShape, pixels: Pixels) -> _Windows:
    y = stage_rows(shape, pixels)
    rows = y[:, np.newaxis] * shape.stride[0] + np.arange(shape.R) * shape.dilation[0]
    order = np.argsort(rows, axis=None, kind="stable")  # readers of one ifmap row follow each other, in their order
    sorted_rows, readers = rows.ravel()[order], order // shape.R
    previous = np.full(rows.size, -1)
    previous[order[1:]] = np.where(sorted_rows[1:] == sorted_rows[:-1], readers[:-1], -1)
    inside = (rows >= shape.padding[0]) & (rows < shape.padding[0] + shape.H)
    in_row = np.full(shape.P, shape.Q) if pixels is None else np.array(pixels)
    return _Windows(in_row[y], previous.reshape(rows.shape), inside)


@lru_cache(maxsize=8192)
def strips_of(shape: ConvShape, e: int, pixels: Pixels = None, rows_per_column: int = 1) -> Strips:
    """Cut the rows of a stage into strips of `e`, and count what each reads.

    A row of the ifmap is new to a strip if no earlier row of the strip reads it.
    """
    in_row, previous, inside = _windows(shape, pixels)
    rows = len(in_row)
    starts = np.arange(0, rows, e)
    sizes = np.minimum(e, rows - starts)
    in_first_turn = -(-sizes // rows_per_column)
    strip = np.arange(rows) // e
    later = np.arange(rows) - starts[strip] >= in_first_turn[strip]
    new_to_strip = previous < starts[strip, np.newaxis]
    new_to_turn = previous < (starts[strip] + later * in_first_turn[strip])[:, np.newaxis]
    per_row = (
        new_to_turn.sum(axis=1), new_to_turn.sum(axis=1) * ~later, new_to_strip.sum(axis=1),
        (new_to_strip & inside).sum(axis=1), in_row,
    )  # fmt: skip
    return Strips(sizes, *(np.add.reduceat(values, starts) for values in per_row))


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


@lru_cache(maxsize=8192)
def glb_strips(shape: ConvShape, e: int, array: Resources | None = None, stage: Stage = WHOLE) -> tuple[int, int, int]:
    """Count the GLB words of a strip of `e` rows: see :class:`Glb`.

    Full psums are all Q outputs of each row. Compact ones are those that the stage makes: of a stage that computes all
    of its pixels, those of the fullest strip; of one with a mask, the expected share (no more than all of its pixels),
    and a pointer for each PE column, which says where the column's psums begin.
    """
    strips = strips_of(shape, e, stage.pixels)
    rows, fullest = int(strips.e.max()), int(strips.pixels.max())
    ifmap, psums, pointers = int(strips.held.max()) * shape.W_padded, rows * shape.Q, 0
    if array is not None and array.compact:
        psums = fullest
        if stage.by_mask:
            psums = min(-(-stage.share * rows * shape.Q // SHARES), fullest)
            pointers = -(-rows // array.rows_per_column)
    ahead, behind = (1, 1) if array is None else (array.ifmap_strips, array.psum_strips)
    return ahead * ifmap, behind * psums, behind * pointers


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
        strips = strips_of(shape, e, pixels, rows_per_column)
        full = strips.e == e
        columns = -(-strips.e // rows_per_column)
        turns = np.minimum(strips.e, rows_per_column)
        values = (full, strips.streamed, strips.first, strips.read, strips.first * full, columns, turns)
        sums.append([len(full), *(int(value.sum()) for value in values)])
        kinds.append(Counter(zip(*(part.tolist() for part in strips[:3]), strict=True)))
    most = max(map(len, kinds))
    sizes, times = np.zeros((most, 3, len(kinds)), dtype=np.int64), np.zeros((most, len(kinds)), dtype=np.int64)
    for e, of_width in enumerate(kinds):
        for kind, (size, count) in enumerate(of_width.items()):
            sizes[kind, :, e], times[kind, e] = size, count
    totals = list(np.array(sums, dtype=np.int64).T)
    return StripTable._make([*totals, sizes, times])
