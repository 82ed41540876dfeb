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

from zapsim.arch.arrays import PassParameters, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.mapping.row_stationary import (
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
    frames = _frames(shape, have)
    bounds = objective.score(least_totals(shape, have, frames, objective.stages))
    order = np.argsort(bounds, kind="stable")
    chunk = np.cumsum((frames.n * frames.p)[order]) // CHUNK
    for chosen in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        yield float(bounds[chosen[0]]), _expand(shape, have, frames.take(chosen))


def _frames(shape: ConvShape, have: Resources) -> Candidates:
    """Return all (e, q, r, t) that fit PEs, spads and GLB, each with the largest n and p that it could have at best.

    Costs fall as n and p grow, so what these cost at least bounds all n and p.
    """
    widest = min(shape.P, have.cols * (have.rows // shape.R))
    most_q = min(have.ifmap_spad, have.filter_spad) // shape.S
    most_r = min(have.rows // shape.R, shape.C_per_group)
    axes = (np.arange(1, most + 1) for most in (widest, min(most_q, shape.C_per_group), most_r))
    e, q, r = (grid.ravel() for grid in np.meshgrid(*axes))
    beside = np.minimum(sets_beside(have, shape.R, e, r), shape.K_per_group) * ((r - 1) * q < shape.C_per_group)
    e, q, r = (np.repeat(axis, beside) for axis in (e, q, r))
    t = np.arange(len(e)) - np.repeat(np.cumsum(beside) - beside, beside) + 1
    ifmap_strip, psum_strip = glb_strips(shape, e)
    room = have.glb_words - q * r * ifmap_strip
    n = np.minimum(have.glb_words // (q * r * ifmap_strip + t * psum_strip), shape.N)
    p = np.minimum(room // (t * psum_strip), np.minimum(have.filter_spad // (q * shape.S), have.psum_spad))
    p = np.minimum(p, shape.K_per_group)
    return Candidates(n, e, p, q, r, t).take((n > 0) & (p > 0))


def _expand(shape: ConvShape, have: Resources, frames: Candidates) -> Candidates:
    """Return every n and p of each frame that fit the GLB together and that the layer has a use for."""
    sizes = frames.n * frames.p
    kind = np.repeat(np.arange(len(sizes)), sizes)
    of = frames.take(kind)
    index = np.arange(len(kind)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    of = of._replace(n=index % of.n + 1, p=index // of.n + 1)
    ifmap_strip, psum_strip = glb_strips(shape, of.e)
    words = of.n * (of.q * of.r * ifmap_strip + of.p * of.t * psum_strip)
    return of.take((words <= have.glb_words) & ((of.t - 1) * of.p < shape.K_per_group))
