"""The row-stationary mapping search as kernels: bounds of all frames, then the walk through the promising ones.

The letters and the equations are those of :mod:`zapsim.arrays.row_stationary.equations` and
:mod:`zapsim.arrays.row_stationary.bounds`, here for one mapping after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel

SLACK = 1 + 1e-9
"""Bounds are sums of floats, rounded otherwise than what they bound."""

LATENCY, ENERGY, EDP = range(3)
"""What is minimised."""

TOTALS = (
    "cycles", "ifmap_spad_writes", "filter_spad_writes", "ifmap_bus_words", "filter_bus_words", "psum_bus_words",
    "bus_deliveries", "pe_to_pe_words", "glb_reads", "glb_writes", "mask_bits_read", "pe_active_cycles", "dram_reads",
)  # fmt: skip
"""What is counted of a mapping, in the order of the kernels' columns."""

FILTER_BUS, GLB_READS, GLB_WRITES, DRAM_READS = 4, 8, 9, 12


class Layer(NamedTuple):
    """The layer: K and C of a group, N, R, S, F, groups, ifmap columns that a row reads, ifmap words of a row."""

    K: int
    C: int
    N: int
    R: int
    S: int
    F: int
    groups: int
    columns: int
    row_words: int


class Array(NamedTuple):
    """The array: :class:`zapsim.arrays.row_stationary.mapping.Resources` as integers (`filters_ahead` −1: no bound)."""

    rows: int
    cols: int
    ifmap_spad: int
    filter_spad: int
    psum_spad: int
    ifmap_bus: int
    filter_bus: int
    psum_bus: int
    glb_words: int
    rows_per_column: int
    filters_ahead: int
    compact: int
    mask_word: int


class Strips(NamedTuple):
    """Strips of 0 (unused), 1, 2, ... rows, int64 all.

    Attributes
    ----------
    glb
        (3, widths): words of ifmap, psums and pointers, the most of all stages.
    stages
        (stages, 4): share in 1/32, ofmap rows, pixels in which the stage may compute, whether a mask says which.
    sums
        (stages, 8, widths): strips, full, streamed, first, read, full_first, columns and turns of a strip table.
    starts
        (stages, widths + 1): where the kinds of each width begin.
    kinds
        (all kinds, 4): e, streamed and first of a kind of strips, and how often it occurs.
    """

    glb: NDArray[np.int64]
    stages: NDArray[np.int64]
    sums: NDArray[np.int64]
    starts: NDArray[np.int64]
    kinds: NDArray[np.int64]


class Aim(NamedTuple):
    """What is minimised: its code, pJ and column of each price in the order of the sum, and the DRAM channel.

    `link` are cycles per word of filters, per word of ifmaps, and whether the array waits for ifmaps and for filters
    (1 or 0). No price is negative, so that more of anything never scores less, rounding included.
    """

    code: int
    prices: NDArray[np.float64]
    columns: NDArray[np.int64]
    link: NDArray[np.float64]


class Rows(NamedTuple):
    """What says which ifmap rows an ofmap row reads: stride, dilation, R, padding above and H."""

    stride: int
    dilation: int
    taps: int
    padding: int
    height: int


@helper
def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


@helper
def _count_rows(rows: Rows, y: NDArray[np.int64], first: int, last: int, seen: NDArray[np.int64]) -> tuple[int, int]:
    """Count the different ifmap rows that ofmap rows ``y[first:last]`` read, and those of them that are no padding.

    `seen` has a place for each ifmap row with its padding, and tells which rows have been counted; it is reset.
    """
    every, read = 0, 0
    for turn in range(2):
        for at in range(first, last):
            for tap in range(rows.taps):
                row = y[at] * rows.stride + tap * rows.dilation
                if turn:
                    seen[row] = 0
                elif not seen[row]:
                    seen[row] = 1
                    every += 1
                    if rows.padding <= row < rows.padding + rows.height:
                        read += 1
    return every, read


@kernel
def tabulate_strips(
    rows: Rows, y: NDArray[np.int64], pixels: NDArray[np.int64], rows_per_column: int, widest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Tabulate the strips of a stage by their width, 0 (as 1) to `widest`.

    Parameters
    ----------
    rows
        How ofmap rows read ifmap rows.
    y, pixels
        int64 (ofmap rows of the stage,) both: the rows, and in how many of their pixels it may compute.
    rows_per_column
        Rows of a strip that a PE column works on.
    widest
        The largest width.

    Returns
    -------
    sums, starts, kinds
        int64 (8, widths), (widths + 1,) and (kinds, 4): as in :class:`Strips`, for this stage.
    most
        int64 (3, widths): the largest e, held rows and pixels of a strip.
    """
    count = len(y)
    seen = np.zeros(y[count - 1] * rows.stride + (rows.taps - 1) * rows.dilation + 1, np.int64)
    sums, most = np.zeros((8, widest + 1), np.int64), np.zeros((3, widest + 1), np.int64)
    starts, kinds = np.zeros(widest + 2, np.int64), np.empty((64, 4), np.int64)
    end = 0
    for width in range(widest + 1):
        e = max(width, 1)
        for top in range(0, count, e):
            bottom = min(top + e, count)
            size = bottom - top
            columns = _ceil(size, rows_per_column)
            first, _ = _count_rows(rows, y, top, top + columns, seen)
            later, _ = _count_rows(rows, y, top + columns, bottom, seen)
            held, read = _count_rows(rows, y, top, bottom, seen)
            in_strip = 0
            for at in range(top, bottom):
                in_strip += pixels[at]
            sums[0, width] += 1
            sums[2, width] += first + later
            sums[3, width] += first
            sums[4, width] += read
            if size == e:
                sums[1, width] += 1
                sums[5, width] += first
            sums[6, width] += columns
            sums[7, width] += min(size, rows_per_column)
            most[0, width] = max(most[0, width], size)
            most[1, width] = max(most[1, width], held)
            most[2, width] = max(most[2, width], in_strip)
            kind = starts[width]
            while kind < end and (kinds[kind, 0] != size or kinds[kind, 1] != first + later or kinds[kind, 2] != first):
                kind += 1
            if kind == end:
                if end == len(kinds):
                    larger = np.empty((2 * end, 4), np.int64)
                    larger[:end] = kinds
                    kinds = larger
                kinds[end, 0], kinds[end, 1], kinds[end, 2], kinds[end, 3] = size, first + later, first, 0
                end += 1
            kinds[kind, 3] += 1
        starts[width + 1] = end
    return sums, starts, kinds[:end], most


@helper
def _score(aim: Aim, totals: NDArray[np.int64]) -> float:
    """Rate a mapping: cycles of array and channel, pJ, or their product."""
    filters = totals[FILTER_BUS] * aim.link[0]
    ifmaps = (totals[DRAM_READS] - totals[FILTER_BUS]) * aim.link[1]
    exposed = ifmaps * aim.link[2] + filters * aim.link[3]
    cycles = max(totals[0] + exposed, ifmaps + filters)
    if aim.code == LATENCY:
        return float(cycles)
    energy = 0.0
    for price in range(len(aim.prices)):
        column = aim.columns[price]
        energy += aim.prices[price] * (cycles if column == 0 else float(totals[column]))
    return energy if aim.code == ENERGY else energy * cycles


@helper
def _best_m(layer: Layer, array: Array, strips: Strips, n: int, e: int, p: int, q: int, r: int, t: int) -> int:
    """Find the m that loads ifmaps least often: of the largest that fits the GLB, the smallest that is as good."""
    K, pt = layer.K, p * t
    tile_words = t * (p * n * strips.glb[1, e] + strips.glb[2, e])
    largest = min((array.glb_words - n * q * r * strips.glb[0, e]) // tile_words, _ceil(K, pt)) * pt
    return _ceil(_ceil(K, _ceil(K, largest)), pt) * pt


@helper
def _masked(strips: Strips, stage: int, rows: int) -> int:
    """Count the masked pixels of so many rows, as if all rows of the stage had equally many."""
    return _ceil(rows * strips.stages[stage, 2], strips.stages[stage, 1]) if strips.stages[stage, 3] else 0


@helper
def _hops(C: int, R: int, qr: int, r: int) -> int:
    """Count how often a psum is handed from PE to PE, over all tiles of channels."""
    full_channels = C // qr
    channels_left = C - full_channels * qr
    hops = full_channels * (R * r - 1)
    if channels_left > 0:
        hops += R * _ceil(channels_left, _ceil(channels_left, r)) - 1
    return hops


@helper
def _filling(layer: Layer, array: Array, strips: Strips, stage: int, n: int, e: int, pt: int, qr: int) -> int:
    """Bound the cycles in which full passes are filled, by what these hold, which is bounded itself."""
    full, images = strips.sums[stage, 1, e], layer.N // n
    filters, channel_tiles = max(layer.K - pt + 1, 0), layer.C // qr
    filling = _ceil(filters * channel_tiles * qr * layer.R * layer.S * full * images, array.filter_bus)
    first = strips.sums[stage, 5, e] * layer.S * channel_tiles * qr * (layer.K // pt)
    filling += _ceil(first * images, array.ifmap_bus)
    columns = _ceil(e, array.rows_per_column)
    return filling + _ceil(filters * columns * channel_tiles * full * images, array.psum_bus)


@helper
def _bound(
    layer: Layer, array: Array, strips: Strips, aim: Aim, m: int, n: int, e: int, p: int, q: int, r: int, t: int,
    totals: NDArray[np.int64],
) -> float:  # fmt: skip
    """Bound the score from below: each equation summed over all passes before maxima are taken and quotients rounded.

    `totals`, int64 (len(TOTALS),), is overwritten; if only latency counts, with cycles and words of GLB and DRAM alone.
    """
    K, C, N, R, S, F, groups, columns, row_words = layer
    pt, qr = p * t, q * r
    filter_tiles, channel_tiles, image_tiles = _ceil(K, pt), _ceil(C, qr), _ceil(N, n)
    loads, busy, every = _ceil(K, m), S * F * N * _ceil(K, t) * _ceil(C, r), aim.code != LATENCY
    p_columns = _ceil(K, p) if every or array.compact else 0
    totals[:] = 0
    for stage in range(len(strips.stages)):
        share, ofmap_rows, by_mask = strips.stages[stage, 0], strips.stages[stage, 1], strips.stages[stage, 3]
        strip_count, streamed, first_rows = strips.sums[stage, 0, e], strips.sums[stage, 2, e], strips.sums[stage, 3, e]
        pe_columns, turns = strips.sums[stage, 6, e], strips.sums[stage, 7, e]
        psums = _ceil(K * ofmap_rows * F * N * share, 32)
        bits = K * N * _masked(strips, stage, ofmap_rows) * channel_tiles

        compute = _ceil(busy * turns * share, 32)
        psum = psums * channel_tiles
        ifmap = C * N * streamed * columns * filter_tiles
        masks = _ceil(bits, array.mask_word) if array.mask_word else 0
        filter_ = K * C * R * S * strip_count * image_tiles
        first = _ceil(first_rows * S * C * filter_tiles * image_tiles, array.ifmap_bus)
        last = _ceil(K * pe_columns * channel_tiles * image_tiles, array.psum_bus)
        buses = max(_ceil(psum, array.psum_bus) + first, _ceil(ifmap + masks, array.ifmap_bus) + last)
        pointers = p_columns * pe_columns * channel_tiles * image_tiles if array.compact and by_mask else 0
        totals[0] += groups * (max(first + compute + last, buses) + _ceil(filter_, array.filter_bus))
        totals[4] += groups * filter_
        totals[8] += groups * (psum + ifmap + pointers)
        totals[9] += groups * psum
        totals[12] += groups * filter_ + loads * strips.sums[stage, 4, e] * row_words
        if every:  # what only energy asks for
            ifmap_taken = R * ofmap_rows * C * N * columns * p_columns
            filters_taken = K * C * R * S * pe_columns * image_tiles
            filling = _filling(layer, array, strips, stage, n, e, pt, qr)
            active = R * r * t * _ceil(e, array.rows_per_column)
            totals[1] += groups * ifmap_taken
            totals[2] += groups * filters_taken
            totals[3] += groups * (ifmap + masks)
            totals[5] += groups * 2 * psum
            totals[6] += groups * (ifmap_taken + filters_taken + 2 * psum + masks * R)
            totals[7] += groups * psums * _hops(C, R, qr, r)
            totals[10] += groups * bits
            totals[11] += groups * (psums * C * R * S + active * filling)
    return _score(aim, totals)


@helper
def _pass(
    layer: Layer, array: Array, strips: Strips, stage: int, kind: int,
    pt: int, qr: int, n: int, t: int, r: int, times: int, totals: NDArray[np.int64],
) -> None:  # fmt: skip
    """Add cycles and actions of `times` passes of `pt` filters, `qr` channels, `n` images and a `kind` of strip."""
    R, S = layer.R, layer.S
    share, by_mask = strips.stages[stage, 0], strips.stages[stage, 3]
    e, streamed, first_rows = strips.kinds[kind, 0], strips.kinds[kind, 1], strips.kinds[kind, 2]
    # Few filters and channels are dealt evenly to columns and sets.
    p, q = _ceil(pt, t), _ceil(qr, r)
    t, r = _ceil(pt, p), _ceil(qr, q)
    pe_columns = _ceil(e, array.rows_per_column)

    compute = S * q * _ceil(p * layer.F * n * min(e, array.rows_per_column) * share, 32)
    psum = _ceil(pt * e * layer.F * n * share, 32)
    ifmap = qr * n * streamed * layer.columns
    bits = pt * n * _masked(strips, stage, e)
    masks = _ceil(bits, array.mask_word) if array.mask_word else 0
    filter_ = pt * qr * R * S
    first, last = _ceil(first_rows * S * qr, array.ifmap_bus), _ceil(pt * pe_columns, array.psum_bus)
    psum_wait = _ceil(psum, array.psum_bus) - last - compute
    ifmap_wait = _ceil(ifmap + masks, array.ifmap_bus) - first - compute
    cycles = first + compute + last + max(psum_wait, ifmap_wait, 0) + _ceil(filter_, array.filter_bus)

    ifmap_taken, filters_taken = R * e * qr * t * n * layer.columns, filter_ * pe_columns
    pointers = t * pe_columns if array.compact and by_mask else 0
    totals[0] += times * cycles
    totals[1] += times * ifmap_taken
    totals[2] += times * filters_taken
    totals[3] += times * (ifmap + masks)
    totals[4] += times * filter_
    totals[5] += times * 2 * psum
    totals[6] += times * (ifmap_taken + filters_taken + 2 * psum + masks * R * r)
    totals[7] += times * psum * (R * r - 1)
    totals[8] += times * (psum + ifmap + pointers)
    totals[9] += times * psum
    totals[10] += times * bits
    totals[11] += times * R * r * t * pe_columns * cycles
    totals[12] += times * filter_


@helper
def _sum_passes(
    layer: Layer, array: Array, strips: Strips, m: int, n: int, e: int, p: int, q: int, r: int, t: int,
    totals: NDArray[np.int64],
) -> None:  # fmt: skip
    """Sum cycles and actions over all stages, into `totals`: full and partial passes, each as often as it occurs."""
    pt, qr = p * t, q * r
    totals[:] = 0
    for stage in range(len(strips.stages)):
        for part in range(8):  # full and partial tiles of filters, channels and images
            filters, filters_times = (layer.K % pt, 1) if part & 1 else (pt, layer.K // pt)
            channels, channels_times = (layer.C % qr, 1) if part & 2 else (qr, layer.C // qr)
            images, images_times = (layer.N % n, 1) if part & 4 else (n, layer.N // n)
            times = layer.groups * filters_times * channels_times * images_times
            if times * filters * channels * images > 0:
                for kind in range(strips.starts[stage, e], strips.starts[stage, e + 1]):
                    often = times * strips.kinds[kind, 3]
                    _pass(layer, array, strips, stage, kind, filters, channels, images, t, r, often, totals)
        totals[DRAM_READS] += _ceil(layer.K, m) * strips.sums[stage, 4, e] * layer.row_words


@helper
def _most_t(layer: Layer, array: Array, e: int, q: int, r: int) -> int:
    """Count the filter groups that fit beside one another, at most the layer's; 0 if a set of the r has no channel."""
    if (r - 1) * q >= layer.C:
        return 0
    columns = _ceil(e, array.rows_per_column)
    folds = _ceil(columns, array.cols)
    return min(array.rows // (layer.R * folds * r) * max(array.cols // columns, 1), layer.K)


@helper
def _is_worse(
    bound: float, totals: NDArray[np.int64], place: tuple[int, int, int, int, int, int, int],
    score: float, best: NDArray[np.int64],
) -> bool:  # fmt: skip
    """Tell whether a mapping that is bounded by `bound` and `totals` is worse than the `best` so far.

    `place` is (m, n, e, p, q, r, t). A layer that waits for DRAM has thousands of mappings with the same score, so if
    the bound reaches the score, the ranks behind the score decide.
    """
    if bound > score * SLACK:
        return True
    if bound < score:
        return False
    words = totals[GLB_READS] + totals[GLB_WRITES]
    if words != best[0]:
        return bool(words > best[0])
    if totals[DRAM_READS] != best[1]:
        return bool(totals[DRAM_READS] > best[1])
    for at in range(len(place)):
        if place[at] != best[2 + at]:
            return bool(place[at] > best[2 + at])
    return False


@kernel
def frame_bounds(
    layer: Layer, array: Array, strips: Strips, aim: Aim
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], int]:
    """List all (e, q, r, t) that fit PEs, spads and GLB, and bound each for the largest n and p that it can have.

    Returns
    -------
    frames
        int64 (at least `count`, 6): n, e, p, q, r, t; n and p are the largest.
    bounds
        float64, as many: no mapping with these (e, q, r, t) has a lower score.
    words
        int64, as many: nor fewer words to and from the GLB.
    count
        Frames; what comes after them in the arrays is undefined.
    """
    widest = strips.glb.shape[1] - 1
    most_q = min(min(array.ifmap_spad, array.filter_spad) // layer.S, layer.C)
    most_r = min(array.rows // layer.R, layer.C)
    count = 0
    for e in range(1, widest + 1):
        for q in range(1, most_q + 1):
            for r in range(1, most_r + 1):
                count += _most_t(layer, array, e, q, r)
    frames, bounds, words = np.empty((count, 6), np.int64), np.empty(count, np.float64), np.empty(count, np.int64)
    totals = np.empty(len(TOTALS), np.int64)
    count = 0
    for e in range(1, widest + 1):
        ifmap, psums, pointers = strips.glb[0, e], strips.glb[1, e], strips.glb[2, e]
        for q in range(1, most_q + 1):
            for r in range(1, most_r + 1):
                for t in range(1, _most_t(layer, array, e, q, r) + 1):
                    left = array.glb_words - t * pointers
                    n = min(left // (q * r * ifmap + t * psums), layer.N)
                    p = min((left - q * r * ifmap) // (t * psums), array.filter_spad // (q * layer.S))
                    p = min(p, array.psum_spad, layer.K)
                    if array.filters_ahead >= 0:
                        p = min(p, array.filters_ahead // (t * q * r * layer.R * layer.S))
                    if n > 0 and p > 0:
                        # The largest m is that of the smallest n and p, so no choice of these exceeds it.
                        m = _best_m(layer, array, strips, 1, e, 1, q, r, t)
                        bounds[count] = _bound(layer, array, strips, aim, m, n, e, p, q, r, t, totals)
                        words[count] = totals[GLB_READS] + totals[GLB_WRITES]
                        frames[count, 0], frames[count, 1], frames[count, 2] = n, e, p
                        frames[count, 3], frames[count, 4], frames[count, 5] = q, r, t
                        count += 1
    return frames, bounds, words, count


@kernel
def best_of_frames(
    layer: Layer, array: Array, strips: Strips, aim: Aim, frames: NDArray[np.int64], bounds: NDArray[np.float64],
    words: NDArray[np.int64], order: NDArray[np.int64], exhaustive: bool,
) -> tuple[float, NDArray[np.int64]]:  # fmt: skip
    """Walk through the n and p of frames in `order` (least bound first), and leave out what bounds show to be worse.

    Return the least score, and GLB words, DRAM words and (m, n, e, p, q, r, t) of its mapping; of equal scores, the
    first in this order.
    """
    score, best, rank = np.inf, np.zeros(9, np.int64), np.zeros(9, np.int64)
    totals = np.empty(len(TOTALS), np.int64)
    for frame in order:
        if not exhaustive:
            if bounds[frame] > score * SLACK:
                break
            if bounds[frame] >= score and words[frame] > best[0]:
                continue
        most_n, e, most_p = frames[frame, 0], frames[frame, 1], frames[frame, 2]
        q, r, t = frames[frame, 3], frames[frame, 4], frames[frame, 5]
        left = array.glb_words - t * strips.glb[2, e]
        for n in range(most_n, 0, -1):
            p_of_n = min((left // n - q * r * strips.glb[0, e]) // (t * strips.glb[1, e]), most_p)
            if p_of_n < 1:
                continue
            for p in range(p_of_n, 0, -1):
                if (t - 1) * p >= layer.K:  # a column without a filter
                    continue
                m = _best_m(layer, array, strips, n, e, p, q, r, t)
                place = (m, n, e, p, q, r, t)
                if not exhaustive:
                    bound = _bound(layer, array, strips, aim, m, n, e, p, q, r, t, totals)
                    if _is_worse(bound, totals, place, score, best):
                        if p == p_of_n and bound > score * SLACK:
                            least = _best_m(layer, array, strips, n, e, 1, q, r, t)
                            if _bound(layer, array, strips, aim, least, n, e, p, q, r, t, totals) > score * SLACK:
                                break  # fewer filters cost no less, whatever m they have
                        continue
                _sum_passes(layer, array, strips, m, n, e, p, q, r, t, totals)
                reached = _score(aim, totals)
                if reached > score:
                    continue
                rank[0], rank[1] = totals[GLB_READS] + totals[GLB_WRITES], totals[DRAM_READS]
                for at in range(len(place)):
                    rank[2 + at] = place[at]
                if reached < score or _before(rank, best):
                    score = reached
                    best, rank = rank, best
    return score, best


@helper
def _before(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Tell whether `one` comes before `other` in the order of words."""
    for place in range(len(one)):
        if one[place] != other[place]:
            return bool(one[place] < other[place])
    return False
