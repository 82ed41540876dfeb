"""The mapping of a layer: pinned by name, or the best of the whole space (m, n, e, p, q, r, t).

Each stage of a layer has its own mapping, or all have one (``mapping.stages``). The best mapping minimises what the
architecture asks for (cycles of array and DRAM channel, energy, or the product of both, over the stages that have it),
then GLB words, then DRAM words, then (m, n, e, p, q, r, t). The search is exhaustive in effect: a candidate is left out
only if a lower bound of it is above the best so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters, StageMappings
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import WHOLE_LAYER, StageShare
from zapsim.arrays.engine_inputs import without_name
from zapsim.arrays.row_stationary.bounds import (
    DENSE,
    Candidates,
    Stages,
    Totals,
    best_m,
    layer_totals,
    least_totals,
)
from zapsim.arrays.row_stationary.limits import check_mappable, check_mapping
from zapsim.arrays.row_stationary.mapping import Ints, Resources, clamp, row_stationary_array, sets_beside
from zapsim.arrays.row_stationary.strips import SHARES, Pixels, Stage, glb_table, stage_rows, widest_strip
from zapsim.counts import ACTIONS
from zapsim.workload import ConvShape

SLACK = 1 + 1e-9
"""Bounds are sums of floats, rounded otherwise than what they bound."""

FIRST_CHUNK, CHUNK = 256, 2048
"""Candidates that are looked at together: few until there is a good one, which makes most others hopeless; then twice
as many each time, up to what keeps NumPy busy."""

Rank = tuple[float, ...]
"""Score, GLB words, DRAM words and (m, n, e, p, q, r, t) of a mapping: the least is the best."""


@dataclass(frozen=True, slots=True)
class Link:
    """The DRAM channel, as far as mappings differ in it: what it reads.

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
        """Describe the channel of an architecture; DRAM holds the ifmap in `coded` of its words (rounded to 1/32)."""
        dram, ahead = arch.dram, arch.buffers.prefetch
        word_cycles = arch.word_bytes * arch.clock / (dram.bandwidth * (1 - dram.refresh))
        return cls(word_cycles, word_cycles * round(coded * SHARES) / SHARES, not ahead.ifmap, not ahead.filter)

    def latency(self, totals: Totals) -> NDArray[np.float64]:
        """Combine the cycles of array and channel: what does not overlap adds up, of what does the longer counts."""
        filter_words = totals.actions["filter_bus_words"]
        filters = filter_words * self.word_cycles
        ifmaps = (totals.actions["dram_reads"] - filter_words) * self.ifmap_word_cycles
        exposed = ifmaps * self.ifmap_waits + filters * self.filter_waits
        return np.asarray(np.maximum(totals.cycles + exposed, ifmaps + filters), dtype=np.float64)


Prices: TypeAlias = tuple[tuple[str, float], ...]
"""pJ by action, and of ``cycles``."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What the best mapping of a layer in `stages` minimises, at `prices` and with a DRAM `link`."""

    name: str = "latency"
    prices: Prices = ()
    stages: Stages = DENSE
    link: Link = Link()

    def score(self, totals: Totals) -> NDArray[np.float64]:
        """Rate candidates by what is minimised: cycles, pJ (of what depends on the mapping), or their product."""
        cycles = self.link.latency(totals)
        if self.name == "latency":
            return cycles
        occurred: dict[str, NDArray[np.float64] | Ints] = {**totals.actions, "cycles": cycles}
        energy = np.zeros_like(cycles)
        for action, price in self.prices:
            if action in occurred:
                energy += price * occurred[action]
        return energy if self.name == "energy" else energy * cycles


Search: TypeAlias = Callable[..., PassParameters]
"""Finds the best mapping of a layer: :func:`search`, or another that takes the same and finds the same."""


def map_stages(
    shape: ConvShape,
    arch: ArchSpec,
    stages: Sequence[StageShare] = WHOLE_LAYER,
    coded: float = 1.0,
    find: Search | None = None,
) -> list[PassParameters]:
    """Take the mappings pinned for the layer's name, or else find the best one of each stage.

    Parameters
    ----------
    shape, arch
        What is put where.
    stages
        What is known of the layer's stages beforehand.
    coded
        Size of the ifmap in DRAM as a share of its plain size.
    find
        What searches; None: :func:`search`.

    Raises
    ------
    MappingError
        If the layer does not fit the array, or its pinned mapping breaks a limit.
    """
    array, settings = Resources.of(arch), row_stationary_array(arch).mapping
    prices = () if settings.objective == "latency" else search_prices(arch)
    link = Link.of(arch, coded)
    known = tuple(_known(shape, arch, stage) for stage in stages)
    together = settings.stages == "together" or arch.predictor.granularity == "tile"
    pinned, exhaustive = settings.pinned.get(shape.name), settings.search == "exhaustive"
    mappings = []
    for expected, stage in zip(stages, known, strict=True):
        mapping = pinned
        if isinstance(mapping, StageMappings):
            mapping = {"": None, "A": mapping.A, "B": mapping.B}[expected.name]
        if mapping is not None:
            mapping = clamp(shape, mapping, len(stage_rows(shape, stage.pixels)))
            check_mapping(shape, array, mapping, stage)
        else:
            mapped_alike = known if together else (stage,)
            objective = Objective(settings.objective, prices, mapped_alike, link)
            for one in mapped_alike:
                check_mappable(shape, array, one)
            mapping = (find or search)(without_name(shape), array, objective, exhaustive=exhaustive)
        mappings.append(mapping)
    return mappings


def _known(shape: ConvShape, arch: ArchSpec, stage: StageShare) -> Stage:
    """Say in the search's terms what is known of a stage; its share is rounded, and that of its rows."""
    pixels = stage_pixels(arch, stage.pixels)
    rows = len(stage_rows(shape, pixels))
    share = round(stage.share * (shape.P / rows) * SHARES)
    return Stage(min(max(share, 1), SHARES), pixels, stage.by_mask)


def stage_pixels(arch: ArchSpec, pixels: Pixels) -> Pixels:
    """Return the pixels of each ofmap row in which a stage may compute, or None for all.

    Where the stages alternate block by block, a strip is e consecutive rows of the map in both, so that their blocks
    are the same. A stage without any pixel has nothing to do, and is mapped as if it had.
    """
    return pixels if pixels is not None and any(pixels) and arch.predictor.granularity == "layer" else None


def search_prices(arch: ArchSpec) -> Prices:
    """List the prices of what counts as energy in results, in a fixed order.

    Idle and control cycles follow from the others: a cycle makes all PEs idle, an active PE one less.
    """
    prices = {
        action: pj
        for action, pj in arch.prices.items()
        if arch.energy.include_dram or ACTIONS[action].component != "dram"
    }
    idle, control = prices.pop("pe_idle_cycles", 0.0), prices.pop("pe_control_cycles", 0.0)
    prices["cycles"] = prices.get("cycles", 0.0) + idle * arch.array.pe_count
    prices["pe_active_cycles"] = prices.get("pe_active_cycles", 0.0) + control - idle
    return tuple(sorted(prices.items()))


@lru_cache(maxsize=4096)
def search(shape: ConvShape, array: Resources, objective: Objective, *, exhaustive: bool = False) -> PassParameters:
    """Find the best mapping of a layer that can be mapped; once for each shape, array and objective.

    Parameters are chosen in three levels: (e, q, r, t), then n, then p. At each level, a lower bound for all choices of
    the next one decides what is tried first and, unless the search is `exhaustive`, what is not tried at all.
    """

    def hopeless(bound: float) -> bool:
        return not exhaustive and bound > best[0] * SLACK

    best: Rank = (np.inf,)
    stages = objective.stages
    frames = _frames(shape, array, stages)
    # The largest m is that of the smallest n and p, so no choice of these exceeds it.
    largest_m = best_m(shape, array, frames._replace(n=np.ones_like(frames.n), p=np.ones_like(frames.p)), stages)
    for bound, frame in _most_promising_first(shape, array, objective, frames, largest_m, frames.n, FIRST_CHUNK):
        if hopeless(bound):
            break
        batches = _each_n(shape, array, frame, stages)
        largest_m = best_m(shape, array, batches._replace(p=np.ones_like(batches.p)), stages)
        first_chunk = FIRST_CHUNK if best[0] == np.inf else CHUNK
        inner = _most_promising_first(shape, array, objective, batches, largest_m, batches.p, first_chunk)
        for batch_bound, batch in inner:
            if hopeless(batch_bound):
                break
            limit: Rank = (np.inf,) if exhaustive else best
            best = min(best, _best_below(limit, shape, array, objective, _each_p(shape, batch)))
    m, n, e, p, q, r, t = (int(value) for value in best[-7:])
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


def _best_below(limit: Rank, shape: ConvShape, array: Resources, objective: Objective, candidates: Candidates) -> Rank:
    """Rank the best candidate, or return `limit` if the bounds show that none is better."""
    bounds = objective.score(least_totals(shape, array, candidates, objective.stages))
    candidates = candidates.take(bounds <= limit[0] * SLACK)
    if not len(candidates.n):
        return limit
    totals = layer_totals(shape, array, candidates, objective.stages)
    glb_words = totals.actions["glb_reads"] + totals.actions["glb_writes"]
    m = best_m(shape, array, candidates, objective.stages)
    keys = (objective.score(totals), glb_words, totals.actions["dram_reads"], m, *candidates)
    best = np.lexsort(keys[::-1])[0]
    return tuple(key[best] for key in keys)


def _most_promising_first(
    shape: ConvShape, array: Resources, objective: Objective, candidates: Candidates, m: Ints, choices: Ints, first: int
) -> Iterator[tuple[float, Candidates]]:
    """Yield candidates by least bound, in chunks with about so many `choices` together (`first`: the first chunk)."""
    bounds = objective.score(least_totals(shape, array, candidates, objective.stages, m))
    order = np.argsort(bounds, kind="stable")
    chunk = np.searchsorted(_chunk_ends(int(choices.sum()), first), np.cumsum(choices[order]))
    for chosen in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        yield float(bounds[chosen[0]]), candidates.take(chosen)


def _chunk_ends(total: int, first: int) -> Ints:
    """Tell at how many choices each chunk ends."""
    sizes = [first]
    reached = first
    while reached < total:
        sizes.append(min(2 * sizes[-1], CHUNK))
        reached += sizes[-1]
    return np.cumsum(sizes)


def _frames(shape: ConvShape, array: Resources, stages: Stages) -> Candidates:
    """List all (e, q, r, t) that fit PEs, spads and GLB, each with the largest n and the largest p that it can have.

    Costs fall as n and p grow, so a bound for these holds for all n and p.
    """
    widest = widest_strip(shape, array, stages)
    most_q = min(array.ifmap_spad, array.filter_spad) // shape.S
    most_r = min(array.rows // shape.R, shape.C_per_group)
    axes = (np.arange(1, most + 1) for most in (widest, min(most_q, shape.C_per_group), most_r))
    e, q, r = (grid.ravel() for grid in np.meshgrid(*axes))
    beside = np.minimum(sets_beside(array, shape.R, e, r), shape.K_per_group) * ((r - 1) * q < shape.C_per_group)
    frame, t = _count_up(beside)
    e, q, r = (axis[frame] for axis in (e, q, r))
    strips = glb_table(shape, array, stages).take(e)
    with_pointers = array.glb_words - t * strips.pointers
    psum_words = with_pointers - q * r * strips.ifmap  # left of the GLB for psums, with one image
    n = np.minimum(with_pointers // (q * r * strips.ifmap + t * strips.psums), shape.N)
    p = np.minimum(psum_words // (t * strips.psums), np.minimum(array.filter_spad // (q * shape.S), array.psum_spad))
    p = np.minimum(p, shape.K_per_group)
    if array.filters_ahead is not None:
        p = np.minimum(p, array.filters_ahead // (t * q * r * shape.R * shape.S))
    return Candidates(n, e, p, q, r, t).take((n > 0) & (p > 0))


def _each_n(shape: ConvShape, array: Resources, frames: Candidates, stages: Stages) -> Candidates:
    """List every n of each frame that fits the GLB, with the largest p that it can have then."""
    frame, n = _count_up(frames.n)
    batches = frames.take(frame)._replace(n=n)
    _, e, p, q, r, t = batches
    strips = glb_table(shape, array, stages).take(e)
    p = np.minimum(((array.glb_words - t * strips.pointers) // n - q * r * strips.ifmap) // (t * strips.psums), p)
    return batches._replace(p=p).take(p > 0)


def _each_p(shape: ConvShape, batches: Candidates) -> Candidates:
    """List every p of each batch that the layer has a use for (all fit the GLB)."""
    batch, p = _count_up(batches.p)
    candidates = batches.take(batch)._replace(p=p)
    return candidates.take((candidates.t - 1) * p < shape.K_per_group)


def _count_up(most: Ints) -> tuple[Ints, Ints]:
    """Repeat each index of `most` as often as its value says, and number the repeats from 1."""
    index = np.repeat(np.arange(len(most)), most)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(most) - most, most) + 1
