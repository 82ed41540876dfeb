"""What a row-stationary mapping is and which limits of the array bound it.

Source of names and limits: Chen et al., "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for
Convolutional Neural Networks", ISCA 2016, and "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep
Convolutional Neural Networks", JSSC 2017, sections IV and V.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.errors import MappingError
from zapsim.workload import ConvShape

Ints = NDArray[np.int64]
"""Formulas take and give int64 arrays that broadcast, so that they serve one mapping and all candidates of a search."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a mapping may use: PEs, spads (words a PE), buses (words a cycle), and the GLB in words.

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
        """Return the resources of a row-stationary architecture."""
        array = arch.array
        if not isinstance(array, RowStationaryArray):
            raise MappingError(f"{arch.name}: its dataflow is {array.dataflow}, not row-stationary")
        spads, buses, ahead = array.spads, array.buses, arch.buffers.prefetch
        filters = arch.buffers.filters
        bound = int(filters.size / arch.word_bytes) // ahead.filter if filters and ahead.filter else None
        return cls(
            array.rows, array.cols, spads.ifmap, spads.filter, spads.psum,
            buses.ifmap, buses.filter, buses.psum, arch.glb_words,
            2 if array.balance == "row-pairing" else 1, 1 + ahead.ifmap, 1 + ahead.ofmap, bound,
        )  # fmt: skip


def ceil(numerator: Ints | int, denominator: Ints | int) -> Ints:
    """Return quotients rounded up."""
    return np.asarray(-(-numerator // denominator), dtype=np.int64)


def touched(shape: ConvShape, count: Ints, axis: int) -> Ints:
    """Return ifmap rows (`axis` 0) or columns (1) that `count` neighbouring outputs read, padding included.

    (count − 1) · stride + taps where windows overlap and are not dilated; positions between windows that nobody reads
    (a stride wider than the filter) are neither stored nor streamed. Output i and tap j read position
    i · stride + j · dilation, so two pairs (i, j) read the same one exactly if they differ by a multiple of
    (dilation, −stride) / gcd: the pairs that have a predecessor are those read before.
    """
    taps, stride, dilation = (shape.R, shape.S)[axis], shape.stride[axis], shape.dilation[axis]
    common = gcd(stride, dilation)
    again = np.maximum(count - dilation // common, 0) * max(taps - stride // common, 0)
    return np.asarray(count * taps - again, dtype=np.int64)


def set_columns(have: Resources, e: Ints) -> Ints:
    """Return the columns of PEs that a set of `e` ofmap rows takes."""
    return ceil(e, have.rows_per_column)


def rows_in_turn(have: Resources, e: Ints) -> Ints:
    """Return the ofmap rows of the PE column that has most of them."""
    return np.minimum(e, have.rows_per_column)


def streamed_rows(shape: ConvShape, have: Resources, e: Ints) -> Ints:
    """Return the ifmap rows that the bus brings for `e` ofmap rows: those of each turn, as if it were alone.

    In the second turn a PE has no word of the first one any more: its spad holds a window, not a row.
    """
    first = set_columns(have, e)
    return touched(shape, first, axis=0) + touched(shape, e - first, axis=0)


def sets_beside(have: Resources, R: int, e: Ints, r: Ints) -> Ints:
    """Return how many filter groups t the array holds at once, of r sets of R × e PEs each (half as wide if paired).

    The r sets of a group work on different channels, and their psums are added on their way up a column, so they
    stand on top of one another: R · r rows of PEs. A set wider than the array folds into ceil(e / cols) parts
    of R rows below one another (JSSC 2017, section V-B: AlexNet's CONV2, 5 × 27 on 12 × 14 PEs, is 5 × 14 + 5 × 13).
    """
    columns = set_columns(have, e)
    folds = ceil(columns, have.cols)
    beside = np.maximum(have.cols // columns, 1)
    return have.rows // (R * folds * r) * beside


def glb_strips(shape: ConvShape, e: Ints, have: Resources | None = None) -> tuple[Ints, Ints]:
    """Return the GLB words of a strip of `e` ofmap rows, of one image: ifmap rows of a channel, psums of a filter.

    Each counts as often as the GLB of `have` holds it: once, and once for every tile that DRAM works ahead or behind.
    """
    ifmap, psum = touched(shape, e, axis=0) * shape.W_padded, e * shape.Q
    return (ifmap, psum) if have is None else (ifmap * have.ifmap_strips, psum * have.psum_strips)


@lru_cache(maxsize=1024)
def strip_rows(shape: ConvShape, e: int) -> Ints:
    """Return the ifmap rows, without padding, that each strip of `e` ofmap rows reads: int64 (strips,)."""
    y = np.arange(shape.P)[:, np.newaxis]
    read = np.zeros((-(-shape.P // e), shape.H_padded), dtype=np.bool_)
    read[y // e, y * shape.stride[0] + np.arange(shape.R) * shape.dilation[0]] = True
    top = shape.padding[0]
    return np.asarray(read[:, top : top + shape.H].sum(axis=1), dtype=np.int64)


def clamp(shape: ConvShape, mapping: PassParameters) -> PassParameters:
    """Return `mapping` without what the layer has no use for (such as n = 4 for a batch of 1)."""
    e = min(mapping.e, shape.P)
    n = min(mapping.n, shape.N)
    p, q = min(mapping.p, shape.K_per_group), min(mapping.q, shape.C_per_group)
    t = min(mapping.t, -(-shape.K_per_group // p))
    r = min(mapping.r, -(-shape.C_per_group // q))
    m = min(mapping.m, -(-shape.K_per_group // (p * t)) * p * t)
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def check_mapping(shape: ConvShape, have: Resources, mapping: PassParameters) -> None:
    """Check a mapping against every limit of the array.

    Raises
    ------
    MappingError
        If the layer fits in no way, or the mapping breaks limits: all of them, each with the words or sets
        it asks for and what there is.
    """
    check_mappable(shape, have)
    of = mapping
    e, r = np.array(of.e), np.array(of.r)
    ifmap_strip, psum_strip = glb_strips(shape, e, have)
    glb = int(of.n * (of.q * of.r * ifmap_strip + of.m * psum_strip))
    limits = (
        ("ifmap spad", "q·S", of.q * shape.S, have.ifmap_spad, "words"),
        ("filter spad", "p·q·S", of.p * of.q * shape.S, have.filter_spad, "words"),
        ("psum spad", "p", of.p, have.psum_spad, "words"),
        ("GLB", "n·q·r ifmap strips + n·m psum strips", glb, have.glb_words, "words"),
        *_filter_limit(shape, have, of),
        (
            f"{have.rows}×{have.cols} PEs", f"t filter groups, each of r sets of {shape.R}×{set_columns(have, e)} PEs,",
            of.t, int(sets_beside(have, shape.R, e, r)), "groups",
        ),
    )  # fmt: skip
    faults = [
        f"{name}: {formula} needs {asked} {unit}, there are {limit} ({asked - limit} too many)"
        for name, formula, asked, limit, unit in limits
        if asked > limit
    ]
    if of.m % (of.p * of.t):
        faults.append(f"m = {of.m} is not a multiple of the {of.p * of.t} filters (p·t) of a pass")
    if faults:
        values = ", ".join(f"{name}={value}" for name, value in of.model_dump().items())
        raise MappingError(f"layer {shape.name}: mapping {values}: " + "; ".join(faults))


def _filter_limit(shape: ConvShape, have: Resources, of: PassParameters) -> Iterator[tuple[str, str, int, int, str]]:
    """Yield the limit of what is fetched ahead, if there is one."""
    if have.filters_ahead is not None:
        asked = of.p * of.t * of.q * of.r * shape.R * shape.S
        yield "filter buffer", "p·t·q·r·R·S of a pass", asked, have.filters_ahead, "words"


def check_mappable(shape: ConvShape, have: Resources) -> None:
    """Check that some mapping of the layer exists.

    Raises
    ------
    MappingError
        If none does; the message says what would make the layer fit.
    """
    least = int(sum(glb_strips(shape, np.array(1), have)))
    needs = (
        (shape.R, have.rows, "filter rows R", "array rows"),
        (shape.S, have.ifmap_spad, "filter columns S", "words in the ifmap spad"),
        (shape.S, have.filter_spad, "filter columns S", "words in the filter spad"),
        (
            shape.R * shape.S,
            have.filters_ahead or shape.R * shape.S,
            "words of one filter",
            "words in the filter buffer",
        ),
        (least, have.glb_words, "words of one ifmap strip and one row of psums", "words in the GLB"),
    )  # fmt: skip
    faults = [
        f"{asked} {what} do not fit {limit} {where}; it would take at least {asked}"
        for asked, limit, what, where in needs
        if asked > limit
    ]
    if faults:
        raise MappingError(f"layer {shape.name} cannot be mapped: " + "; ".join(faults))
