"""The mapping of a layer: pinned by name, or the best of the whole space (m, n, e, p, q, r, t).

Best is what the architecture asks for (fewest cycles of array and DRAM channel, least energy or least product of both,
over all stages), then fewest GLB words, then fewest DRAM words, then the smallest (m, n, e, p, q, r, t). The search is
exhaustive in effect: candidates are left out only when a lower bound of theirs is above the best found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.row_stationary.bounds import (
    DENSE,
    SHARES,
    Candidates,
    Stages,
    Totals,
    best_m,
    layer_totals,
    least_totals,
)
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    Resources,
    check_mappable,
    check_mapping,
    clamp,
    glb_strips,
    sets_beside,
)
from zapsim.workload import ConvShape

SLACK = 1 + 1e-9
"""Bounds are sums of floats, rounded otherwise than what they bound."""

FIRST_CHUNK, CHUNK = 256, 2048
"""Candidates that are looked at together: few until there is a good one, which makes most others hopeless, then twice
as many each time, up to what keeps numpy busy."""

Found = tuple[float, ...]
"""Score, GLB words, DRAM words and (m, n, e, p, q, r, t) of a mapping: the least is the best."""


@dataclass(frozen=True, slots=True)
class Link:
    """The DRAM channel as far as mappings differ in it: what it reads.

    Attributes
    ----------
    word_cycles, ifmap_word_cycles
        Cycles of the array that a word of filters takes, and a plain word of ifmaps, as it is coded.
    ifmap_waits, filter_waits
        Whether the array waits for all of these words, because nothing of them is fetched ahead.
    """

    word_cycles: float = 0.0
    ifmap_word_cycles: float = 0.0
    ifmap_waits: bool = False
    filter_waits: bool = False

    @classmethod
    def of(cls, arch: ArchSpec, coded: float) -> Link:
        """Return the channel of an architecture, for a map of which it holds a share `coded` (rounded to 1/32)."""
        dram, ahead = arch.dram, arch.buffers.prefetch
        each = arch.word_bytes * arch.clock / (dram.bandwidth * (1 - dram.refresh))
        return cls(each, each * round(coded * SHARES) / SHARES, not ahead.ifmap, not ahead.filter)

    def latency(self, totals: Totals) -> NDArray[np.float64]:
        """Return the cycles of array and channel: what does not overlap adds up, what does takes the longer."""
        filter_words = totals.actions["filter_bus_words"]
        filters = filter_words * self.word_cycles
        ifmaps = (totals.actions["dram_reads"] - filter_words) * self.ifmap_word_cycles
        exposed = ifmaps * self.ifmap_waits + filters * self.filter_waits
        return np.asarray(np.maximum(totals.cycles + exposed, ifmaps + filters), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is least in the best mapping, of a layer in `stages`; `prices` are pJ by action (and ``cycles``)."""

    name: str = "latency"
    prices: tuple[tuple[str, float], ...] = ()
    stages: Stages = DENSE
    link: Link = Link()

    def score(self, totals: Totals) -> NDArray[np.float64]:
        """Return what is to be least: cycles, pJ (of what depends on the mapping), or their product."""
        cycles = self.link.latency(totals)
        if self.name == "latency":
            return cycles
        occurred: dict[str, NDArray[np.float64] | Ints] = {**totals.actions, "cycles": cycles}
        energy = np.zeros_like(cycles)
        for action, price in self.prices:
            if action in occurred:
                energy += price * occurred[action]
        return energy if self.name == "energy" else energy * cycles


def map_layer(shape: ConvShape, arch: ArchSpec, shares: Sequence[float] = (1.0,), coded: float = 1.0) -> PassParameters:
    """Return the mapping pinned for the layer's name, or else the best one.

    Parameters
    ----------
    shape, arch
        What is put where.
    shares
        Share of the outputs that each stage computes, as far as it is known beforehand (rounded to 1/32).
    coded
        Size of the ifmap in DRAM as a share of its plain size.

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
    prices = () if wanted.objective == "latency" else search_prices(arch)
    stages = tuple(max(round(share * SHARES), 1) for share in shares)
    objective = Objective(wanted.objective, prices, stages, Link.of(arch, coded))
    return search(replace(shape, name=""), have, objective, exhaustive=wanted.search == "exhaustive")


def search_prices(arch: ArchSpec) -> tuple[tuple[str, float], ...]:
    """Return the prices of what counts as energy in results, in a fixed order.

    Idle and control cycles follow from the others: a cycle makes all PEs idle, an active PE one less.
    """
    prices = {action: pj for action, pj in arch.prices.items() if arch.energy.include_dram or action[:4] != "dram"}
    idle, control = prices.pop("pe_idle_cycles", 0.0), prices.pop("pe_control_cycles", 0.0)
    prices["cycles"] = prices.get("cycles", 0.0) + idle * arch.array.pe_count
    prices["pe_active_cycles"] = prices.get("pe_active_cycles", 0.0) + control - idle
    return tuple(sorted(prices.items()))


@lru_cache(maxsize=4096)
def search(shape: ConvShape, have: Resources, objective: Objective, *, exhaustive: bool = False) -> PassParameters:
    """Return the best mapping of a layer that can be mapped; found once for each shape and array.

    Parameters are chosen one level after another, (e, q, r, t), then n, then p; at each, a lower bound for all choices
    of the next says what is looked at first, and, unless the search is `exhaustive`, what not at all.
    """

    def hopeless(bound: float) -> bool:
        return not exhaustive and bound > best[0] * SLACK

    best: Found = (np.inf,)
    frames = _frames(shape, have)
    of_any = frames._replace(n=np.ones_like(frames.n), p=np.ones_like(frames.p))
    most = best_m(shape, have, of_any)
    for bound, frame in _most_promising_first(shape, have, objective, frames, most, frames.n, FIRST_CHUNK):
        if hopeless(bound):
            break
        batches = _each_n(shape, have, frame)
        of_any = batches._replace(p=np.ones_like(batches.p))
        most = best_m(shape, have, of_any)
        first = FIRST_CHUNK if best[0] == np.inf else CHUNK
        for inner, batch in _most_promising_first(shape, have, objective, batches, most, batches.p, first):
            if hopeless(inner):
                break
            limit: Found = (np.inf,) if exhaustive else best
            best = min(best, _best_below(limit, shape, have, objective, _each_p(shape, have, batch)))
    m, n, e, p, q, r, t = (int(value) for value in best[-7:])
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def _best_below(limit: Found, shape: ConvShape, have: Resources, objective: Objective, of: Candidates) -> Found:
    """Return the best candidate, or `limit` if their bounds show that none is better."""
    bounds = objective.score(least_totals(shape, have, of, objective.stages))
    left = of.take(bounds <= limit[0] * SLACK)
    return _best_of(shape, have, objective, left) if len(left.n) else limit


def _best_of(shape: ConvShape, have: Resources, objective: Objective, of: Candidates) -> Found:
    """Return the best candidate."""
    totals = layer_totals(shape, have, of, objective.stages)
    glb = totals.actions["glb_reads"] + totals.actions["glb_writes"]
    keys = (objective.score(totals), glb, totals.actions["dram_reads"], best_m(shape, have, of), *of)
    first = np.lexsort(keys[::-1])[0]
    return tuple(key[first] for key in keys)


def _most_promising_first(
    shape: ConvShape, have: Resources, objective: Objective, of: Candidates, m: Ints, choices: Ints, first: int
) -> Iterator[tuple[float, Candidates]]:
    """Yield candidates in chunks that have about so many choices left (`first`: the first one), by least bound."""
    bounds = objective.score(least_totals(shape, have, of, objective.stages, m))
    order = np.argsort(bounds, kind="stable")
    chunk = np.searchsorted(_chunk_ends(int(choices.sum()), first), np.cumsum(choices[order]))
    for chosen in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        yield float(bounds[chosen[0]]), of.take(chosen)


def _chunk_ends(total: int, first: int) -> Ints:
    """Return at how many choices each chunk ends."""
    sizes = [first]
    reached = first
    while reached < total:
        sizes.append(min(2 * sizes[-1], CHUNK))
        reached += sizes[-1]
    return np.cumsum(sizes)


def _frames(shape: ConvShape, have: Resources) -> Candidates:
    """Return all (e, q, r, t) that fit PEs, spads and GLB, each with the largest n and p that it could have at best.

    Costs fall as n and p grow, so what these cost at least bounds all n and p.
    """
    widest = min(shape.P, have.cols * (have.rows // shape.R) * have.rows_per_column)
    most_q = min(have.ifmap_spad, have.filter_spad) // shape.S
    most_r = min(have.rows // shape.R, shape.C_per_group)
    axes = (np.arange(1, most + 1) for most in (widest, min(most_q, shape.C_per_group), most_r))
    e, q, r = (grid.ravel() for grid in np.meshgrid(*axes))
    beside = np.minimum(sets_beside(have, shape.R, e, r), shape.K_per_group) * ((r - 1) * q < shape.C_per_group)
    frame, t = _count_up(beside)
    e, q, r = (axis[frame] for axis in (e, q, r))
    ifmap_strip, psum_strip = glb_strips(shape, e, have)
    room = have.glb_words - q * r * ifmap_strip
    n = np.minimum(have.glb_words // (q * r * ifmap_strip + t * psum_strip), shape.N)
    p = np.minimum(room // (t * psum_strip), np.minimum(have.filter_spad // (q * shape.S), have.psum_spad))
    p = np.minimum(p, shape.K_per_group)
    if have.filters_ahead is not None:
        p = np.minimum(p, have.filters_ahead // (t * q * r * shape.R * shape.S))
    return Candidates(n, e, p, q, r, t).take((n > 0) & (p > 0))


def _each_n(shape: ConvShape, have: Resources, frames: Candidates) -> Candidates:
    """Return every n of each frame that fits the GLB, with the largest p that it could then have."""
    frame, n = _count_up(frames.n)
    of = frames.take(frame)._replace(n=n)
    ifmap_strip, psum_strip = glb_strips(shape, of.e, have)
    p = np.minimum((have.glb_words // n - of.q * of.r * ifmap_strip) // (of.t * psum_strip), of.p)
    return of._replace(p=p).take(p > 0)


def _each_p(shape: ConvShape, have: Resources, batches: Candidates) -> Candidates:
    """Return every p of each batch that the layer has a use for (all fit the GLB)."""
    batch, p = _count_up(batches.p)
    of = batches.take(batch)._replace(p=p)
    return of.take((of.t - 1) * p < shape.K_per_group)


def _count_up(most: Ints) -> tuple[Ints, Ints]:
    """Return each index of `most` as often as its value says, and beside it 1, 2, 3 and so on up to that."""
    index = np.repeat(np.arange(len(most)), most)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(most) - most, most) + 1
