"""The equations of a row-stationary pass, in the names of the Eyeriss papers, and the passes that a layer takes.

Source: Chen et al., "Eyeriss", ISCA 2016, and JSSC 2017, sections III to V; what happens at the edges of a layer and
with masks is ours (docs/models/row-stationary.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    Resources,
    ceil,
    rows_in_turn,
    set_columns,
    streamed_rows,
    touched,
)
from zapsim.workload import ConvShape


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


class PassCosts(NamedTuple):
    """Words that pass the buses, and cycles by what takes them (disjoint)."""

    psum: Ints
    ifmap: Ints
    filter: Ints
    compute: Ints
    psum_bus: Ints
    ifmap_bus: Ints
    filter_load: Ints
    ramp: Ints

    @property
    def cycles(self) -> Ints:
        """Cycles of each pass."""
        return self.compute + self.psum_bus + self.ifmap_bus + self.filter_load + self.ramp


def pass_costs(
    shape: ConvShape, have: Resources, of: PassSizes, busiest: Ints | None = None, kept: Ints | None = None
) -> PassCosts:
    """Return what passes cost.

    Parameters
    ----------
    shape
        The layer.
    have
        Widths of the buses, words a cycle.
    of
        Sizes of the passes.
    busiest
        Outputs of the busiest PE column, summed over the images; None: all (:func:`column_outputs`).
    kept
        Outputs (psums) of the whole pass; None: all of its p · t · e · F · n.
    """
    R, S, F = shape.R, shape.S, shape.Q
    rows, columns = streamed_rows(shape, have, of.e), touched(shape, np.array(F), axis=1)
    of_set = set_columns(have, of.e)

    compute = (
        S * of.q * (column_outputs(shape, have, of) if busiest is None else busiest)
    )  # cycles: 1 MAC a cycle and PE
    psum = of.pt * of.e * F * of.n if kept is None else kept  # words read, and as many written
    ifmap = of.qr * of.n * rows * columns  # words, each multicast once
    filter_ = of.pt * of.qr * R * S  # words
    first_windows, last_psums = touched(shape, of_set, axis=0) * S * of.qr, of.pt * of_set
    first, last = ceil(first_windows, have.ifmap_bus), ceil(last_psums, have.psum_bus)

    # What a bus moves while the array starts or ends (ramp) is among its words, so it is not waited for again: the pass
    # takes max(first + compute + last, first + psum, ifmap + last). Psum reads and writes have a bus each.
    psum_wait = np.maximum(ceil(psum, have.psum_bus) - last - compute, 0)
    ifmap_wait = np.maximum(ceil(ifmap, have.ifmap_bus) - first - compute, 0)
    by_psum = psum_wait >= ifmap_wait
    return PassCosts(
        psum,
        ifmap,
        filter_,
        compute,
        psum_wait * by_psum,
        ifmap_wait * ~by_psum,
        ceil(filter_, have.filter_bus),
        first + last,
    )


def active_pes(shape: ConvShape, have: Resources, of: PassSizes) -> Ints:
    """Return the PEs that a pass uses; the others have no clock (JSSC 2017, section V-B)."""
    return np.asarray(shape.R * of.r * of.t * set_columns(have, of.e), dtype=np.int64)


def column_outputs(shape: ConvShape, have: Resources, of: PassSizes) -> Ints:
    """Return the outputs of the PE column that has most of them, summed over the images."""
    return of.p * shape.Q * of.n * rows_in_turn(have, of.e)


def pass_actions(shape: ConvShape, have: Resources, of: PassSizes, costs: PassCosts) -> dict[str, Ints]:
    """Return the actions of passes that depend on the mapping, by their names in :class:`zapsim.counts.Counts`.

    Each of the R × e places of a set (two a PE if rows are paired) receives one ifmap row of every channel and image;
    each PE column receives the filters; a psum enters at the foot of a column, is handed up its R · r PEs and leaves. A
    PE is active as long as the pass takes. The GLB gives ifmaps and psums and takes psums, the ones of the first
    channels too (that is what JSSC 2017, Table V, counts); filters bypass it, and what DRAM and GLB exchange is left
    out, as it is there.
    """
    columns = touched(shape, np.array(shape.Q), axis=1)
    ifmap, filter_ = shape.R * of.e * of.qr * of.t * of.n * columns, costs.filter * set_columns(have, of.e)
    return {
        "ifmap_spad_writes": ifmap,
        "filter_spad_writes": filter_,
        "ifmap_bus_words": costs.ifmap,
        "filter_bus_words": costs.filter,
        "psum_bus_words": 2 * costs.psum,
        "bus_deliveries": ifmap + filter_ + 2 * costs.psum,
        "pe_to_pe_words": costs.psum * (shape.R * of.r - 1),
        "glb_reads": costs.psum + costs.ifmap,
        "glb_writes": costs.psum,
        "pe_active_cycles": active_pes(shape, have, of) * costs.cycles,
    }


def pass_sizes(pt: Ints, t: Ints, qr: Ints, r: Ints, e: Ints, n: Ints) -> PassSizes:
    """Return the sizes of passes; what is too little for all columns or sets is dealt to them evenly."""
    p, q = ceil(pt, t), ceil(qr, r)
    return PassSizes(pt, p, ceil(pt, np.maximum(p, 1)), qr, q, ceil(qr, np.maximum(q, 1)), e, n)


def tile_classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return size and number of the full tiles and of the last, partial one: int64 (2, ...) each."""
    rest = total % tile
    return np.stack([tile, rest]), np.stack([total // tile, np.minimum(rest, 1)])


def tiles(total: int, tile: int) -> Ints:
    """Return the size of every tile of one dimension, in order: int64 (ceil(total / tile),)."""
    return np.minimum(tile, total - np.arange(0, total, tile, dtype=np.int64))


def pass_grid(shape: ConvShape, of: PassParameters) -> tuple[int, int, int]:
    """Return the number of filter tiles (of a group), row strips and image tiles."""
    pairs = ((shape.K_per_group, of.p * of.t), (shape.P, of.e), (shape.N, of.n))
    filter_tiles, strips, image_tiles = (-(-total // tile) for total, tile in pairs)
    return filter_tiles, strips, image_tiles


@lru_cache(maxsize=1024)
def layer_passes(shape: ConvShape, of: PassParameters) -> tuple[PassSizes, Ints]:
    """Return the passes of one group of a layer, and how often each occurs.

    Returns
    -------
    sizes
        Arrays that broadcast to (2, 1, filter tiles, row strips, image tiles); the first axis holds the full tiles of
        channels and the last, partial one; the second is for groups, which are alike.
    times
        int64 (2, 1, 1, 1, 1): number of channel tiles of each class.
    """
    qr, times = tile_classes(shape.C_per_group, np.array(of.q * of.r))
    sizes = pass_sizes(
        tiles(shape.K_per_group, of.p * of.t)[:, None, None],
        np.array(of.t),
        qr[:, None, None, None, None],
        np.array(of.r),
        tiles(shape.P, of.e)[:, None],
        tiles(shape.N, of.n),
    )
    return sizes, times[:, None, None, None, None]
