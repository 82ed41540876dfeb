"""The equations of a row-stationary pass, in the letters of the Eyeriss papers.

Source: Chen et al., "Eyeriss", ISCA 2016, and JSSC 2017, sections III to V; what happens at the edges of a layer and
with masks is ours (docs/models/row-stationary.md).

A PE set is R rows × e columns of PEs and computes a strip of e ofmap rows. A pass runs r · t sets: those of r work on
different channels, those of t on different filters. A PE holds p filters × q channels × n images. A row of the ofmap
has F = Q outputs; `rows` and `columns` are the ifmap rows and columns that a strip reads, (e − 1) · stride + R and
W_padded where windows overlap. So a pass takes::

    compute  = S · q · p · F · n                        cycles, at one MAC per cycle and PE
    psum     = p·t · e · F · n                          words read from the GLB, and as many written back
    ifmap    = q·r · n · rows · columns                 words, each multicast once
    filter   = p·t · q·r · R · S                        words
    first    = rows · S · q·r / ifmap_bus               cycles until the first windows are there
    last     = p·t · e / psum_bus                       cycles until the last psums have left
    pass     = max(first + compute + last, first + psum / psum_bus, ifmap / ifmap_bus + last) + filter / filter_bus
    passes   = ceil(K / (p·t)) · ceil(C / (q·r)) · ceil(P / e) · ceil(N / n)     in each group

What a bus moves while the array starts (first) or ends (last) is among its words, so it is not waited for again. Psums
have a bus in each direction. Under a mask, `compute` is S · q · the outputs of the busiest PE column, and `psum` are
the demanded outputs. With paired rows, a PE column works on two rows of the strip in turn: a set is half as wide, and
`compute` counts both rows. Where a stage computes in some ofmap rows only, a strip is e of these, and `rows` are what
they read. What a pass needs of the mask comes to the PEs with it: a bit for each filter, image and masked pixel of the
strip, on wires of their own or as words on the ifmap bus::

    masks    = ceil(p·t · n · masked / word)            words, beside those of the ifmap
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zapsim.arrays.row_stationary.mapping import (
    Ints,
    PassSizes,
    Resources,
    ceil,
    rows_in_turn,
    set_columns,
    touched,
)
from zapsim.workload import ConvShape


class PassCosts(NamedTuple):
    """Words that pass the buses, and cycles by what takes them (disjoint; they sum to the pass)."""

    psum: Ints
    ifmap: Ints
    masks: Ints
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
    shape: ConvShape, array: Resources, sizes: PassSizes, busiest: Ints | None = None, demanded: Ints | None = None
) -> PassCosts:
    """Evaluate the equations of this page.

    Parameters
    ----------
    shape
        The layer.
    array
        Widths of the buses, words per cycle.
    sizes
        What the passes hold.
    busiest
        Outputs of the busiest PE column, summed over the images; None: all (:func:`column_outputs`).
    demanded
        Outputs (psums) of the whole pass; None: all of its p · t · e · F · n.
    """
    R, S, F = shape.R, shape.S, shape.Q
    pt, qr, q, e, n = sizes.pt, sizes.qr, sizes.q, sizes.e, sizes.n
    rows, columns = sizes.streamed, touched(shape, np.array(F), axis=1)
    first_rows, pe_columns = sizes.first, set_columns(array, e)

    compute = S * q * (column_outputs(shape, array, sizes) if busiest is None else busiest)
    psum = pt * e * F * n if demanded is None else demanded
    ifmap = qr * n * rows * columns
    masks = mask_words(array, mask_bits(sizes))
    filter_ = pt * qr * R * S
    first = ceil(first_rows * S * qr, array.ifmap_bus)
    last = ceil(pt * pe_columns, array.psum_bus)

    # The maximum of `pass`, split by who is waited for: the wait beyond `compute` belongs to the slower bus.
    psum_wait = np.maximum(ceil(psum, array.psum_bus) - last - compute, 0)
    ifmap_wait = np.maximum(ceil(ifmap + masks, array.ifmap_bus) - first - compute, 0)
    by_psum = psum_wait >= ifmap_wait
    return PassCosts(
        psum,
        ifmap,
        masks,
        filter_,
        compute,
        psum_bus=psum_wait * by_psum,
        ifmap_bus=ifmap_wait * ~by_psum,
        filter_load=ceil(filter_, array.filter_bus),
        ramp=first + last,
    )


def mask_bits(sizes: PassSizes) -> Ints:
    """Count the bits of the mask that a pass needs."""
    return np.asarray(sizes.pt * sizes.n * sizes.masked, dtype=np.int64)


def mask_words(array: Resources, bits: Ints) -> Ints:
    """Count the words of mask bits on the ifmap bus; none if they have wires of their own."""
    return ceil(bits, array.mask_word) if array.mask_word else np.zeros_like(bits)


def psum_pointers(sizes: PassSizes) -> Ints:
    """Count the words that say where compact psums begin in the GLB: one for each PE column of a pass.

    A column reads and writes its psums in one order for every tile of channels, so they lie one after another. Where a
    stage computes all of its pixels, each column's place is known without a pointer.
    """
    return np.asarray(sizes.t * sizes.pointed, dtype=np.int64)


def column_outputs(shape: ConvShape, array: Resources, sizes: PassSizes) -> Ints:
    """Count the outputs of the PE column that has most of them: p · F · n, for each row that it works on."""
    return sizes.p * shape.Q * sizes.n * rows_in_turn(array, sizes.e)


def active_pes(shape: ConvShape, array: Resources, sizes: PassSizes) -> Ints:
    """Count the PEs that a pass uses; the others have no clock (JSSC 2017, section V-B)."""
    return np.asarray(shape.R * sizes.r * sizes.t * set_columns(array, sizes.e), dtype=np.int64)


def pass_actions(shape: ConvShape, array: Resources, sizes: PassSizes, costs: PassCosts) -> dict[str, Ints]:
    """Count the actions of passes that depend on the mapping, by their names in :class:`zapsim.counts.Counts`.

    Each of the R × e places of a set (two per PE if rows are paired) receives one ifmap row of every channel and image;
    each PE column receives the filters; a psum enters at the foot of a column, is handed up its R · r PEs and leaves. A
    PE is active as long as the pass takes. The GLB gives ifmaps and psums and takes psums, the ones of the first
    channels too (that is what JSSC 2017, Table V, counts); filters bypass it, and what DRAM and GLB exchange is left
    out, as it is there. Words of masks on the ifmap bus go to the R · r PEs of a column each; in the GLB, masks are
    counted by the bit. The pointers to compact psums are read in every pass.
    """
    columns = touched(shape, np.array(shape.Q), axis=1)
    ifmap_taken = shape.R * sizes.e * sizes.qr * sizes.t * sizes.n * columns
    filters_taken = costs.filter * set_columns(array, sizes.e)
    return {
        "ifmap_spad_writes": ifmap_taken,
        "filter_spad_writes": filters_taken,
        "ifmap_bus_words": costs.ifmap + costs.masks,
        "filter_bus_words": costs.filter,
        "psum_bus_words": 2 * costs.psum,
        "bus_deliveries": ifmap_taken + filters_taken + 2 * costs.psum + costs.masks * shape.R * sizes.r,
        "pe_to_pe_words": costs.psum * (shape.R * sizes.r - 1),
        "glb_reads": costs.psum + costs.ifmap + psum_pointers(sizes),
        "glb_writes": costs.psum,
        "mask_bits_read": mask_bits(sizes),
        "pe_active_cycles": active_pes(shape, array, sizes) * costs.cycles,
    }
