"""What a layer costs under each of many row-stationary mappings, and a quick lower bound of it.

:func:`layer_totals` sums the equations of :mod:`zapsim.arrays.row_stationary.equations` over all passes;
:func:`least_totals` bounds each of these sums from below, without going through the passes.

A layer runs in one or more stages, each of which computes a share of the outputs. The sums are exact for the dense
layer; for a share, every column is assumed to have that share of its outputs to compute, which is all that can be known
before the mask is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.row_stationary.equations import column_outputs, pass_actions, pass_costs
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    Resources,
    ceil,
    glb_strips,
    pass_sizes,
    rows_in_turn,
    set_columns,
    streamed_rows,
    strip_rows,
    tile_classes,
    touched,
)
from zapsim.workload import ConvShape

SHARES = 32
"""Shares of outputs are multiples of 1/32: coarse, so that images with similar masks get the same mapping."""

Stages = tuple[int, ...]
"""Share of the outputs that each stage of a layer computes, in 1/32."""

DENSE: Stages = (SHARES,)
"""One stage that computes everything."""


class Candidates(NamedTuple):
    """Mappings as int64 arrays of one length; of m, which costs only DRAM words, the best follows from the others."""

    n: Ints
    e: Ints
    p: Ints
    q: Ints
    r: Ints
    t: Ints

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Candidates:
        """Select some of the candidates."""
        return Candidates(*(values[chosen] for values in self))


class Totals(NamedTuple):
    """Cycles of the layer, and its actions that depend on the mapping, of each candidate."""

    cycles: Ints
    actions: dict[str, Ints]


def layer_totals(shape: ConvShape, array: Resources, candidates: Candidates, stages: Stages = DENSE) -> Totals:
    """Sum cycles and actions over all stages: all classes of full and partial passes, each as often as it occurs."""
    _, _, p, q, r, t = candidates
    pt, pt_times = _classes(shape.K_per_group, p * t)
    qr, qr_times = _classes(shape.C_per_group, q * r)
    e, e_times = _classes(shape.P, candidates.e)
    n, n_times = _classes(shape.N, candidates.n)
    # Axes: classes of filter tiles, of channel tiles, of strips, of image tiles; candidates.
    times = pt_times[:, None, None, None] * qr_times[:, None, None] * e_times[:, None] * n_times
    sizes = pass_sizes(pt[:, None, None, None], t, qr[:, None, None], r, e[:, None], n)
    share = np.array(stages)[:, None, None, None, None, None]
    busiest = ceil(column_outputs(shape, array, sizes) * share, SHARES)
    demanded = ceil(sizes.pt * sizes.e * shape.Q * sizes.n * share, SHARES)
    costs = pass_costs(shape, array, sizes, busiest, demanded)
    per_pass = pass_actions(shape, array, sizes, costs) | {"cycles": costs.cycles}

    def total(values: Ints) -> Ints:
        in_stages = values.sum(axis=0) if values.ndim > times.ndim else values * len(stages)
        return np.asarray(shape.groups * (in_stages * times).sum(axis=(0, 1, 2, 3)), dtype=np.int64)

    totals = {name: total(values) for name, values in per_pass.items()}
    ifmap_loads = _ifmap_loads(shape, candidates, best_m(shape, array, candidates))
    totals["dram_reads"] = totals["filter_bus_words"] + len(stages) * ifmap_loads
    return Totals(totals.pop("cycles"), totals)


def _classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return sizes and numbers of full and partial tiles; without the partial ones if there are none."""
    sizes, times = tile_classes(total, tile)
    return (sizes, times) if times[1].any() else (sizes[:1], times[:1])


def least_totals(
    shape: ConvShape, array: Resources, candidates: Candidates, stages: Stages = DENSE, m: Ints | None = None
) -> Totals:
    """Bound what :func:`layer_totals` returns from below.

    Each equation is summed over all passes before the larger of compute and bus time is taken, and before quotients are
    rounded up. Each sum but the ifmap words from DRAM falls as n and p grow, so a bound with the largest n and p holds
    for all, given an `m` that none of them exceeds.

    Parameters
    ----------
    shape, array, candidates, stages
        The layer, the array, the candidates, and the stages.
    m
        Filters whose psums stay in the GLB; None: the best m of each candidate.
    """
    K, C, R, S, F = shape.K_per_group, shape.C_per_group, shape.R, shape.S, shape.Q
    n, e, p, q, r, t = candidates
    filter_tiles, channel_tiles, image_tiles = ceil(K, p * t), ceil(C, q * r), ceil(shape.N, n)
    full_strips, last_e = np.divmod(shape.P, e)  # strips of e rows, and one of the rest
    pe_columns, last_columns = set_columns(array, e), set_columns(array, last_e)
    columns = touched(shape, np.array(F), axis=1)
    share = np.array(stages)[:, np.newaxis]
    repeats, psums = len(stages), ceil(K * shape.P * F * shape.N * share, SHARES)  # psums of each stage

    # Sums over all strips; of a partial tile of filters (channels), the busiest PE has at least its even share.
    rows = full_strips * streamed_rows(shape, array, e) + streamed_rows(shape, array, last_e)
    first_rows = full_strips * touched(shape, pe_columns, axis=0) + touched(shape, last_columns, axis=0)
    turns = full_strips * rows_in_turn(array, e) + rows_in_turn(array, last_e)
    all_columns = full_strips * pe_columns + last_columns

    # The equations, in their order.
    compute = ceil(S * F * shape.N * ceil(K, t) * ceil(C, r) * turns * share, SHARES)
    psum = psums * channel_tiles
    ifmap = C * shape.N * rows * columns * filter_tiles
    filter_ = K * C * R * S * ceil(shape.P, e) * image_tiles
    first = ceil(first_rows * S * C * filter_tiles * image_tiles, array.ifmap_bus)
    last = ceil(K * all_columns * channel_tiles * image_tiles, array.psum_bus)
    buses = np.maximum(ceil(psum, array.psum_bus) + first, ceil(ifmap, array.ifmap_bus) + last)
    pass_ = np.maximum(first + compute + last, buses).sum(axis=0) + repeats * ceil(filter_, array.filter_bus)

    # The actions (`pass_actions`), in their order.
    all_psums = int(psums.sum())
    psum_words = all_psums * channel_tiles
    ifmap_taken = repeats * R * shape.P * C * shape.N * columns * ceil(K, p)
    filters_taken = repeats * K * C * R * S * all_columns * image_tiles
    per_group = {
        "cycles": pass_,
        "ifmap_spad_writes": ifmap_taken,
        "filter_spad_writes": filters_taken,
        "ifmap_bus_words": repeats * ifmap,
        "filter_bus_words": repeats * filter_,
        "psum_bus_words": 2 * psum_words,
        "bus_deliveries": ifmap_taken + filters_taken + 2 * psum_words,
        "pe_to_pe_words": all_psums * _hops(shape, candidates),
        "glb_reads": psum_words + repeats * ifmap,
        "glb_writes": psum_words,
        # A MAC takes its PE a cycle, and all PEs of a pass wait while it is filled.
        "pe_active_cycles": all_psums * C * R * S + repeats * _least_filling(shape, array, candidates),
    }
    totals = {name: shape.groups * value for name, value in per_group.items()}
    loads = _ifmap_loads(shape, candidates, best_m(shape, array, candidates) if m is None else m)
    totals["dram_reads"] = totals["filter_bus_words"] + repeats * loads
    return Totals(totals.pop("cycles"), totals)


def _least_filling(shape: ConvShape, array: Resources, candidates: Candidates) -> Ints:
    """Bound `active_pes` · (`first` + `last` + `filter` / `filter_bus`) from below, by its sum over full passes.

    What full passes hold is bounded itself, so that the bound falls as n and p grow, as the others do.
    """
    n, e, p, q, r, t = candidates
    pt, qr, columns = p * t, q * r, set_columns(array, e)
    filters, channels = np.maximum(shape.K_per_group - pt + 1, 0), shape.C_per_group - shape.C_per_group % qr
    times = (shape.P // e) * (shape.N // n)
    first = touched(shape, columns, axis=0) * shape.S * channels * (shape.K_per_group // pt)
    last = filters * columns * (shape.C_per_group // qr)
    cycles = (
        ceil(filters * channels * shape.R * shape.S * times, array.filter_bus)
        + ceil(first * times, array.ifmap_bus)
        + ceil(last * times, array.psum_bus)
    )
    return np.asarray(shape.R * r * t * columns * cycles, dtype=np.int64)


def best_m(shape: ConvShape, array: Resources, candidates: Candidates) -> Ints:
    """Find the m that loads ifmaps least often: of the largest that fits the GLB, the smallest that is as good."""
    n, e, p, q, r, t = candidates
    K, pt = shape.K_per_group, p * t
    ifmap_strip, psum_strip = glb_strips(shape, e, array)
    psum_strips = (array.glb_words // n - q * r * ifmap_strip) // psum_strip
    largest = np.minimum(psum_strips // pt, ceil(K, pt)) * pt
    return ceil(ceil(K, ceil(K, largest)), pt) * pt


def _hops(shape: ConvShape, candidates: Candidates) -> Ints:
    """Count how often a psum is handed from PE to PE (R · r − 1 per pass), over all tiles of channels."""
    full_tiles, channels_left = np.divmod(shape.C_per_group, candidates.q * candidates.r)
    sets_left = ceil(channels_left, np.maximum(ceil(channels_left, candidates.r), 1))
    in_last = (channels_left > 0) * (shape.R * sets_left - 1)
    return np.asarray(full_tiles * (shape.R * candidates.r - 1) + in_last, dtype=np.int64)


def _ifmap_loads(shape: ConvShape, candidates: Candidates, m: Ints) -> Ints:
    """Count the plain words of ifmap strips that DRAM gives: each strip once for every m filters."""
    rows = np.array([_rows_read(shape, e) for e in range(1, int(candidates.e.max()) + 1)], dtype=np.int64)
    return ceil(shape.K_per_group, m) * rows[candidates.e - 1] * (shape.C * shape.W * shape.N)


@lru_cache(maxsize=65536)
def _rows_read(shape: ConvShape, e: int) -> int:
    return int(strip_rows(shape, e).sum())
