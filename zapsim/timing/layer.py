"""One layer under one policy: stages A and B on the array, the predictor between them, DRAM beside them.

Source: Shomron et al., ECCV 2020, section 4 (pattern, prediction, rest). The page reads in the order in which a layer
is timed: demands of the stages, mapping, tiles, loads, predictor, timeline, sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine, Mapping, StageResult
from zapsim.counts import Counts, Cycles
from zapsim.errors import MappingError
from zapsim.timing.predictor import PredictorResult, run_predictor
from zapsim.timing.residency import NOTHING_STAYS, Loads, Residency, operand_loads
from zapsim.timing.stages import computed_share, layer_mask, ofmap_dram_words, stage_demands
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.schedule import Schedule, build_schedule
from zapsim.timing.timeline.times import TimelineEngine, Times, stalls
from zapsim.tracefile.model import LayerTrace
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What ran, and when."""

    schedule: Schedule
    times: Times


@dataclass(frozen=True, slots=True)
class LayerTiming:
    """Cycles and actions of a layer; `counts` conserve: executed + gated + skipped MACs are the dense MACs.

    Attributes
    ----------
    cycles, counts
        Where the time goes, and the actions.
    demanded_macs
        MACs of the outputs that the policy's mask marks (pattern and predicted non-zero), or of all outputs.
    predictor_busy_cycles
        Cycles in which the predictor works, overlapped or not; those that the array waits for it, or gives to it, are
        ``cycles.predictor``.
    active_pes
        Largest number of PEs at work at the same time.
    timeline
        What ran, and when.
    """

    cycles: Cycles
    counts: Counts
    demanded_macs: int
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
        The engine that puts tiles in time; all give the same cycles.

    Raises
    ------
    PolicyError
        If the engine does not serve the policy, or if the policy needs a map that the trace does not hold.
    MappingError
        If the layer cannot be mapped.
    """
    engine.served.check(arch.array.dataflow, policy)
    check_buffer(arch)
    shape = layer.shape
    mask = layer_mask(layer, policy)
    demands = stage_demands(arch, layer, policy, mask)
    coded_words = demands[0].ifmap_coded_words
    coded_share = 1.0 if coded_words is None else coded_words / shape.ifmap_words
    mapping = engine.map_layer(shape, arch, [computed_share(shape, demand) for demand in demands], coded_share)
    stages = [engine.time_stage(shape, arch, mapping, demand) for demand in demands]
    loads, free_words = operand_loads(arch, [stage.tiles for stage in stages], resident, coded_share)
    predictor = PredictorResult()
    if mask is not None and policy.knowledge != "oracle":
        predictor = run_predictor(
            engine, arch, shape, layer.pattern_outputs(), stages[0].tiles, free_words, gated=policy.outputs == "gate"
        )
    ofmap_words = 0 if resident.ofmap else ofmap_dram_words(arch, layer, mask)
    demanded = shape.outputs if mask is None else mask.count()
    return combine_stages(
        arch, shape, stages, loads, predictor, ofmap_words, demanded * shape.macs_per_output, timeline
    )


def check_buffer(arch: ArchSpec) -> None:
    """Check that the GLB holds a tile; what a row-stationary array needs, its mappings say.

    Raises
    ------
    MappingError
        If it does not; the message says the least size.
    """
    least, working = -(-arch.array.least_glb_words * arch.word // 8), arch.buffers.glb.working
    if working < least:
        fault = f"{working} B do not hold a tile, a word for each MAC unit; set at least {least} B"
        fault += arch.array.smaller(arch.glb_words)
        raise MappingError(f"{arch.name}: buffers.glb.size: {fault}")


def combine_stages(
    arch: ArchSpec,
    shape: ConvShape,
    stages: Sequence[StageResult],
    loads: Sequence[Loads],
    predictor: PredictorResult,
    ofmap_words: int,
    demanded_macs: int,
    timeline: TimelineEngine = run_fast,
) -> LayerTiming:
    """Put the stages of a layer in time, and add up its cycles and actions.

    Parameters
    ----------
    arch, shape
        The architecture and the layer.
    stages, loads
        Stage A and B (or the only stage) on the array, and what DRAM brings for each.
    predictor
        Stage Z.
    ofmap_words
        Words of the ofmap that DRAM takes, as it holds them.
    demanded_macs
        MACs of the outputs that the mask marks.
    timeline
        The engine that puts tiles in time.
    """
    plan = predictor.prediction
    schedule = build_schedule(arch, [stage.tiles for stage in stages], loads, ofmap_words, plan)
    times = timeline(schedule)
    waits = stalls(schedule, times)
    cycles = sum(
        (_with_imbalance(stage) for stage in stages),
        Cycles(
            dram_read=waits.dram_read,
            dram_write=waits.dram_write,
            buffer=waits.buffer,
            predictor=waits.predictor + plan.array_cycles + max(plan.concurrent_cycles - times.end, 0),
        ),
    )
    on_array = sum((stage.counts for stage in stages), predictor.counts)
    array_cycles = sum(stage.cycles.total for stage in stages)
    operands = sum(int(words.ifmap_words.sum() + words.filter_words.sum()) for words in loads)
    psums_read = sum(int(stage.tiles.psum_words.sum()) for stage in stages)
    psums_written = sum(int(stage.tiles.spilled_words.sum()) for stage in stages)
    counts = on_array + Counts(
        macs_skipped=shape.macs - on_array.macs_executed - on_array.macs_gated,
        dram_reads=operands + psums_read + plan.dram_reads,
        dram_writes=ofmap_words + psums_written + plan.spilled_words,
        # While the array waits, as many PEs as before stay clocked.
        pe_active_cycles=clocked_cycles(on_array.pe_active_cycles, array_cycles, cycles.total - array_cycles),
    )
    return LayerTiming(
        cycles,
        counts,
        demanded_macs,
        predictor.busy_cycles,
        max((stage.active_pes for stage in stages), default=0),
        Timeline(schedule, times),
    )


def clocked_cycles(pe_cycles: int, array_cycles: int, waiting_cycles: int) -> int:
    """Return the PE-cycles of the time in which the array waits: the mean number of active PEs stays clocked.

    Rounded so that both parts together are the PE-cycles of the whole time, rounded down.
    """
    if not array_cycles:
        return 0
    return pe_cycles * (array_cycles + waiting_cycles) // array_cycles - pe_cycles


def _with_imbalance(stage: StageResult) -> Cycles:
    """Split off the compute cycles in which the mean of the array waits for its slowest part."""
    compute = stage.cycles.compute
    working = min(round(compute / stage.imbalance), compute)
    return replace(stage.cycles, compute=working, imbalance=compute - working)
