"""The mapping search in compiled kernels: what :func:`zapsim.arrays.row_stationary.search.search` finds, sooner.

The kernels take seconds to compile, once per installation. So only an exploration, which searches thousands of times,
uses them; a single run searches in NumPy.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.bounds import Stages
from zapsim.arrays.row_stationary.mapping import Ints, Resources, ceil, ifmap_columns
from zapsim.arrays.row_stationary.search import Link, Objective, Prices, search
from zapsim.arrays.row_stationary.search_kernels import (
    TOTALS,
    Aim,
    Array,
    Layer,
    Strips,
    best_mapping,
)
from zapsim.arrays.row_stationary.strip_kernels import Rows, tabulate_strips
from zapsim.arrays.row_stationary.strips import SHARES, Pixels, Stage, stage_rows, widest_strip
from zapsim.workload import ConvShape

_MOST_MAPPINGS = 32768
"""Mappings that are kept: those of an exploration in random order (about 2 KiB each)."""


@lru_cache(maxsize=_MOST_MAPPINGS)
def compiled_search(
    shape: ConvShape, array: Resources, objective: Objective, *, exhaustive: bool = False
) -> PassParameters:
    """Find the best mapping of a layer that can be mapped, in kernels; once for each shape, array and objective.

    Parameters, and what is returned, are those of :func:`zapsim.arrays.row_stationary.search.search`. That also serves
    where bounds may be above what they bound, so that the order of trying matters: prices below 0, and compact psums
    under a mask, of which a pass with more filters keeps more in the GLB, because its pointers serve more of them.
    """
    pointers = array.compact and any(stage.by_mask for stage in objective.stages)
    if pointers or any(price < 0 for _, price in objective.prices):
        return search(shape, array, objective, exhaustive=exhaustive)
    strips, last = tabulate(shape, array, objective.stages), _last(shape, tuple(s.pixels for s in objective.stages))
    aim = _aim(objective.name, objective.prices, objective.link)
    best = best_mapping(_layer(shape), _array(array), strips, aim, exhaustive, last)
    m, n, e, p, q, r, t = best.tolist()
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


@lru_cache(maxsize=256)
def _layer(shape: ConvShape) -> Ints:
    """Say what the kernels need of a layer: the fields of their :class:`Layer`."""
    layer = Layer(
        shape.K_per_group, shape.C_per_group, shape.N, shape.R, shape.S, shape.Q, shape.groups,
        ifmap_columns(shape), shape.C * shape.W * shape.N,
    )  # fmt: skip
    return np.array(layer)


@lru_cache(maxsize=256)
def _array(array: Resources) -> Ints:
    """Say what the kernels need of an array: the fields of their :class:`Array`."""
    resources = Array(
        array.rows, array.cols, array.ifmap_spad, array.filter_spad, array.psum_spad,
        array.ifmap_bus, array.filter_bus, array.psum_bus, array.glb_words, array.rows_per_column,
        -1 if array.filters_ahead is None else array.filters_ahead, int(array.compact), array.mask_word,
        array.ifmap_strips, array.psum_strips,
    )  # fmt: skip
    return np.array(resources)


@lru_cache(maxsize=1024)
def _last(shape: ConvShape, pixels: tuple[Pixels, ...]) -> Ints:
    """Return where the kernel keeps the mapping that it found last for a layer, from which it starts: int64 (6,)."""
    return np.zeros(6, dtype=np.int64)


def tabulate(shape: ConvShape, array: Resources, stages: Stages) -> Strips:
    """Tabulate the strips of all stages, and the most words that one of these needs in the GLB, which holds it once."""
    widest = widest_strip(shape, array, stages)
    return _tabulated(shape, stages, array.rows_per_column, array.compact, widest)


@lru_cache(maxsize=256)
def _tabulated(shape: ConvShape, stages: Stages, rows_per_column: int, compact: bool, widest: int) -> Strips:
    """Tabulate strips for all arrays that differ in nothing else."""
    tables = [_table(shape, stage.pixels, rows_per_column, widest) for stage in stages]
    glb = [
        _glb_words(shape, stage, table[3], rows_per_column, compact)
        for stage, table in zip(stages, tables, strict=True)
    ]
    settled, starts, before = [], [], 0
    for stage, table in zip(stages, tables, strict=True):
        pixels = shape.P * shape.Q if stage.pixels is None else sum(stage.pixels)
        settled.append((stage.share, len(stage_rows(shape, stage.pixels)), pixels, stage.by_mask))
        starts.append(table[1] + before)
        before += len(table[2])
    sums, kinds = np.array([table[0] for table in tables]), np.concatenate([table[2] for table in tables])
    return Strips(np.max(glb, axis=0), np.array(settled, dtype=np.int64), sums, np.array(starts), kinds)


@lru_cache(maxsize=1024)
def _table(shape: ConvShape, pixels: Pixels, rows_per_column: int, widest: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Tabulate the strips of a stage, which arrays of one size share."""
    y = stage_rows(shape, pixels)
    in_row = np.full(len(y), shape.Q) if pixels is None else np.array(pixels)[y]
    rows = Rows(shape.stride[0], shape.dilation[0], shape.R, shape.padding[0], shape.H)
    return tabulate_strips(rows, y, in_row, rows_per_column, widest)


def _glb_words(shape: ConvShape, stage: Stage, most: Ints, rows_per_column: int, compact: bool) -> Ints:
    """Count the GLB words of strips by their width: :func:`zapsim.arrays.row_stationary.strips.glb_strips` for all."""
    rows, held, fullest = most
    ifmap, psums, pointers = held * shape.W_padded, rows * shape.Q, np.zeros_like(rows)
    if compact:
        psums = fullest
        if stage.by_mask:
            psums = np.minimum(ceil(stage.share * rows * shape.Q, SHARES), fullest)
            pointers = ceil(rows, rows_per_column)
    return np.stack([ifmap, psums, pointers])


@lru_cache(maxsize=256)
def _aim(name: str, prices: Prices, link: Link) -> Aim:
    """Say what the kernels need of an objective, its stages aside."""
    by_action = dict(prices)
    priced = [(price, TOTALS.index(action)) for action, price in prices if action in TOTALS]
    return Aim(
        ("latency", "energy", "edp").index(name),
        tuple(by_action.get(action, 0.0) for action in TOTALS),
        np.array([price for price, _ in priced], dtype=np.float64),
        np.array([column for _, column in priced], dtype=np.int64),
        np.array([link.word_cycles, link.ifmap_word_cycles, link.ifmap_waits, link.filter_waits], dtype=np.float64),
    )
