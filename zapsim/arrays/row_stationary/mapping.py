"""What a row-stationary mapping puts where, what its passes hold, and which limits of the array bound it.

Source of names and limits: Chen et al., "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for
Convolutional Neural Networks", ISCA 2016, and "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep
Convolutional Neural Networks", JSSC 2017, sections IV and V.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.errors import MappingError
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape

Ints = NDArray[np.int64]
"""Formulas take and return int64 arrays that broadcast: they serve one mapping, and all candidates of a search."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a mapping may use: PEs, spads (words per PE), buses (words per cycle), and the GLB in words.

    ``rows_per_column`` is how many ofmap rows of a strip a PE column works on, one after the other: 1, or 2 with
    ``balance: row-pairing``. ``ifmap_strips`` and ``psum_strips`` are how often the GLB holds every strip: once, and
    once more for each tile that is fetched ahead or still on its way to DRAM. ``filters_ahead`` are the words of
    filters that one pass may have, if a buffer bounds them. With ``compact`` psums the GLB keeps what a stage makes.
    ``mask_word`` are the bits of a mask that an ifmap word can carry; 0: masks have wires of their own.
    """

    rows: int
    cols: int
    ifmap_spad: int
    filter_spad: int
    psum_spad: int
    ifmap_bus: int
    filter_bus: int
    psum_bus: int
    glb_words: int
    rows_per_column: int = 1
    ifmap_strips: int = 1
    psum_strips: int = 1
    filters_ahead: int | None = None
    compact: bool = False
    mask_word: int = 0

    @classmethod
    def of(cls, arch: ArchSpec) -> Resources:
        """Gather the resources of a row-stationary architecture."""
        return _resources(arch)

    @classmethod
    def _gathered(cls, arch: ArchSpec) -> Resources:
        array = row_stationary_array(arch)
        spads, buses, ahead = array.spads, array.buses, arch.buffers.prefetch
        filters = arch.buffers.filters
        bound = int(filters.size / arch.word_bytes) // ahead.filter if filters and ahead.filter else None
        return cls(
            array.rows, array.cols, spads.ifmap, spads.filter, spads.psum,
            buses.ifmap, buses.filter, buses.psum, arch.glb_words,
            2 if array.balance == "row-pairing" else 1, 1 + ahead.ifmap, 1 + ahead.ofmap, bound,
            array.psums == "compact", arch.word if array.masks == "ifmap-bus" else 0,
        )  # fmt: skip


class PassSizes(NamedTuple):
    """What passes really hold, partial ones at the edges of a layer included.

    `pt` filters in `t` columns of at most `p` each; `qr` channels in `r` sets of at most `q` each; `n` images; `e`
    ofmap rows, for which the bus brings `streamed` ifmap rows, `first` of them in the first turn. `masked` are the
    pixels of these ofmap rows whose outputs wait for a bit of the mask, `pointed` the PE columns (of one column of
    filters) whose psums a pointer finds.
    """

    pt: Ints
    p: Ints
    t: Ints
    qr: Ints
    q: Ints
    r: Ints
    n: Ints
    e: Ints
    streamed: Ints
    first: Ints
    masked: Ints
    pointed: Ints


_resources = once_per_object(Resources._gathered)


def row_stationary_array(arch: ArchSpec) -> RowStationaryArray:
    """Return the row-stationary array of `arch`.

    Raises
    ------
    MappingError
        If it has another array.
    """
    if not isinstance(arch.array, RowStationaryArray):
        raise MappingError(f"{arch.name}: array.dataflow: expected 'row-stationary', got '{arch.array.dataflow}'")
    return arch.array


def ceil(numerator: Ints | int, denominator: Ints | int) -> Ints:
    """Divide and round up."""
    return np.asarray(-(-numerator // denominator), dtype=np.int64)


def touched(shape: ConvShape, count: Ints, axis: int) -> Ints:
    """Count the ifmap rows (`axis` 0) or columns (1) that `count` neighbouring outputs read, padding included.

    (count − 1) · stride + taps where windows overlap and are not dilated; positions between windows that nobody reads
    (a stride wider than the filter) are neither stored nor streamed. Output i and tap j read position
    i · stride + j · dilation, so two pairs (i, j) read the same one exactly if they differ by a multiple of
    (dilation, −stride) / gcd: the pairs that have a predecessor are those read before.
    """
    taps, stride, dilation = (shape.R, shape.S)[axis], shape.stride[axis], shape.dilation[axis]
    common = gcd(stride, dilation)
    again = np.maximum(count - dilation // common, 0) * max(taps - stride // common, 0)
    return np.asarray(count * taps - again, dtype=np.int64)


@lru_cache(maxsize=1024)
def ifmap_columns(shape: ConvShape) -> int:
    """Count the ifmap columns that a row of the ofmap reads."""
    return int(touched(shape, np.array(shape.Q), axis=1))


def set_columns(array: Resources, e: Ints) -> Ints:
    """Count the columns of PEs that a set of `e` ofmap rows takes."""
    return ceil(e, array.rows_per_column)


def rows_in_turn(array: Resources, e: Ints) -> Ints:
    """Count the ofmap rows of the PE column that has most of them."""
    return np.minimum(e, array.rows_per_column)


def sets_beside(array: Resources, R: int, e: Ints, r: Ints) -> Ints:
    """Count the filter groups t that the array holds at once, of r sets of R × e PEs each (half as wide if paired).

    The r sets of a group work on different channels, and their psums are added on their way up a column, so they
    stand on top of one another: R · r rows of PEs. A set wider than the array folds into ceil(e / cols) parts
    of R rows below one another (JSSC 2017, section V-B: AlexNet's CONV2, 5 × 27 on 12 × 14 PEs, is 5 × 14 + 5 × 13).
    """
    columns = set_columns(array, e)
    folds = ceil(columns, array.cols)
    beside = np.maximum(array.cols // columns, 1)
    return array.rows // (R * folds * r) * beside


def clamp(shape: ConvShape, mapping: PassParameters, rows: int | None = None) -> PassParameters:
    """Cut `mapping` down to what the layer has a use for (n = 1 for a batch of 1), in `rows` of its ofmap (or all)."""
    e = min(mapping.e, shape.P if rows is None else rows)
    n = min(mapping.n, shape.N)
    p, q = min(mapping.p, shape.K_per_group), min(mapping.q, shape.C_per_group)
    t = min(mapping.t, -(-shape.K_per_group // p))
    r = min(mapping.r, -(-shape.C_per_group // q))
    m = min(mapping.m, -(-shape.K_per_group // (p * t)) * p * t)
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def pass_sizes(pt: Ints, t: Ints, qr: Ints, r: Ints, n: Ints, strip: tuple[Ints, ...]) -> PassSizes:
    """Deal the filters and channels of passes evenly to columns and sets where there are too few to fill them.

    Parameters
    ----------
    pt, qr, n
        Filters, channels and images of the passes.
    t, r
        Columns of filters, and sets of channels, that they are dealt to.
    strip
        e, streamed, first, masked and pointed.
    """
    p, q = ceil(pt, t), ceil(qr, r)
    return PassSizes(pt, p, ceil(pt, np.maximum(p, 1)), qr, q, ceil(qr, np.maximum(q, 1)), n, *strip)


def tile_classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return size and number of the full tiles and of the last, partial one: int64 (2, ...) each."""
    rest = total % tile
    return np.stack([tile, rest]), np.stack([total // tile, np.minimum(rest, 1)])


def tiles(total: int, tile: int) -> Ints:
    """Return the size of every tile of one dimension, in order: int64 (ceil(total / tile),)."""
    return np.minimum(tile, total - np.arange(0, total, tile, dtype=np.int64))
