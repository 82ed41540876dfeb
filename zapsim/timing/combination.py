"""A layer's cycles and actions, from those of its stages and from its timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

from zapsim.arch.spec import ArchSpec, ClockGating
from zapsim.arrays.engine import StageResult
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts, Cycles
from zapsim.kernels import timeline as kernels
from zapsim.timing.predictor import Prediction, PredictorResult
from zapsim.timing.residency import Loads
from zapsim.timing.timeline.fast import check_end, run_fast
from zapsim.timing.timeline.schedule import Schedule, build_schedule, layer_plan
from zapsim.timing.timeline.times import Stalls, TimelineEngine, Times, stalls
from zapsim.workload import ConvShape


class Timeline:
    """What ran, and when: worked out when it is asked for, since a layer's cycles need only the sums.

    Parameters
    ----------
    schedule
        Makes the schedule.
    engine
        Runs it.
    """

    def __init__(self, schedule: Callable[[], Schedule], engine: TimelineEngine) -> None:
        self._schedule, self._engine = schedule, engine

    @cached_property
    def schedule(self) -> Schedule:
        """The tiles in order."""
        return self._schedule()

    @cached_property
    def times(self) -> Times:
        """When everything happens."""
        return self._engine(self.schedule)


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
    ran = _timeline(arch, [stage.tiles for stage in stages], loads, ofmap_words, plan, timeline)
    cycles = layer_cycles(stages, ran.waits, plan.array_cycles, plan.concurrent_cycles - ran.end)
    on_array, array_cycles = predictor.counts, 0
    for stage in stages:
        on_array += stage.counts
        array_cycles += stage.cycles.total
    clocked = clocked_cycles(arch.clock_gating, on_array.pe_active_cycles, array_cycles, cycles.total, cycles.waiting)
    counts = layer_counts(
        shape, on_array, ran.words_read + plan.dram_reads, ofmap_words + ran.words_written + plan.spilled_words, clocked
    )
    most_pes = max([stage.active_pes for stage in stages], default=0)
    return LayerTiming(cycles, counts, demanded_macs, predictor.busy_cycles, most_pes, ran.timeline)


class _Ran(NamedTuple):
    """A layer's timeline as far as its sums need it: end, waits, and words of operands and psums that DRAM moves."""

    end: int
    waits: Stalls
    words_read: int
    words_written: int
    timeline: Timeline


def _timeline(
    arch: ArchSpec,
    stages: Sequence[Tiles],
    loads: Sequence[Loads],
    ofmap_words: int,
    prediction: Prediction,
    engine: TimelineEngine,
) -> _Ran:
    """Run the timeline; the fast engine does it in one call, for which no schedule need be kept."""
    ran = Timeline(partial(build_schedule, arch, stages, loads, ofmap_words, prediction), engine)
    if engine is run_fast:
        plan = layer_plan(arch, stages, loads, ofmap_words, prediction)
        end, read, write, buffer, predictor, loaded, psums, spilled = kernels.run_layer(*plan)
        check_end(end)
        return _Ran(end, Stalls(read, write, buffer, predictor), loaded + psums, spilled, ran)
    words_read = sum(words.words for words in loads) + sum(int(tiles.psum_words.sum()) for tiles in stages)
    words_written = sum(int(tiles.spilled_words.sum()) for tiles in stages)
    return _Ran(ran.times.end, stalls(ran.schedule, ran.times), words_read, words_written, ran)


def clocked_cycles(gating: ClockGating, pe_cycles: int, array_cycles: int, total: int, waiting: int) -> int:
    """Return the change of the PE-cycles with a clock, from those of the stages to those of the layer.

    While the array waits for DRAM or the predictor, the mean number of active PEs stays clocked. If the clock of PEs
    that wait stops, it is off in these cycles, and in those in which PEs wait for a bus or for a slower PE.

    Parameters
    ----------
    gating
        Whether the clock of waiting PEs stops, and what it still takes then.
    pe_cycles, array_cycles
        PE-cycles and cycles of the stages.
    total, waiting
        Cycles of the layer, and those in which PEs wait (:attr:`zapsim.counts.Cycles.waiting`).
    """
    if not array_cycles:
        return 0
    # Rounded once, down: the layer's PE-cycles are the floor of the exact product.
    clocked = pe_cycles * total // array_cycles
    if gating.mode == "stalled":
        clocked -= int(pe_cycles * waiting / array_cycles * (1 - gating.remaining))
    return clocked - pe_cycles


def layer_counts(shape: ConvShape, on_array: Counts, dram_reads: int, dram_writes: int, clocked: int = 0) -> Counts:
    """Add to the actions of stages what is known only of the layer: skipped MACs, DRAM, clocked PE-cycles.

    Parameters
    ----------
    shape, on_array
        The layer, and the actions of its stages and of its predictor.
    dram_reads, dram_writes
        Words that DRAM moves.
    clocked
        Change of the PE-cycles with a clock (:func:`clocked_cycles`).
    """
    return on_array.plus(
        macs_skipped=shape.macs - on_array.macs_executed - on_array.macs_gated,
        dram_reads=dram_reads,
        dram_writes=dram_writes,
        pe_active_cycles=clocked,
    )


def layer_cycles(stages: Sequence[StageResult], waits: Stalls, on_array: int, beyond: int) -> Cycles:
    """Add up the cycles of a layer; those in which the mean of the array waits for its slowest part are imbalance.

    `on_array` are the cycles of the predictor on the array, `beyond` those of a unit beside the only stage after its
    end (if more than 0).
    """
    working, waiting = 0, 0
    ifmap_bus, psum_bus, filter_load, ramp = 0, 0, 0, 0
    for stage in stages:
        whole, _, *others = stage.cycles
        mean = whole if stage.imbalance == 1.0 else min(round(whole / stage.imbalance), whole)
        working += mean
        waiting += whole - mean
        ifmap_bus += others[0]
        psum_bus += others[1]
        filter_load += others[2]
        ramp += others[3]
    return Cycles(
        working, waiting, ifmap_bus, psum_bus, filter_load, ramp,
        waits.predictor + on_array + max(beyond, 0), waits.dram_read, waits.dram_write, waits.buffer,
    )  # fmt: skip
