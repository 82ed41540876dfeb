"""One layer under one policy: stages A and B on the array, the predictor between them, DRAM beside them.

A policy turns the maps of a trace into demands; the engine times each; the timeline puts the tiles of both in time;
here it is known which MACs were skipped. Source: Shomron et al., ECCV 2020, section 4 (pattern, prediction, rest).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine, Mapping, StageResult
from zapsim.arrays.tiles import Ints, Tiles
from zapsim.counts import Counts, Cycles, clocked_while_waiting
from zapsim.errors import MappingError
from zapsim.timing.predictor import PredictorResult, alive, run_predictor
from zapsim.timing.stages import needed_outputs, ofmap_dram_words, share_computed, stage_demands
from zapsim.timing.timeline.build import build_schedule
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.schedule import Schedule, TimelineEngine, Times, stalls
from zapsim.tracefile.model import LayerTrace
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class Residency:
    """Feature maps of the layer that stay on chip: DRAM neither gives the ifmap nor takes the ofmap."""

    ifmap: bool = False
    ofmap: bool = False


NOTHING_STAYS = Residency()


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What ran, and when."""

    schedule: Schedule
    times: Times


@dataclass(frozen=True, slots=True)
class LayerTiming:
    """Cycles and actions of a layer; `counts` conserve: executed + gated + skipped MACs are the dense MACs.

    `asked_macs` are those of the outputs that the policy asks for: pattern and predicted non-zero, or all.
    ``predictor_busy_cycles`` are those in which the predictor works, overlapped or not; the ones that the array
    waits for (or gives it) are ``cycles.predictor``.
    """

    cycles: Cycles
    counts: Counts
    asked_macs: int
    predictor_busy_cycles: int
    active_pes: int
    timeline: Timeline = field(compare=False)


def time_layer(
    engine: Engine[Mapping],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    *,
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
) -> LayerTiming:
    """Time one layer, mapped for the stages that `policy` makes of it.

    Parameters
    ----------
    engine, arch, layer, policy
        The array, what is around it, the maps, and what is done with zeros.
    resident
        Feature maps that stay on chip.
    timeline
        The engine that puts tiles in time; all give the same.

    Raises
    ------
    PolicyError
        If the engine does not serve the policy, or if this needs a map that the trace does not hold.
    MappingError
        If the layer cannot be mapped.
    """
    engine.served.check(arch.array.dataflow, policy)
    check_buffer(arch)
    shape = layer.shape
    needed = needed_outputs(layer, policy)
    stages = stage_demands(arch, layer, policy, needed)
    coded = stages[0].ifmap_coded_words
    in_dram = 1.0 if coded is None else coded / shape.ifmap_words
    mapping = engine.map_layer(shape, arch, [share_computed(shape, stage) for stage in stages], in_dram)
    results = [_at_home(engine.time_stage(shape, arch, mapping, demand), resident) for demand in stages]
    if len(results) > 1:
        results[1] = _without_second_loads(arch, results[0], results[1], in_dram)
    predictor = PredictorResult()
    if needed is not None and policy.knowledge != "oracle":
        room = min(result.tiles.room for result in results)
        predictor = run_predictor(engine, arch, shape, layer.pattern_outputs(), results[0].tiles, room)
        if policy.outputs == "gate":
            predictor = _beside(predictor)
    ofmap_words = 0 if resident.ofmap else ofmap_dram_words(arch, layer, needed)
    asked = shape.outputs if needed is None else needed.count()
    return compose(arch, shape, results, predictor, ofmap_words, asked * shape.macs_per_output, timeline)


def check_buffer(arch: ArchSpec) -> None:
    """Check that the GLB holds a tile; what a row-stationary array needs, its mappings say.

    Raises
    ------
    MappingError
        If it does not; with the least size.
    """
    needed, there = -(-arch.array.least_glb_words * arch.word // 8), arch.buffers.glb.working
    if there < needed:
        fault = f"{there} B do not hold a tile, a word for each MAC unit; set at least {needed} B"
        raise MappingError(f"{arch.name}: buffers.glb.size: {fault}")


def compose(
    arch: ArchSpec,
    shape: ConvShape,
    results: list[StageResult],
    predictor: PredictorResult,
    ofmap_words: int,
    asked_macs: int,
    timeline: TimelineEngine = run_fast,
) -> LayerTiming:
    """Put the stages in time, add the parts up and find what was skipped."""
    tiles = [result.tiles for result in results]
    rest = tiles[1] if len(tiles) > 1 else None
    schedule = build_schedule(arch, tiles[0], rest, ofmap_words, predictor.prediction)
    times = timeline(schedule)
    waits = stalls(schedule, times)
    beside = 0
    if not predictor.prediction.unit_cycles and not predictor.prediction.array_cycles:
        beside = max(predictor.busy_cycles - times.end, 0)  # gated outputs: the unit works all along
    counts = sum((result.counts for result in results), predictor.counts + Counts(dram_writes=ofmap_words))
    cycles = sum(
        (_with_imbalance(result) for result in results),
        Cycles(
            dram_read=waits.dram_read,
            dram_write=waits.dram_write,
            buffer=waits.buffer,
            predictor=waits.predictor + predictor.prediction.array_cycles + beside,
        ),
    )
    counts = clocked_while_waiting(counts, sum(result.cycles.total for result in results), cycles.total)
    skipped = shape.macs - counts.macs_executed - counts.macs_gated
    return LayerTiming(
        cycles,
        replace(counts, macs_skipped=skipped),
        asked_macs,
        predictor.busy_cycles,
        max((result.active_pes for result in results), default=0),
        Timeline(schedule, times),
    )


def _with_imbalance(result: StageResult) -> Cycles:
    """Return the stage's cycles with those apart in which the mean of the array waits for its slowest part."""
    cycles = result.cycles
    working = min(round(cycles.compute / result.imbalance), cycles.compute)
    return replace(cycles, compute=working, imbalance=cycles.compute - working)


def _beside(predictor: PredictorResult) -> PredictorResult:
    """Return a predictor of outputs that are only gated: nothing waits for a mask that is used at once.

    Its weights come while the channel has nothing else to do. A unit on the array takes its cycles all the same.
    """
    plan = predictor.prediction
    spilled = Counts(dram_reads=-plan.spilled_words, dram_writes=-plan.spilled_words)
    plan = replace(plan, unit_cycles=0, weight_words=0, spilled_words=0, by_tile=False)
    return replace(predictor, counts=predictor.counts + spilled, prediction=plan)


def _at_home(result: StageResult, resident: Residency) -> StageResult:
    """Return a stage that reads its ifmap on chip, if it is there."""
    if not resident.ifmap:
        return result
    return _loading(result, replace(result.tiles, ifmap_words=np.zeros_like(result.tiles.ifmap_words)))


def _without_second_loads(arch: ArchSpec, first: StageResult, rest: StageResult, in_dram: float) -> StageResult:
    """Return stage B without the loads of what stage A has left in the GLB, first ifmaps, then filters.

    An operand is left there if it stays anyway, or if both stages leave room for it: for all of the layer's, or with
    ``granularity: tile`` for what the blocks that are alive have of it. On chip, ifmaps are not coded: they take the
    words that came, over `in_dram`.
    """
    by_tile = arch.predictor.granularity == "tile" and first.tiles.blocks == rest.tiles.blocks
    tiles, before = rest.tiles, first.tiles
    room = min(before.room, tiles.room)
    blocks = (before.block, tiles.block) if by_tile else (0 * before.block, 0 * tiles.block)
    at_a_time = alive(arch, before) if by_tile else 1

    def size(loaded: Ints, stays: bool) -> int:
        """Return the words that must lie in the room for an operand to be there."""
        return 0 if stays else int(np.bincount(blocks[0], loaded, 1).max()) * at_a_time

    ifmap = ceil(size(before.ifmap_words, before.ifmap_stays and tiles.ifmap_stays) / in_dram)
    if ifmap <= room:
        left = _missing(before.ifmap_words, tiles.ifmap_words, blocks)
        tiles, room = replace(tiles, ifmap_words=left), room - ifmap
    filters = size(before.filter_words, before.filters_stay and tiles.filters_stay)
    if filters <= room:
        left = _missing(before.filter_words, tiles.filter_words, blocks)
        tiles, room = replace(tiles, filter_words=left), room - filters
    return _loading(rest, replace(tiles, room=room))


def _missing(loaded: Ints, wanted: Ints, blocks: tuple[Ints, Ints]) -> Ints:
    """Return what is wanted beyond what was loaded, block by block: int64, like `wanted`."""
    count = 1 + max(int(block.max(initial=0)) for block in blocks)
    there, asked = (np.bincount(block, words, count) for block, words in zip(blocks, (loaded, wanted), strict=True))
    short = np.maximum(asked - there, 0).astype(np.int64)
    of_block = np.maximum(asked, 1).astype(np.int64)
    return np.asarray(-(-wanted * short[blocks[1]] // of_block[blocks[1]]), dtype=np.int64)


def _loading(result: StageResult, tiles: Tiles) -> StageResult:
    """Return the stage with other loads."""
    counts = replace(result.counts, dram_reads=tiles.read_words)
    return replace(result, tiles=tiles, counts=counts)
