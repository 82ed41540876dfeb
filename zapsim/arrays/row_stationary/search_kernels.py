"""The row-stationary mapping search as kernels: bounds of all frames, then the walk through the promising ones.

The letters and the equations are those of :mod:`zapsim.arrays.row_stationary.equations` and
:mod:`zapsim.arrays.row_stationary.bounds`, here for one mapping after the other.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

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
    ifmap_strips: int
    psum_strips: int


class Strips(NamedTuple):
    """Strips of 0 (unused), 1, 2, ... rows, int64 all.

    Attributes
    ----------
    glb
        (3, widths): words of ifmap, psums and pointers, the most of all stages; in the GLB each may be held more than
        once.
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
    """What is minimised: its code, pJ by column, pJ and column of each price in the order of the sum, and the link.

    `link` (the DRAM channel) are cycles per word of filters, per word of ifmaps, and whether the array waits for ifmaps
    and for filters (1 or 0). No price is negative, so that more of anything never scores less, rounding included.
    """

    code: int
    by_column: tuple[float, ...]
    prices: NDArray[np.float64]
    columns: NDArray[np.int64]
    link: NDArray[np.float64]


Frame: TypeAlias = tuple[int, int, int, int, int, int]
"""The largest n, e, the largest p, q, r and t: all mappings with these (e, q, r, t)."""


@helper
def _ceil(numerator: int, denominator: int) -> int:
    return (numerator + denominator - 1) // denominator


@helper
def _latency(aim: Aim, cycles: float, filter_words: float, ifmap_words: float) -> float:
    """Combine the cycles of array and channel: what does not overlap adds up, of what does the longer counts."""
    filters, ifmaps = filter_words * aim.link[0], ifmap_words * aim.link[1]
    return float(max(cycles + (ifmaps * aim.link[2] + filters * aim.link[3]), ifmaps + filters))


@helper
def _score(aim: Aim, totals: NDArray[np.int64]) -> float:
    """Rate a mapping: cycles of array and channel, pJ, or their product."""
    filter_words = totals[FILTER_BUS]
    cycles = _latency(aim, float(totals[0]), float(filter_words), float(totals[DRAM_READS] - filter_words))
    if aim.code == LATENCY:
        return cycles
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


class Best(NamedTuple):
    """The best mapping so far.

    Attributes
    ----------
    score
        float64 (1,).
    rank
        int64 (9,): GLB words, DRAM words and (m, n, e, p, q, r, t).
    """

    score: NDArray[np.float64]
    rank: NDArray[np.int64]


@helper
def _is_worse(
    bound: float, totals: NDArray[np.int64], place: tuple[int, int, int, int, int, int, int], best: Best
) -> bool:
    """Tell whether a mapping that is bounded by `bound` and `totals` is worse than the `best` so far.

    `place` is (m, n, e, p, q, r, t). A layer that waits for DRAM has thousands of mappings with the same score, so if
    the bound reaches the score, the ranks behind the score decide.
    """
    score, rank = best.score[0], best.rank
    if bound > score * SLACK:
        return True
    if bound < score:
        return False
    words = totals[GLB_READS] + totals[GLB_WRITES]
    if words != rank[0]:
        return bool(words > rank[0])
    if totals[DRAM_READS] != rank[1]:
        return bool(totals[DRAM_READS] > rank[1])
    for at in range(len(place)):
        if place[at] != rank[2 + at]:
            return bool(place[at] > rank[2 + at])
    return False


@helper
def _most_q(layer: Layer, array: Array) -> int:
    """Count the channels of a set that fit the spads."""
    return min(array.ifmap_spad // layer.S, array.filter_spad // layer.S, layer.C)


class Energy(NamedTuple):
    """pJ that strips of one width take at least, those of cycles aside.

    Attributes
    ----------
    always
        Whatever the mapping.
    column
        For every column of at most p filters: ceil(K / p).
    filter, channel, image
        For every tile of filters, of channels, of images.
    load
        For every load of the ifmap.
    """

    always: float
    column: float
    filter: float
    channel: float
    image: float
    load: float


class Rates(NamedTuple):
    """What strips of one width cost at least, all stages and groups together.

    Attributes
    ----------
    compute
        Cycles of the busiest PE, for every ceil(K / t) · ceil(C / r).
    first, last
        Cycles of filling: for every tile of filters and of images; for every tile of channels and of images.
    psum, ifmap, filter
        Cycles of these buses: for every tile of channels, of filters, of images.
    psum_words, ifmap_words
        Words to and from the GLB, for every tile of channels, and of filters.
    filter_words, loaded_words
        Words from DRAM, for every tile of images, and for every load of the ifmap.
    energy
        pJ but for those of cycles; 0 if only latency counts.
    """

    compute: float
    first: float
    last: float
    psum: float
    ifmap: float
    filter: float
    psum_words: int
    ifmap_words: int
    filter_words: int
    loaded_words: int
    energy: Energy


@helper
def _rates(layer: Layer, array: Array, strips: Strips, aim: Aim, e: int) -> Rates:
    """Add up what strips of `e` rows cost, as :func:`_bound` does, before anything is rounded."""
    K, C, N, R, S, F, groups, columns, row_words = layer
    turns, rows, psums, strip_count, streamed, first, read, pe_columns = 0, 0, 0, 0, 0, 0, 0, 0
    for stage in range(len(strips.stages)):
        share = strips.stages[stage, 0]
        turns += share * strips.sums[stage, 7, e]
        rows += strips.stages[stage, 1]
        psums += groups * _ceil(K * strips.stages[stage, 1] * F * N * share, 32)
        strip_count += strips.sums[stage, 0, e]
        streamed += strips.sums[stage, 2, e]
        first += strips.sums[stage, 3, e]
        read += strips.sums[stage, 4, e]
        pe_columns += strips.sums[stage, 6, e]
    ifmap_words, filters = groups * C * N * columns * streamed, groups * K * C * R * S
    filter_words, loaded_words = filters * strip_count, read * row_words
    energy = Energy(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if aim.code != LATENCY:
        (_, ifmap_write, filter_write, ifmap_bus, filter_bus, psum_bus, delivery, hop, glb_read, glb_write, _, active,
         dram) = aim.by_column  # fmt: skip
        energy = Energy(
            psums * (active * (C * R * S) + hop * ((R - 1) * _ceil(C, _most_q(layer, array)))),
            (ifmap_write + delivery) * (groups * R * rows * C * N * columns),
            (ifmap_bus + glb_read) * ifmap_words,
            (2 * psum_bus + 2 * delivery + glb_read + glb_write) * psums,
            (filter_write + delivery) * (filters * pe_columns) + (filter_bus + dram) * filter_words,
            dram * loaded_words,
        )
    return Rates(
        groups * S * F * N * turns / 32,
        groups * S * C * first / array.ifmap_bus,
        groups * K * pe_columns / array.psum_bus,
        psums / array.psum_bus,
        ifmap_words / array.ifmap_bus,
        filter_words / array.filter_bus,
        2 * psums,
        ifmap_words,
        filter_words,
        loaded_words,
        energy,
    )


_BELOW = 1 - 1e-12
"""What makes a sum of floats a bound, however its terms are rounded."""


@helper
def _rough_bound(
    aim: Aim,
    rates: Rates,
    folds: int,
    columns: int,
    filter_tiles: int,
    channel_tiles: int,
    image_tiles: int,
    loads: int,
) -> float:
    """Bound the score from below: a little less than :func:`_bound`, and much sooner.

    `folds` are ceil(K / t) · ceil(C / r), `columns` ceil(K / p). The bound falls with each of the numbers.
    """
    first, last = rates.first * filter_tiles * image_tiles, rates.last * channel_tiles * image_tiles
    computing = first + rates.compute * folds + last
    buses = max(rates.psum * channel_tiles + first, rates.ifmap * filter_tiles + last)
    cycles = (max(computing, buses) + rates.filter * image_tiles) * _BELOW
    cycles = _latency(aim, cycles, float(rates.filter_words * image_tiles), float(rates.loaded_words * loads))
    if aim.code == LATENCY:
        return cycles
    unit = rates.energy
    energy = unit.always + unit.column * columns + unit.filter * filter_tiles + unit.channel * channel_tiles
    energy = (energy + unit.image * image_tiles + unit.load * loads + aim.by_column[0] * cycles) * _BELOW
    return energy if aim.code == ENERGY else energy * cycles


@helper
def _least_loads(layer: Layer, words: int, psums: int) -> int:
    """Bound how often ifmaps are loaded, if `words` of the GLB are left for the `psums` of each filter."""
    return 1 if layer.K * psums <= words else _ceil(layer.K, max(words // psums, 1))


@helper
def _is_hopeless(bound: float, words: int, best: Best) -> bool:
    """Tell whether a score of at least `bound`, with at least so many GLB words, is worse than the best."""
    return bool(bound > best.score[0] * SLACK or (bound >= best.score[0] and words > best.rank[0]))


@helper
def _try(
    layer: Layer, array: Array, strips: Strips, aim: Aim, place: tuple[int, int, int, int, int, int, int],
    totals: NDArray[np.int64], best: Best,
) -> None:  # fmt: skip
    """Make the mapping (m, n, e, p, q, r, t) the best if it is better; of equal scores, the first rank is."""
    m, n, e, p, q, r, t = place
    _sum_passes(layer, array, strips, m, n, e, p, q, r, t, totals)
    score = _score(aim, totals)
    if score <= best.score[0] and not _is_worse(score, totals, place, best):
        best.score[0] = score
        best.rank[0], best.rank[1] = totals[GLB_READS] + totals[GLB_WRITES], totals[DRAM_READS]
        for at in range(len(place)):
            best.rank[2 + at] = place[at]


@helper
def _most_p(layer: Layer, array: Array, strips: Strips, n: int, e: int, q: int, r: int, t: int) -> int:
    """Count the filters of a column that fit the GLB with `n` images, and leave no other column without any."""
    words = (array.glb_words - t * strips.glb[2, e]) // n - q * r * strips.glb[0, e]
    most: int = words // (t * strips.glb[1, e])
    return most if t == 1 else min(most, (layer.K - 1) // (t - 1))


@helper
def _walk(
    layer: Layer, array: Array, strips: Strips, aim: Aim, frame: Frame,
    totals: NDArray[np.int64], best: Best, exhaustive: bool,
) -> None:  # fmt: skip
    """Try every n and p of a frame (most n, e, most p, q, r, t), but for those that bounds show to be worse."""
    most_n, e, most_p, q, r, t = frame
    for n in range(most_n, 0, -1):
        largest_m = _best_m(layer, array, strips, n, e, 1, q, r, t)
        for p in range(min(_most_p(layer, array, strips, n, e, q, r, t), most_p), 0, -1):
            m = _best_m(layer, array, strips, n, e, p, q, r, t)
            place = (m, n, e, p, q, r, t)
            if not exhaustive:
                bound = _bound(layer, array, strips, aim, m, n, e, p, q, r, t, totals)
                if _is_worse(bound, totals, place, best):
                    limit = best.score[0] * SLACK
                    if bound > limit and (
                        m >= largest_m or _bound(layer, array, strips, aim, largest_m, n, e, p, q, r, t, totals) > limit
                    ):
                        break  # fewer filters cost no less, whatever m they have
                    continue
            _try(layer, array, strips, aim, place, totals, best)


_CLASSES = 8
"""Classes of frames by their bounds."""


class Frames(NamedTuple):
    """Choices of (e, q, r, t) that may have the best mapping.

    Attributes
    ----------
    sizes
        int64 (frames, 7): the largest n, e, the largest p, q, r, t, and the GLB words that any of them needs.
    bounds
        float64 (frames,): none has a lower score.
    """

    sizes: NDArray[np.int64]
    bounds: NDArray[np.float64]


@helper
def _copy(source: Frames, place: int, target: Frames) -> None:
    """Copy one frame; a loop, since Numba takes seconds to compile an assignment to a slice."""
    target.bounds[place] = source.bounds[place]
    for at in range(source.sizes.shape[1]):
        target.sizes[place, at] = source.sizes[place, at]


@helper
def _added(frames: Frames, count: int, frame: Frame, words: int, bound: float) -> Frames:
    """Write a frame behind `count` others, into larger arrays if these are full."""
    if count == len(frames.bounds):
        larger = Frames(np.empty((2 * count, 7), np.int64), np.empty(2 * count, np.float64))
        for place in range(count):
            _copy(frames, place, larger)
        frames = larger
    for at in range(len(frame)):
        frames.sizes[count, at] = frame[at]
    frames.sizes[count, 6], frames.bounds[count] = words, bound
    return frames


@helper
def _sets(layer: Layer, array: Array, e: int) -> tuple[int, int]:
    """Count the sets of `e` ofmap rows that fit the PEs, on top of one another and beside one another."""
    columns = _ceil(e, array.rows_per_column)
    return array.rows // (layer.R * _ceil(columns, array.cols)), max(array.cols // columns, 1)


@helper
def _largest(layer: Layer, array: Array, strips: Strips, e: int, q: int, r: int, t: int) -> tuple[int, int]:
    """Return the largest n, and the largest p, that fit spads and GLB; 0 or less if none does."""
    ifmap, psums = q * r * strips.glb[0, e], t * strips.glb[1, e]
    words = array.glb_words - t * strips.glb[2, e]
    n, p = min(words // (ifmap + psums), layer.N), min((words - ifmap) // psums, array.filter_spad // (q * layer.S))
    if array.filters_ahead >= 0:
        p = min(p, array.filters_ahead // (t * q * r * layer.R * layer.S))
    return n, min(p, array.psum_spad, layer.K)


@helper
def _frame_bound(
    layer: Layer, array: Array, strips: Strips, aim: Aim, rates: Rates, frame: Frame, words: int,
    totals: NDArray[np.int64], best: Best,
) -> float:  # fmt: skip
    """Bound the score of a frame, which has at least so many GLB `words`: roughly, if that makes it hopeless."""
    n, e, p, q, r, t = frame
    folds, channel_tiles = _ceil(layer.K, t) * _ceil(layer.C, r), _ceil(layer.C, q * r)
    loads = _least_loads(layer, array.glb_words - q * r * strips.glb[0, e], strips.glb[1, e])
    bound = _rough_bound(
        aim, rates, folds, _ceil(layer.K, p), _ceil(layer.K, p * t), channel_tiles, _ceil(layer.N, n), loads
    )
    if aim.code == LATENCY or _is_hopeless(bound, words, best):
        return bound
    # The largest m is that of the smallest n and p, so no choice of these exceeds it.
    m = _best_m(layer, array, strips, 1, e, 1, q, r, t)
    return _bound(layer, array, strips, aim, m, n, e, p, q, r, t, totals)


@helper
def _try_some(
    layer: Layer, array: Array, strips: Strips, aim: Aim, frame: Frame, totals: NDArray[np.int64], best: Best
) -> None:
    """Try mappings of a frame: the largest n, half of it, and so on to 1, each with the largest p that fits."""
    n, e, most_p, q, r, t = frame
    while n > 0:
        p = min(most_p, _most_p(layer, array, strips, n, e, q, r, t))
        if p > 0:
            m = _best_m(layer, array, strips, n, e, p, q, r, t)
            _try(layer, array, strips, aim, (m, n, e, p, q, r, t), totals, best)
        n //= 2


@helper
def _is_width_hopeless(
    layer: Layer, aim: Aim, rates: Rates, most_p: int, most_q: int, sets: int, beside: int, room: int, best: Best
) -> bool:
    """Tell whether no strips of a width are as good as the best, even if they occupy all PEs.

    `sets` and `beside` are those of :func:`_sets`, `room` the filters whose psums fit the GLB.
    """
    K, C = layer.K, layer.C
    filter_tiles, channel_tiles = _ceil(K, min(most_p * sets * beside, room)), _ceil(C, most_q * sets)
    folds, loads = _ceil(K * C, sets * beside), _ceil(K, min(room, K))
    columns = _ceil(K, min(most_p, room))
    bound = _rough_bound(aim, rates, folds, columns, filter_tiles, channel_tiles, 1, loads)
    return _is_hopeless(bound, rates.psum_words * channel_tiles + rates.ifmap_words * filter_tiles, best)


@helper
def _promising(
    layer: Layer, array: Array, strips: Strips, aim: Aim, totals: NDArray[np.int64], best: Best, exhaustive: bool
) -> tuple[Frames, int]:
    """List the (e, q, r, t) that fit PEs, spads and GLB and may be better than the best.

    Costs fall as n and p grow, so a bound for the largest holds for all. Of each frame whose bound is the least so far,
    some mappings are tried, so that few others remain. Return the frames and their number.
    """
    K, C = layer.K, layer.C
    frames, count = Frames(np.empty((64, 7), np.int64), np.empty(64, np.float64)), 0
    least, least_words = np.inf, 0
    most_q, most_p = _most_q(layer, array), min(array.filter_spad // layer.S, array.psum_spad)
    for e in range(strips.glb.shape[1] - 1, 0, -1):
        ifmap, psums = strips.glb[0, e], strips.glb[1, e]
        sets, beside = _sets(layer, array, e)
        room = (array.glb_words - ifmap) // psums  # for filters
        if sets < 1 or room < 1:
            continue
        rates = _rates(layer, array, strips, aim, e)
        if not exhaustive and _is_width_hopeless(layer, aim, rates, most_p, most_q, sets, beside, room, best):
            continue
        for r in range(1, min(sets, C) + 1):
            room = (array.glb_words - r * ifmap) // psums
            channels = min(most_q, (array.glb_words - psums) // (r * ifmap)) * r
            if room < 1 or channels < 1:
                break
            channel_folds, channel_tiles = _ceil(C, r), _ceil(C, channels)
            columns, loads = _ceil(K, min(most_p, room)), _ceil(K, min(room, K))
            for t in range(min(sets // r * beside, K, room), 0, -1):
                filter_tiles = _ceil(K, min(most_p * t, room))
                words = rates.psum_words * channel_tiles + rates.ifmap_words * filter_tiles
                folds = _ceil(K, t) * channel_folds
                bound = _rough_bound(aim, rates, folds, columns, filter_tiles, channel_tiles, 1, loads)
                if not exhaustive and _is_hopeless(bound, words, best):
                    break  # fewer filters beside one another cost no less
                for q in range(1, most_q + 1):
                    n, p = _largest(layer, array, strips, e, q, r, t)
                    if (r - 1) * q >= C or n < 1 or p < 1:  # a set without a channel, or no room for so many
                        break
                    frame = n, e, p, q, r, t
                    words = rates.psum_words * _ceil(C, q * r) + rates.ifmap_words * _ceil(K, p * t)
                    if not exhaustive:
                        bound = _frame_bound(layer, array, strips, aim, rates, frame, words, totals, best)
                        if _is_hopeless(bound, words, best):
                            continue
                    frames = _added(frames, count, frame, words, bound)
                    if bound < least or (bound == least and words < least_words):
                        least, least_words = bound, words
                        _try_some(layer, array, strips, aim, frame, totals, best)
                    count += 1
    return frames, count


@kernel
def best_mapping(
    layer_numbers: NDArray[np.int64], array_numbers: NDArray[np.int64], strips: Strips, aim: Aim, exhaustive: bool,
    last: NDArray[np.int64],
) -> NDArray[np.int64]:  # fmt: skip
    """Find the mapping with the least score, then GLB words, DRAM words and (m, n, e, p, q, r, t).

    Bounds dismiss most mappings once there is a good one, which is looked for first.

    Parameters
    ----------
    layer_numbers, array_numbers
        The fields of :class:`Layer` and :class:`Array`.
    strips, aim
        The strips of all stages, and what is minimised.
    exhaustive
        Whether every mapping is tried.
    last
        int64 (6,), overwritten: (n, e, p, q, r, t) of the best mapping. If they are not 0, they are tried first, as far
        as they fit, which saves time if they are good, and changes nothing else.

    Returns
    -------
    int64 (7,): (m, n, e, p, q, r, t).
    """
    x, y = layer_numbers, array_numbers
    layer = Layer(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8])
    array = Array(y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7], y[8], y[9], y[10], y[11], y[12], y[13], y[14])
    widths = strips.glb.shape[1]
    glb = np.empty((3, widths), np.int64)
    for e in range(widths):
        glb[0, e] = strips.glb[0, e] * array.ifmap_strips
        glb[1, e], glb[2, e] = strips.glb[1, e] * array.psum_strips, strips.glb[2, e] * array.psum_strips
    strips = Strips(glb, strips.stages, strips.sums, strips.starts, strips.kinds)
    best, totals = Best(np.empty(1, np.float64), np.zeros(9, np.int64)), np.empty(len(TOTALS), np.int64)
    best.score[0] = np.inf

    n, e, p, q, r, t = last[0], last[1], last[2], last[3], last[4], last[5]
    sets, beside = _sets(layer, array, max(e, 1))
    sets_fit = 0 < r <= sets and t <= min(sets // max(r, 1) * beside, layer.K)
    if n > 0 and e < widths and q <= _most_q(layer, array) and (r - 1) * q < layer.C and sets_fit:
        most_n, most_p = _largest(layer, array, strips, e, q, r, t)
        if most_n > 0:
            frame = min(n, most_n), e, min(p, most_p), q, r, t
            _try_some(layer, array, strips, aim, frame, totals, best)

    frames, count = _promising(layer, array, strips, aim, totals, best, exhaustive)
    # Small bounds first; sorted no better than into a few classes, each of which is twice as wide as the one before.
    least, done = np.inf, -np.inf
    for place in range(count):
        least = min(least, frames.bounds[place])
    width = best.score[0] - least
    for number in range(_CLASSES):
        limit = np.inf if number == _CLASSES - 1 else least + width / 2.0 ** (_CLASSES - 1 - number)
        for place in range(count):
            bound, x = frames.bounds[place], frames.sizes[place]
            if done < bound <= limit and (exhaustive or not _is_hopeless(bound, x[6], best)):
                frame = x[0], x[1], x[2], x[3], x[4], x[5]
                _walk(layer, array, strips, aim, frame, totals, best, exhaustive)
        done = limit
    for at in range(len(last)):
        last[at] = best.rank[3 + at]
    return best.rank[2:]
