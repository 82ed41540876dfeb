"""What a layer costs under each of many row-stationary mappings, and a quick lower bound of it.

A layer runs in one or more stages, each of which computes a share of the outputs. Exact for the dense layer; for a
share, every column is taken to keep that share of its outputs, which is what can be known before the mask is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.mapping.row_stationary import Ints, Resources, ceil, glb_strips, strip_rows, touched
from zapsim.mapping.row_stationary_passes import pass_actions, pass_costs, pass_sizes, tile_classes
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


def _sum(parts: Iterable[Totals]) -> Totals:
    """Return the totals of several stages."""
    first, *others = parts
    cycles, actions = first.cycles, dict(first.actions)
    for other in others:
        cycles = cycles + other.cycles
        actions = {name: value + other.actions[name] for name, value in actions.items()}
    return Totals(cycles, actions)


def layer_totals(shape: ConvShape, have: Resources, of: Candidates, stages: Stages = DENSE) -> Totals:
    """Return cycles and actions of all stages."""
    return _sum(_stage_totals(shape, have, of, share) for share in stages)


def _stage_totals(shape: ConvShape, have: Resources, of: Candidates, share: int) -> Totals:
    """Return those of one stage: all classes of full and partial passes, each as often as it occurs."""
    pt, pt_times = tile_classes(shape.K_per_group, of.p * of.t)
    qr, qr_times = tile_classes(shape.C_per_group, of.q * of.r)
    e, e_times = tile_classes(shape.P, of.e)
    n, n_times = tile_classes(shape.N, of.n)
    times = pt_times[:, None, None, None] * qr_times[:, None, None] * e_times[:, None] * n_times
    sizes = pass_sizes(pt[:, None, None, None], of.t, qr[:, None, None], of.r, e[:, None], n)
    column = sizes.p * shape.Q * sizes.n
    busiest = None if share == SHARES else ceil(column * share, SHARES)
    kept = None if share == SHARES else ceil(sizes.pt * sizes.e * shape.Q * sizes.n * share, SHARES)
    costs = pass_costs(shape, have, sizes, busiest, kept)
    per_pass = pass_actions(shape, sizes, costs) | {"cycles": costs.cycles}
    totals = {name: shape.groups * (each * times).sum(axis=(0, 1, 2, 3)) for name, each in per_pass.items()}
    totals["dram_reads"] = totals["filter_bus_words"] + _ifmap_loads(shape, of, best_m(shape, have, of))
    return Totals(totals.pop("cycles"), totals)


def least_totals(shape: ConvShape, have: Resources, of: Candidates, stages: Stages = DENSE) -> Totals:
    """Return lower bounds of what :func:`layer_totals` returns.

    The parts of all passes are added up before the larger of compute and bus time is taken, and before quotients
    are rounded up. Each part falls as n and p grow, so a bound with the largest n and p holds for all.
    """
    return _sum(_least_of_stage(shape, have, of, share) for share in stages)


def _least_of_stage(shape: ConvShape, have: Resources, of: Candidates, share: int) -> Totals:
    K, C, R, S, F = shape.K_per_group, shape.C_per_group, shape.R, shape.S, shape.Q
    f_tiles, c_tiles = ceil(K, of.p * of.t), ceil(C, of.q * of.r)
    strips, i_tiles = ceil(shape.P, of.e), ceil(shape.N, of.n)
    full, rest = np.divmod(shape.P, of.e)
    rows = full * touched(shape, of.e, axis=0) + touched(shape, rest, axis=0)
    columns = touched(shape, np.array(F), axis=1)
    psums = -(-K * shape.P * F * shape.N * share // SHARES)

    compute = ceil(S * F * shape.N * ceil(K, of.t) * ceil(C, of.r) * strips * share, SHARES)
    psum = psums * c_tiles
    ifmap = C * shape.N * rows * columns * f_tiles
    filter_ = K * C * R * S * strips * i_tiles
    ramp = ceil(rows * S * C * f_tiles * i_tiles, have.ifmap_bus) + ceil(K * shape.P * c_tiles * i_tiles, have.psum_bus)
    busy = np.maximum(compute, np.maximum(ceil(psum, have.psum_bus), ceil(ifmap, have.ifmap_bus)))
    per_group = {
        "cycles": busy + ceil(filter_, have.filter_bus) + ramp,
        "ifmap_spad_writes": R * shape.P * C * shape.N * columns * ceil(K, of.p),
        "filter_spad_writes": K * C * R * S * shape.P * i_tiles,
        "ifmap_bus_words": ifmap,
        "filter_bus_words": filter_,
        "psum_bus_words": 2 * psum,
        "pe_to_pe_words": psums * _hops(shape, of),
        "glb_reads": psum + ifmap,
        "glb_writes": psum,
    }
    totals = {name: shape.groups * value for name, value in per_group.items()}
    most_psums = best_m(shape, have, of._replace(n=np.ones_like(of.n), p=np.ones_like(of.p)))
    totals["dram_reads"] = totals["filter_bus_words"] + _ifmap_loads(shape, of, most_psums)
    return Totals(totals.pop("cycles"), totals)


def best_m(shape: ConvShape, have: Resources, of: Candidates) -> Ints:
    """Return the m that loads ifmaps least often: of the largest that fits the GLB, the smallest that is as good."""
    K, pt = shape.K_per_group, of.p * of.t
    ifmap_strip, psum_strip = glb_strips(shape, of.e)
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
