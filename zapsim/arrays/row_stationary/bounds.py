"""What a layer costs under each of many row-stationary mappings, and a quick lower bound of it.

A layer runs in one or more stages, each of which computes a share of the outputs. Exact for the dense layer; for a
share, every column is taken to keep that share of its outputs, which is what can be known before the mask is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.row_stationary.equations import column_outputs, pass_actions, pass_costs, pass_sizes, tile_classes
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    Resources,
    ceil,
    glb_strips,
    rows_in_turn,
    set_columns,
    streamed_rows,
    strip_rows,
    touched,
)
from zapsim.workload import ConvShape

SHARES = 32
"""Shares of outputs are multiples of 1/32: coarse, so that pictures with like masks get the same mapping."""

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
        """Return some of the candidates."""
        return Candidates(*(values[chosen] for values in self))


class Totals(NamedTuple):
    """Cycles of the layer, and its actions that depend on the mapping, of each candidate."""

    cycles: Ints
    actions: dict[str, Ints]


def layer_totals(shape: ConvShape, have: Resources, of: Candidates, stages: Stages = DENSE) -> Totals:
    """Return cycles and actions of all stages: all classes of full and partial passes, each as often as it occurs."""
    pt, pt_times = _classes(shape.K_per_group, of.p * of.t)
    qr, qr_times = _classes(shape.C_per_group, of.q * of.r)
    e, e_times = _classes(shape.P, of.e)
    n, n_times = _classes(shape.N, of.n)
    times = pt_times[:, None, None, None] * qr_times[:, None, None] * e_times[:, None] * n_times
    sizes = pass_sizes(pt[:, None, None, None], of.t, qr[:, None, None], of.r, e[:, None], n)
    share = np.array(stages)[:, None, None, None, None, None]
    busiest = ceil(column_outputs(shape, have, sizes) * share, SHARES)
    kept = ceil(sizes.pt * sizes.e * shape.Q * sizes.n * share, SHARES)
    costs = pass_costs(shape, have, sizes, busiest, kept)
    per_pass = pass_actions(shape, have, sizes, costs) | {"cycles": costs.cycles}

    def total(each: Ints) -> Ints:
        in_stages = each.sum(axis=0) if each.ndim > times.ndim else each * len(stages)
        return np.asarray(shape.groups * (in_stages * times).sum(axis=(0, 1, 2, 3)), dtype=np.int64)

    totals = {name: total(each) for name, each in per_pass.items()}
    totals["dram_reads"] = totals["filter_bus_words"] + len(stages) * _ifmap_loads(shape, of, best_m(shape, have, of))
    return Totals(totals.pop("cycles"), totals)


def _classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return sizes and numbers of full and partial tiles; without the partial ones if there are none."""
    sizes, times = tile_classes(total, tile)
    return (sizes, times) if times[1].any() else (sizes[:1], times[:1])


def least_totals(
    shape: ConvShape, have: Resources, of: Candidates, stages: Stages = DENSE, m: Ints | None = None
) -> Totals:
    """Return lower bounds of what :func:`layer_totals` returns.

    The parts of all passes are added up before the larger of compute and bus time is taken, and before quotients
    are rounded up. Each part but the ifmap words from DRAM falls as n and p grow, so a bound with the largest n and p
    holds for all, given an `m` that none of them exceeds.

    Parameters
    ----------
    shape, have, of, stages
        The layer, the array, the candidates, and the stages.
    m
        Filters whose psums stay in the GLB; None: the best m of each candidate.
    """
    K, C, R, S, F = shape.K_per_group, shape.C_per_group, shape.R, shape.S, shape.Q
    f_tiles, c_tiles = ceil(K, of.p * of.t), ceil(C, of.q * of.r)
    strips, i_tiles = ceil(shape.P, of.e), ceil(shape.N, of.n)
    full, rest = np.divmod(shape.P, of.e)
    rows = full * streamed_rows(shape, have, of.e) + streamed_rows(shape, have, rest)
    set_cols, last_cols = set_columns(have, of.e), set_columns(have, rest)
    first_rows = full * touched(shape, set_cols, axis=0) + touched(shape, last_cols, axis=0)
    deepest = full * rows_in_turn(have, of.e) + rows_in_turn(have, rest)
    pe_columns = full * set_cols + last_cols
    columns = touched(shape, np.array(F), axis=1)
    share = np.array(stages)[:, np.newaxis]
    psums = ceil(K * shape.P * F * shape.N * share, SHARES)

    compute = ceil(S * F * shape.N * ceil(K, of.t) * ceil(C, of.r) * deepest * share, SHARES)
    ifmap = C * shape.N * rows * columns * f_tiles
    filter_ = K * C * R * S * strips * i_tiles
    first_windows, last_psums = first_rows * S * C * f_tiles * i_tiles, K * pe_columns * c_tiles * i_tiles
    first, last = ceil(first_windows, have.ifmap_bus), ceil(last_psums, have.psum_bus)
    buses = np.maximum(ceil(psums * c_tiles, have.psum_bus) + first, ceil(ifmap, have.ifmap_bus) + last)
    busy = np.maximum(first + compute + last, buses).sum(axis=0)

    often, all_psums = len(stages), int(psums.sum())
    psum = all_psums * c_tiles
    ifmap_taken = often * R * shape.P * C * shape.N * columns * ceil(K, of.p)
    filters_taken = often * K * C * R * S * pe_columns * i_tiles
    per_group = {
        "cycles": busy + often * ceil(filter_, have.filter_bus),
        "ifmap_spad_writes": ifmap_taken,
        "filter_spad_writes": filters_taken,
        "ifmap_bus_words": often * ifmap,
        "filter_bus_words": often * filter_,
        "psum_bus_words": 2 * psum,
        "bus_deliveries": ifmap_taken + filters_taken + 2 * psum,
        "pe_to_pe_words": all_psums * _hops(shape, of),
        "glb_reads": psum + often * ifmap,
        "glb_writes": psum,
        # A MAC takes its PE a cycle, and all PEs of a pass wait while it is filled.
        "pe_active_cycles": all_psums * C * R * S + often * _least_filling(shape, have, of),
    }
    totals = {name: shape.groups * value for name, value in per_group.items()}
    loads = _ifmap_loads(shape, of, best_m(shape, have, of) if m is None else m)
    totals["dram_reads"] = totals["filter_bus_words"] + often * loads
    return Totals(totals.pop("cycles"), totals)


def _least_filling(shape: ConvShape, have: Resources, of: Candidates) -> Ints:
    """Return the least PE cycles that pass while filters, first windows and last psums are moved, in full passes.

    What full passes hold is bounded from below so that it falls as n and p grow, as the other bounds do.
    """
    pt, qr, columns = of.p * of.t, of.q * of.r, set_columns(have, of.e)
    filters, channels = np.maximum(shape.K_per_group - pt + 1, 0), shape.C_per_group - shape.C_per_group % qr
    often = (shape.P // of.e) * (shape.N // of.n)
    first = touched(shape, columns, axis=0) * shape.S * channels * (shape.K_per_group // pt)
    last = filters * columns * (shape.C_per_group // qr)
    cycles = (
        ceil(filters * channels * shape.R * shape.S * often, have.filter_bus)
        + ceil(first * often, have.ifmap_bus)
        + ceil(last * often, have.psum_bus)
    )
    return np.asarray(shape.R * of.r * of.t * columns * cycles, dtype=np.int64)


def best_m(shape: ConvShape, have: Resources, of: Candidates) -> Ints:
    """Return the m that loads ifmaps least often: of the largest that fits the GLB, the smallest that is as good."""
    K, pt = shape.K_per_group, of.p * of.t
    ifmap_strip, psum_strip = glb_strips(shape, of.e, have)
    room = (have.glb_words // of.n - of.q * of.r * ifmap_strip) // psum_strip
    largest = np.minimum(room // pt, ceil(K, pt)) * pt
    return ceil(ceil(K, ceil(K, largest)), pt) * pt


def _hops(shape: ConvShape, of: Candidates) -> Ints:
    """Return how often a psum is handed from PE to PE, over all tiles of channels."""
    full, rest = np.divmod(shape.C_per_group, of.q * of.r)
    sets_in_rest = ceil(rest, np.maximum(ceil(rest, of.r), 1))
    return np.asarray(full * (shape.R * of.r - 1) + (rest > 0) * (shape.R * sets_in_rest - 1), dtype=np.int64)


def _ifmap_loads(shape: ConvShape, of: Candidates, m: Ints) -> Ints:
    """Return the plain words of ifmap strips that DRAM gives: each strip once for every m filters."""
    rows = np.array([_rows_read(shape, e) for e in range(1, int(of.e.max()) + 1)], dtype=np.int64)
    return ceil(shape.K_per_group, m) * rows[of.e - 1] * (shape.C * shape.W * shape.N)


@lru_cache(maxsize=65536)
def _rows_read(shape: ConvShape, e: int) -> int:
    return int(strip_rows(shape, e).sum())
