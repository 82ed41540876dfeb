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
from zapsim.workload import ConvShape

Ints = NDArray[np.int64]
"""Formulas take and return int64 arrays that broadcast: they serve one mapping, and all candidates of a search."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a mapping may use: PEs, spads (words per PE), buses (words per cycle), and the GLB in words.

    ``rows_per_column`` is how many ofmap rows of a strip a PE column works on, one after the other: 1, or 2 with
    ``balance: row-pairing``. ``ifmap_strips`` and ``psum_strips`` are how often the GLB holds every strip: once, and
    once more for each tile that is fetched ahead or still on its way to DRAM. ``filters_ahead`` are the words of
    filters that one pass may have, if a buffer bounds them.
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

    @classmethod
    def of(cls, arch: ArchSpec) -> Resources:
        """Gather the resources of a row-stationary architecture."""
        array = row_stationary_array(arch)
        spads, buses, ahead = array.spads, array.buses, arch.buffers.prefetch
        filters = arch.buffers.filters
        bound = int(filters.size / arch.word_bytes) // ahead.filter if filters and ahead.filter else None
        return cls(
            array.rows, array.cols, spads.ifmap, spads.filter, spads.psum,
            buses.ifmap, buses.filter, buses.psum, arch.glb_words,
            2 if array.balance == "row-pairing" else 1, 1 + ahead.ifmap, 1 + ahead.ofmap, bound,
        )  # fmt: skip


class PassSizes(NamedTuple):
    """What passes really hold, partial ones at the edges of a layer included.

    `pt` filters in `t` columns of at most `p` each; `qr` channels in `r` sets of at most `q` each; `e` ofmap rows; `n`
    images.
    """

    pt: Ints
    p: Ints
    t: Ints
    qr: Ints
    q: Ints
    r: Ints
    e: Ints
    n: Ints


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


def set_columns(array: Resources, e: Ints) -> Ints:
    """Count the columns of PEs that a set of `e` ofmap rows takes."""
    return ceil(e, array.rows_per_column)


def rows_in_turn(array: Resources, e: Ints) -> Ints:
    """Count the ofmap rows of the PE column that has most of them."""
    return np.minimum(e, array.rows_per_column)


def streamed_rows(shape: ConvShape, array: Resources, e: Ints) -> Ints:
    """Count the ifmap rows that the bus brings for `e` ofmap rows: those of each turn, as if it were alone.

    In the second turn a PE has no word of the first one any more: its spad holds a window, not a row.
    """
    first = set_columns(array, e)
    return touched(shape, first, axis=0) + touched(shape, e - first, axis=0)


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


def glb_strips(shape: ConvShape, e: Ints, array: Resources | None = None) -> tuple[Ints, Ints]:
    """Count the GLB words of a strip of `e` ofmap rows, of one image: ifmap rows of a channel, psums of a filter.

    Each counts as often as the GLB of `array` holds it: once, and once for every tile that DRAM works ahead or behind.
    """
    ifmap, psum = touched(shape, e, axis=0) * shape.W_padded, e * shape.Q
    return (ifmap, psum) if array is None else (ifmap * array.ifmap_strips, psum * array.psum_strips)


@lru_cache(maxsize=1024)
def strip_rows(shape: ConvShape, e: int) -> Ints:
    """Count the ifmap rows, without padding, that each strip of `e` ofmap rows reads: int64 (strips,)."""
    y = np.arange(shape.P)[:, np.newaxis]
    read = np.zeros((-(-shape.P // e), shape.H_padded), dtype=np.bool_)
    read[y // e, y * shape.stride[0] + np.arange(shape.R) * shape.dilation[0]] = True
    top = shape.padding[0]
    return np.asarray(read[:, top : top + shape.H].sum(axis=1), dtype=np.int64)


def clamp(shape: ConvShape, mapping: PassParameters) -> PassParameters:
    """Cut `mapping` down to what the layer has a use for (n = 1 for a batch of 1)."""
    e = min(mapping.e, shape.P)
    n = min(mapping.n, shape.N)
    p, q = min(mapping.p, shape.K_per_group), min(mapping.q, shape.C_per_group)
    t = min(mapping.t, -(-shape.K_per_group // p))
    r = min(mapping.r, -(-shape.C_per_group // q))
    m = min(mapping.m, -(-shape.K_per_group // (p * t)) * p * t)
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def pass_sizes(pt: Ints, t: Ints, qr: Ints, r: Ints, e: Ints, n: Ints) -> PassSizes:
    """Deal the filters and channels of passes evenly to columns and sets where there are too few to fill them."""
    p, q = ceil(pt, t), ceil(qr, r)
    return PassSizes(pt, p, ceil(pt, np.maximum(p, 1)), qr, q, ceil(qr, np.maximum(q, 1)), e, n)


def tile_classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return size and number of the full tiles and of the last, partial one: int64 (2, ...) each."""
    rest = total % tile
    return np.stack([tile, rest]), np.stack([total // tile, np.minimum(rest, 1)])


def tiles(total: int, tile: int) -> Ints:
    """Return the size of every tile of one dimension, in order: int64 (ceil(total / tile),)."""
    return np.minimum(tile, total - np.arange(0, total, tile, dtype=np.int64))


def pass_grid(shape: ConvShape, mapping: PassParameters) -> tuple[int, int, int]:
    """Return the number of filter tiles (of a group), row strips and image tiles."""
    pairs = ((shape.K_per_group, mapping.p * mapping.t), (shape.P, mapping.e), (shape.N, mapping.n))
    filter_tiles, strips, image_tiles = (-(-total // tile) for total, tile in pairs)
    return filter_tiles, strips, image_tiles


def check_mapping(shape: ConvShape, array: Resources, mapping: PassParameters) -> None:
    """Check a mapping against every limit of the array.

    Raises
    ------
    MappingError
        If the layer fits in no way, or the mapping breaks limits: all of them, each with the words or sets that it
        needs and those that there are.
    """
    check_mappable(shape, array)
    p, q, r, t = mapping.p, mapping.q, mapping.r, mapping.t
    ifmap_strip, psum_strip = glb_strips(shape, np.array(mapping.e), array)
    columns = set_columns(array, np.array(mapping.e))
    limits = [
        ("ifmap spad", "q·S", q * shape.S, array.ifmap_spad, "words"),
        ("filter spad", "p·q·S", p * q * shape.S, array.filter_spad, "words"),
        ("psum spad", "p", p, array.psum_spad, "words"),
        (
            "GLB", "n·q·r ifmap strips + n·m psum strips",
            int(mapping.n * (q * r * ifmap_strip + mapping.m * psum_strip)), array.glb_words, "words",
        ),
        (
            f"{array.rows}×{array.cols} PEs", f"t filter groups, each of r sets of {shape.R}×{columns} PEs,",
            t, int(sets_beside(array, shape.R, np.array(mapping.e), np.array(r))), "groups",
        ),
    ]  # fmt: skip
    if array.filters_ahead is not None:
        words = p * t * q * r * shape.R * shape.S
        limits.insert(4, ("filter buffer", "p·t·q·r·R·S of a pass", words, array.filters_ahead, "words"))
    faults = [
        f"{name}: {formula} needs {needed} {unit}, there are {limit} ({needed - limit} too many)"
        for name, formula, needed, limit, unit in limits
        if needed > limit
    ]
    if mapping.m % (p * t):
        faults.append(f"m = {mapping.m} is not a multiple of the {p * t} filters (p·t) of a pass")
    if faults:
        values = ", ".join(f"{name}={value}" for name, value in mapping.model_dump().items())
        raise MappingError(f"layer {shape.name}: mapping {values}: " + "; ".join(faults))


def check_mappable(shape: ConvShape, array: Resources) -> None:
    """Check that some mapping of the layer exists.

    Raises
    ------
    MappingError
        If none does; the message says what would make the layer fit.
    """
    least = int(sum(glb_strips(shape, np.array(1), array)))
    filter_words = shape.R * shape.S
    needs = (
        (shape.R, array.rows, "filter rows R", "array rows"),
        (shape.S, array.ifmap_spad, "filter columns S", "words in the ifmap spad"),
        (shape.S, array.filter_spad, "filter columns S", "words in the filter spad"),
        (filter_words, array.filters_ahead or filter_words, "words of one filter", "words in the filter buffer"),
        (least, array.glb_words, "words of one ifmap strip and one row of psums", "words in the GLB"),
    )  # fmt: skip
    faults = [
        f"{needed} {what} do not fit {limit} {where}; it would take at least {needed}"
        for needed, limit, what, where in needs
        if needed > limit
    ]
    if faults:
        raise MappingError(f"layer {shape.name} cannot be mapped: " + "; ".join(faults))
