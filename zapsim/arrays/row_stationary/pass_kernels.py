"""The equations of a pass, and the order of passes, as walks over the passes of a stage.

:mod:`zapsim.arrays.row_stationary.equations` is the page of these equations and names every quantity; a test holds both
to the same numbers. Whole arrays of passes would take longer to build than to walk.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.shares import share_out

Ints = NDArray[np.int64]

SUMS: Final = (
    "compute", "psum_bus", "ifmap_bus", "filter_load", "ramp",
    "ifmap_spad_writes", "filter_spad_writes", "ifmap_bus_words", "filter_bus_words", "psum_bus_words",
    "bus_deliveries", "pe_to_pe_words", "glb_reads", "glb_writes", "mask_bits_read", "pe_active_cycles",
    "waiting", "working", "active_pes", "pointers", "residencies",
)  # fmt: skip
"""What :func:`pass_sums` adds up, in order: five kinds of cycles; actions by their names in `Counts`; PE-cycles of all
columns, and those of them with work; the most PEs at work; words of pointers that are written; residencies of psums
that have work."""


class Numbers(NamedTuple):
    """What is the same for all passes: letters as on the page of the equations; `columns` are those of the ifmap."""

    R: int
    S: int
    F: int
    columns: int
    t: int
    r: int
    ifmap_bus: int
    filter_bus: int
    psum_bus: int
    rows_per_column: int
    mask_word: int


@helper
def _up(numerator: int, denominator: int) -> int:
    """Divide and round up."""
    return (numerator + denominator - 1) // denominator


@kernel
def pass_sums(
    filters: Ints,
    channels: Ints,
    images: Ints,
    strips: Ints,
    numbers: Ints,
    busiest: Ints,
    psums: Ints,
    cycles: Ints,
    out: Ints,
) -> None:
    """Add up cycles and actions of all passes of a stage that have work.

    Parameters
    ----------
    filters, images
        int64 (filter tiles,) and (image tiles,): their sizes.
    channels
        int64 (2, 2): size and number of the full tiles of channels, and of the partial one.
    strips
        int64 (5, strips): e, streamed, first, masked and pointed of each strip.
    numbers
        int64 (11,): the fields of :class:`Numbers`.
    busiest
        int64 (groups, filter tiles, strips, image tiles): outputs of the busiest PE column; without filter tiles: all.
    psums
        int64 (groups, filter tiles, strips, image tiles): outputs of each pass; overwritten if all are computed.
    cycles
        int64 (2, groups, filter tiles, strips, image tiles), overwritten: cycles of a pass with a full tile of
        channels, and with the partial one; 0 if it has no work.
    out
        int64 (21,), overwritten: see :data:`SUMS`.
    """
    x = numbers
    a = Numbers(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10])
    everything = busiest.shape[1] == 0
    cycles[:] = 0
    out[:] = 0
    for kind in range(2):
        qr, times = channels[0, kind], channels[1, kind]
        if times == 0:
            continue
        q = _up(qr, a.r)
        r = _up(qr, q)
        for f in range(len(filters)):
            pt = filters[f]
            p = _up(pt, a.t)
            t = _up(pt, p)
            filter_words = pt * qr * a.R * a.S
            filter_load = _up(filter_words, a.filter_bus)
            for s in range(strips.shape[1]):
                e, rows = strips[0, s], strips[1, s]
                set_columns = _up(e, a.rows_per_column)
                first, last = _up(strips[2, s] * a.S * qr, a.ifmap_bus), _up(pt * set_columns, a.psum_bus)
                pointers = t * strips[4, s]
                active = a.R * r * t * set_columns
                for i in range(len(images)):
                    n = images[i]
                    ifmap = qr * n * rows * a.columns
                    bits = pt * n * strips[3, s]
                    masks = _up(bits, a.mask_word) if a.mask_word else 0
                    ifmap_cycles = _up(ifmap + masks, a.ifmap_bus)
                    ifmap_taken, filters_taken = a.R * e * qr * t * n * a.columns, filter_words * set_columns
                    for g in range(psums.shape[0]):
                        psum = pt * e * a.F * n if everything else psums[g, f, s, i]
                        outputs = p * a.F * n * min(e, a.rows_per_column) if everything else busiest[g, f, s, i]
                        if everything:
                            psums[g, f, s, i] = psum
                        if psum == 0:
                            continue
                        compute = a.S * q * outputs
                        psum_wait = max(_up(psum, a.psum_bus) - last - compute, 0)
                        ifmap_wait = max(ifmap_cycles - first - compute, 0)
                        if psum_wait >= ifmap_wait:
                            ifmap_wait = 0
                        else:
                            psum_wait = 0
                        taken = compute + psum_wait + ifmap_wait + filter_load + first + last
                        cycles[kind, g, f, s, i] = taken
                        out[0] += times * compute
                        out[1] += times * psum_wait
                        out[2] += times * ifmap_wait
                        out[3] += times * filter_load
                        out[4] += times * (first + last)
                        out[5] += times * ifmap_taken
                        out[6] += times * filters_taken
                        out[7] += times * (ifmap + masks)
                        out[8] += times * filter_words
                        out[9] += times * 2 * psum
                        out[10] += times * (ifmap_taken + filters_taken + 2 * psum + masks * a.R * r)
                        out[11] += times * psum * (a.R * r - 1)
                        out[12] += times * (psum + ifmap + pointers)
                        out[13] += times * psum
                        out[14] += times * bits
                        out[15] += times * active * taken
                        out[16] += times * compute * t * set_columns
                        out[17] += times * a.S * q * psum
                        out[18] = max(out[18], active)
                        if kind == 0 or channels[1, 0] == 0:
                            out[19] += pointers
                            out[20] += 1


@helper
def _pass_table(
    filters: Ints,
    channels: Ints,
    weight: int,
    ends: Ints,
    strip_words: Ints,
    psums: Ints,
    overflow: Ints,
    cycles: Ints,
    out: Ints,
) -> None:
    """List the passes that have work in the order in which the array runs them: `out` has a column for each."""
    groups, sets, strips, image_tiles = ends.shape
    channel_tiles, spills = channels[1, 0] + channels[1, 1], overflow.shape[1] > 0
    at, block = 0, 0
    for g in range(groups):
        for k in range(sets):
            for s in range(strips):
                for i in range(image_tiles):
                    begin = ends[g, k - 1, s, i] if k else 0
                    for c in range(channel_tiles):
                        kind = 0 if c < channels[1, 0] else 1
                        words = strip_words[s, i] * channels[0, kind]
                        for f in range(begin, ends[g, k, s, i]):
                            if psums[g, f, s, i] == 0:
                                continue
                            beyond = overflow[g, f, s, i] if spills else 0
                            out[0, at] = cycles[kind, g, f, s, i]
                            out[1, at] = words
                            out[2, at] = filters[f] * channels[0, kind] * weight
                            out[3, at] = beyond if c else 0
                            out[4, at] = beyond if c < channel_tiles - 1 else 0
                            out[5, at] = psums[g, f, s, i] if c == channel_tiles - 1 else 0
                            out[6, at] = block
                            words = 0
                            at += 1
                    block += 1


@helper
def _block_table(
    filters: Ints,
    channels: Ints,
    weight: int,
    ends: Ints,
    strip_words: Ints,
    psums: Ints,
    overflow: Ints,
    cycles: Ints,
    out: Ints,
) -> int:
    """Make one tile of all passes of a block; return how many blocks have work (`out` has room for all)."""
    groups, sets, strips, image_tiles = ends.shape
    channel_tiles, spills = channels[1, 0] + channels[1, 1], overflow.shape[1] > 0
    every_channel = channels[0, 0] * channels[1, 0] + channels[0, 1] * channels[1, 1]
    at, block = 0, 0
    for g in range(groups):
        for k in range(sets):
            for s in range(strips):
                for i in range(image_tiles):
                    begin = ends[g, k - 1, s, i] if k else 0
                    out[:, at] = 0
                    for f in range(begin, ends[g, k, s, i]):
                        if psums[g, f, s, i] == 0:
                            continue
                        beyond = overflow[g, f, s, i] * (channel_tiles - 1) if spills else 0
                        for kind in range(2):
                            out[0, at] += channels[1, kind] * cycles[kind, g, f, s, i] if channels[1, kind] else 0
                        out[1, at] = strip_words[s, i] * every_channel
                        out[2, at] += filters[f] * every_channel * weight
                        out[3, at] += beyond
                        out[4, at] += beyond
                        out[5, at] += psums[g, f, s, i]
                        out[6, at] = block
                    at += 1 if out[5, at] else 0
                    block += 1
    return at


@kernel
def pass_table(
    filters: Ints,
    channels: Ints,
    weight: int,
    ends: Ints,
    strip_words: Ints,
    psums: Ints,
    overflow: Ints,
    cycles: Ints,
    coded: int,
    ifmap: int,
    merged: bool,
    table: Ints,
) -> int:
    """List the passes that have work in the order in which the array runs them; return how many tiles that makes.

    Rows are those of :class:`zapsim.arrays.tiles.Tiles`. The first pass that needs a strip has its ifmap words.

    Parameters
    ----------
    filters, channels, psums, cycles
        As in :func:`pass_sums`.
    weight
        Words of a filter and channel, R · S.
    ends
        int64 (groups, sets, strips, image tiles): the filter tile after the last one of each set, whose psums stay in
        the GLB together. A set begins where the one before it ends.
    strip_words
        int64 (strips, image tiles): words of an ifmap strip, per channel.
    overflow
        int64, like `psums`: those that do not fit, and pass DRAM between the tiles of channels; no filter tiles: none.
    coded, ifmap
        Words of the whole ifmap as DRAM holds it (-1: as they are), and plain. A strip takes its share of the coded
        map, as if zeros were spread evenly over it.
    merged
        Whether all passes of a block are one tile.
    table
        int64 (7, passes with work) or, if they are merged, (7, blocks); overwritten: the tiles come first.
    """
    tiles: int = table.shape[1]
    if merged:
        tiles = _block_table(filters, channels, weight, ends, strip_words, psums, overflow, cycles, table)
    else:
        _pass_table(filters, channels, weight, ends, strip_words, psums, overflow, cycles, table)
    if coded >= 0:
        words = 0 * coded
        for tile in range(tiles):
            words += table[1, tile]
        share_out(_up(words * coded, ifmap), table[1][:tiles], table[1][:tiles])
    return tiles
