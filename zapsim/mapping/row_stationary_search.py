"""The mapping of a layer: pinned by name, or the best of the whole space (m, n, e, p, q, r, t).

Best is what the architecture asks for (fewest cycles, least energy or least product of both, over all stages), then
fewest GLB words, then fewest DRAM words, then the smallest (m, n, e, p, q, r, t). The search is exhaustive in
effect: candidates are left out only when a lower bound of theirs is above the best found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec, PassParameters, RowStationaryArray
from zapsim.mapping.row_stationary import (
    Ints,
    Resources,
    check_mappable,
    check_mapping,
    clamp,
    glb_strips,
    sets_beside,
)
from zapsim.mapping.row_stationary_totals import (
    DENSE,
    SHARES,
    Candidates,
    Stages,
    Totals,
    best_m,
    layer_totals,
    least_totals,
)
from zapsim.workload import ConvShape

SLACK = 1 + 1e-9
"""Bounds are sums of floats, rounded otherwise than what they bound."""

CHUNK = 4096
"""Candidates that are looked at together: enough to keep numpy busy, few enough to stop early."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is least in the best mapping, of a layer in `stages`; `prices` are pJ by action (and ``cycles``)."""

    name: str = "latency"
    prices: tuple[tuple[str, float], ...] = ()
    stages: Stages = DENSE

    def score(self, totals: Totals) -> NDArray[np.float64]:
        """Return what is to be least: cycles, pJ (of what depends on the mapping), or their product."""
        cycles = totals.cycles.astype(np.float64)
        if self.name == "latency":
            return cycles
        occurred = totals.actions | {"cycles": totals.cycles}
        energy = np.zeros_like(cycles)
        for action, price in self.prices:
            if action in occurred:
                energy += price * occurred[action]
        return energy if self.name == "energy" else energy * cycles


def map_layer(shape: ConvShape, arch: ArchSpec, shares: Sequence[float] = (1.0,)) -> PassParameters:
    """Return the mapping pinned for the layer's name, or else the best one.

    Parameters
    ----------
    shape, arch
        What is put where.
    shares
        Share of the outputs that each stage computes, as far as it is known beforehand (rounded to 1/32).

    Raises
    ------
    MappingError
        If the layer does not fit the array, or its pinned mapping breaks a limit.
    """
    have = Resources.of(arch)
    assert isinstance(arch.array, RowStationaryArray)
    wanted = arch.array.mapping
    if shape.name in wanted.pinned:
        pinned = clamp(shape, wanted.pinned[shape.name])
        check_mapping(shape, have, pinned)
        return pinned
    check_mappable(shape, have)
    prices = () if wanted.objective == "latency" else tuple(sorted(arch.energy.actions.items()))
    stages = tuple(max(round(share * SHARES), 1) for share in shares)
    return search(replace(shape, name=""), have, Objective(wanted.objective, prices, stages))


@lru_cache(maxsize=4096)
def search(shape: ConvShape, have: Resources, objective: Objective) -> PassParameters:
    """Return the best mapping of a layer that can be mapped; found once for each shape and array."""
    best: tuple[float, ...] = (np.inf,)
    for bound, candidates in _most_promising_first(shape, have, objective):
        if bound > best[0] * SLACK:
            break
        bounds = objective.score(least_totals(shape, have, candidates, objective.stages))
        left = candidates.take(bounds <= best[0] * SLACK)
        if len(left.n):
            best = min(best, _best_of(shape, have, objective, left))
    m, n, e, p, q, r, t = (int(value) for value in best[-7:])
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def _best_of(shape: ConvShape, have: Resources, objective: Objective, of: Candidates) -> tuple[float, ...]:
    """Return score, GLB words, DRAM words and (m, n, e, p, q, r, t) of the best candidate."""
    totals = layer_totals(shape, have, of, objective.stages)
    glb = totals.actions["glb_reads"] + totals.actions["glb_writes"]
    keys = (objective.score(totals), glb, totals.actions["dram_reads"], best_m(shape, have, of), *of)
    first = np.lexsort(keys[::-1])[0]
    return tuple(key[first] for key in keys)


def _most_promising_first(
    shape: ConvShape, have: Resources, objective: Objective
) -> Iterator[tuple[float, Candidates]]:
    """Yield all candidates in chunks, each after a lower bound of its and all later scores."""
    spatial = _spatial(shape, have)
    bounds = objective.score(least_totals(shape, have, spatial, objective.stages))
    order = np.argsort(bounds, kind="stable")
    p, q = _held_by_pe(shape, have)
    size = max(CHUNK // (len(p) * int(spatial.n.max())), 1)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        yield float(bounds[chosen[0]]), _expand(shape, have, spatial.take(chosen), p, q)


def _spatial(shape: ConvShape, have: Resources) -> Candidates:
    """Return all (e, r, t) that fit the PEs and the GLB, with the largest n, p and q that each could have at best."""
    p, q = _held_by_pe(shape, have)
    widest = min(shape.P, have.cols * (have.rows // shape.R))
    e, r = (
        grid.ravel()
        for grid in np.meshgrid(
            np.arange(1, widest + 1),
            np.arange(1, min(shape.C_per_group, have.rows // shape.R) + 1),
        )
    )
    beside = np.minimum(sets_beside(have, shape.R, e, r), shape.K_per_group)
    e, r = np.repeat(e, beside), np.repeat(r, beside)
    t = np.arange(len(e)) - np.repeat(np.cumsum(beside) - beside, beside) + 1
    ifmap_strip, psum_strip = glb_strips(shape, e)
    n = np.minimum(have.glb_words // (r * ifmap_strip + t * psum_strip), shape.N)
    return Candidates(n, e, np.full_like(e, p.max()), np.full_like(e, q.max()), r, t).take(n > 0)


def _held_by_pe(shape: ConvShape, have: Resources) -> tuple[Ints, Ints]:
    """Return all (p, q) that fit the spads of a PE."""
    most_p = min(have.psum_spad, shape.K_per_group)
    most_q = min(have.ifmap_spad // shape.S, shape.C_per_group)
    p, q = np.meshgrid(np.arange(1, most_p + 1), np.arange(1, most_q + 1))
    fits = p * q * shape.S <= have.filter_spad
    return p[fits], q[fits]


def _expand(shape: ConvShape, have: Resources, spatial: Candidates, p: Ints, q: Ints) -> Candidates:
    """Return every n, p, q that fits the GLB and that the layer has a use for, for each (e, r, t)."""
    n = np.arange(1, int(spatial.n.max()) + 1)
    kind, pe, images = (grid.ravel() for grid in np.meshgrid(np.arange(len(spatial.n)), np.arange(len(p)), n))
    all_of = Candidates(images, spatial.e[kind], p[pe], q[pe], spatial.r[kind], spatial.t[kind])
    ifmap_strip, psum_strip = glb_strips(shape, all_of.e)
    words = all_of.n * (all_of.q * all_of.r * ifmap_strip + all_of.p * all_of.t * psum_strip)
    has_filters = (all_of.t - 1) * all_of.p < shape.K_per_group
    has_channels = (all_of.r - 1) * all_of.q < shape.C_per_group
    return all_of.take((words <= have.glb_words) & has_filters & has_channels)
