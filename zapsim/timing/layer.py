"""One layer under one policy: stages A and B on the array, the predictor between them, DRAM beside them.

Source: Shomron et al., ECCV 2020, section 4 (pattern, prediction, rest). The page reads in the order in which a layer
is timed: demands of the stages, mapping, tiles, loads, predictor, timeline, sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, Engine, StageResult
from zapsim.arrays.engine_inputs import engine_inputs
from zapsim.arrays.tiles import Tiles
from zapsim.errors import MappingError, PolicyError
from zapsim.timing.combination import LayerTiming, combine_stages
from zapsim.timing.idle_parts import least_cycles, with_idle_parts
from zapsim.timing.predictor import (
    NO_PREDICTION,
    PredictorResult,
    UnitWork,
    predictor_result,
    unit_work,
)
from zapsim.timing.residency import NOTHING_STAYS, Loads, Residency, operand_loads
from zapsim.timing.stages import LayerDemands, even_mask, layer_demands, stage_demands
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.times import TimelineEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape


def time_layer(
    engine: Engine[Any],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    *,
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
) -> LayerTiming:
    """Time one layer, each stage that `policy` makes of it with its mapping.

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
    return layer_work(engine, arch, layer, policy, resident).timed(timeline)


def layer_work(
    engine: Engine[Any], arch: ArchSpec, layer: LayerTrace, policy: Policy, resident: Residency = NOTHING_STAYS
) -> LayerWork:
    """Gather what a layer asks of the timeline; parameters and errors are those of :func:`time_layer`."""
    try:
        made = layer_demands(arch, layer, policy)
    except PolicyError:  # whether the array serves the policy at all is said first
        engine.served.check(arch.array.dataflow, policy)
        check_buffer(arch)
        raise
    settled = settled_on(engine, arch, layer, policy, made)
    mask_comes_first = made.mask is not None and not layer.has_pattern and policy.knowledge != "oracle"
    may_be_left = len(made.demands) == 2 or (mask_comes_first and policy.outputs == "skip")
    if may_be_left and not _is_predicted(engine, arch, layer, policy, made, resident):
        made = layer_demands(arch, layer, policy, predicted=False)
        settled = settled_on(engine, arch, layer, policy, made)
    return _work(engine, arch, layer, policy, made, settled, resident)


@dataclass(frozen=True, slots=True, eq=False)
class LayerWork:
    """What a layer asks of the timeline, and what is counted beside it.

    Attributes
    ----------
    arch
        The architecture as the layer uses it (:class:`_Settled`).
    shape, stages, loads, predictor, ofmap_words, demanded_macs
        As for :func:`combine_stages`.
    unit, gated
        What the predictor has to do (None: nothing), and whether outputs are only gated.
    """

    arch: ArchSpec
    shape: ConvShape
    stages: Sequence[StageResult]
    loads: Sequence[Loads]
    predictor: PredictorResult
    ofmap_words: int
    demanded_macs: int
    unit: UnitWork | None
    gated: bool

    def timed(self, timeline: TimelineEngine = run_fast) -> LayerTiming:
        """Put it in time."""
        return combine_stages(
            self.arch,
            self.shape,
            self.stages,
            self.loads,
            self.predictor,
            self.ofmap_words,
            self.demanded_macs,
            timeline,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Settled:
    """What is settled for a layer on an architecture before any stage runs: mappings, and the work of the predictor.

    `used` is `arch`, or the architecture with a part left idle if that is faster (:mod:`zapsim.timing.idle_parts`).
    """

    arch: ArchSpec
    used: ArchSpec
    mappings: Sequence[Any]
    unit: UnitWork | None


_MOST_SETTLED = 16
"""Architectures for which a layer's demands remember what is settled."""


def settled_on(engine: Engine[Any], arch: ArchSpec, layer: LayerTrace, policy: Policy, made: LayerDemands) -> _Settled:
    """Settle what does not change when a layer runs again on an architecture: checks, mappings, the predictor's work.

    It is kept with the demands; an entry holds its architecture, so that no other can take the place.
    """
    key = engine, id(arch), policy
    settled: _Settled | None = made.settled.get(key)
    if settled is None:
        engine.served.check(arch.array.dataflow, policy)
        check_buffer(arch)
        used = _in_use(engine, arch, layer, policy)
        mappings = engine.map_stages(layer.shape, used, made.shares, made.coded_share)
        unit = None
        if made.mask is not None and policy.knowledge != "oracle" and arch.predictor.unit != "ideal":
            unit = _unit_work(arch, layer)
        settled = made.settled[key] = _Settled(arch, used, mappings, unit)
        if len(made.settled) > _MOST_SETTLED:
            made.settled.popitem(last=False)
    return settled


def _unit_work(arch: ArchSpec, layer: LayerTrace) -> UnitWork:
    """Work out what a layer's predictor has to do; once for all architectures on which that is the same."""
    assert layer.setting is not None
    key = _unit_work, arch.predictor.weights_per_word, arch.array.reads_masks_by_pass, arch.word
    work: UnitWork | None = layer.summaries.get(key)
    if work is None:
        outputs = layer.pattern_outputs().count()
        work = unit_work(arch, layer.shape, outputs, work=layer.setting.work, decision=layer.setting.unit)
        layer.summaries[key] = work
    return work


def _in_use(engine: Engine[Any], arch: ArchSpec, layer: LayerTrace, policy: Policy) -> ArchSpec:
    """Find what a layer uses of an architecture: all of it, or less if the dense layer is faster then.

    Architectures that differ only in what a dense layer does not meet (the predictor) have the same choice.
    """
    choices = with_idle_parts(arch, layer.shape.name)
    if len(choices) == 1:
        return arch
    # Whoever skips outputs shares what it does without prediction with its baseline.
    policy = policy.baseline() if policy.outputs == "skip" else policy
    dense = layer_demands(arch, layer, policy, predicted=False)
    key = engine_inputs(arch).to_map_whole, arch.predictor.unit
    if key in dense.idle:
        return choices[dense.idle[key]]

    def cycles(choice: ArchSpec) -> int:
        mappings = engine.map_stages(layer.shape, choice, dense.shares, dense.coded_share)
        settled = _Settled(arch, choice, mappings, None)
        return _work(engine, arch, layer, policy, dense, settled, NOTHING_STAYS).timed().cycles.total

    chosen, best = arch, cycles(arch)
    for choice in choices[1:]:
        if least_cycles(choice, layer.shape) < best and (taken := cycles(choice)) < best:
            chosen, best = choice, taken
    dense.idle[key] = choices.index(chosen)
    if len(dense.idle) > _MOST_SETTLED:
        dense.idle.popitem(last=False)
    return chosen


def _work(
    engine: Engine[Any],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    made: LayerDemands,
    settled: _Settled,
    resident: Residency,
) -> LayerWork:
    """Work out what a layer asks of the timeline, from the demands of its stages on."""
    shape, arch = layer.shape, settled.used
    stages = [
        engine.time_stage(shape, arch, mapping, demand)
        for mapping, demand in zip(settled.mappings, made.demands, strict=True)
    ]
    loads, free_words = _loads(arch, [stage.tiles for stage in stages], resident, made.coded_share)
    predictor, gated = NO_PREDICTION, policy.outputs == "gate"
    if settled.unit is not None:
        predictor = predictor_result(
            engine, arch, shape, layer.pattern_outputs, stages[0].tiles, free_words, settled.unit, gated=gated
        )
    ofmap_words = 0 if resident.ofmap else made.ofmap_words
    return LayerWork(arch, shape, stages, loads, predictor, ofmap_words, made.demanded_macs, settled.unit, gated)


def _loads(arch: ArchSpec, stages: Sequence[Tiles], resident: Residency, coded_share: float) -> tuple[list[Loads], int]:
    """Decide what DRAM loads; once for the same tiles, which designs of an exploration share."""
    key = id(stages[-1]), arch.predictor.granularity, arch.predictor.unit, resident, coded_share
    before = stages[0].made.get(key)
    if before is None:  # the entry holds the tiles that its key names, so that no others take their place
        before = stages[0].made[key] = operand_loads(arch, stages, resident, coded_share), stages[1:]
    loads: tuple[list[Loads], int] = before[0]
    return loads


def _is_predicted(
    engine: Engine[Any],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    made: LayerDemands,
    resident: Residency,
) -> bool:
    """Say whether a layer that has a predictor uses it (``predictor.layers``)."""
    if arch.predictor.layers == "all":
        return True
    if arch.predictor.layers == "paying":
        return prediction_pays(engine, arch, layer, policy, made.demands, resident)
    return layer.shape.name in arch.predictor.layers


def prediction_pays(
    engine: Engine[Any],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    demands: Sequence[Demand],
    resident: Residency = NOTHING_STAYS,
) -> bool:
    """Say whether prediction is expected to save cycles, from the expected share of computed outputs alone.

    What runs is settled before any mask is known, so stage B is expected to compute its share of the outputs spread
    evenly (:func:`zapsim.timing.stages.even_mask`): no PE waits for a slower one, and on a rigid array every vector has
    an output to compute. So this favours prediction a little on arrays that skip single outputs, and never expects
    any saving on rigid ones, for which ``predictor.layers`` can name the layers instead.

    Parameters
    ----------
    engine, arch, layer, policy, resident
        As in :func:`time_layer`.
    demands
        Of stage A and stage B, or of the only stage if the mask was made elsewhere.
    """
    *pattern, rest = demands
    assert rest.mask is not None
    positions = np.ones((layer.shape.P, layer.shape.Q), dtype=np.bool_) if rest.positions is None else rest.positions
    expected = even_mask(rest.mask, positions)
    union = expected.summary(PackedMap.__or__, layer.pattern_outputs())
    stages = [*pattern, replace(rest, mask=expected)]

    def cycles(made: LayerDemands) -> int:
        settled = settled_on(engine, arch, layer, policy, made)
        return _work(engine, arch, layer, policy, made, settled, resident).timed().cycles.total

    dense = layer_demands(arch, layer, policy, predicted=False)
    return cycles(LayerDemands.of(arch, layer, union, stages)) < cycles(dense)


def time_in_two_stages(
    engine: Engine[Any],
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    *,
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
) -> LayerTiming:
    """Time a layer that computes every output, in the two stages that its pattern makes, without any predictor.

    Prediction splits a layer in two, and DRAM may overlap smaller tiles better. That is not what prediction saves: a
    controller without a predictor can split the layer as well (:func:`zapsim.simulation.fair_baseline`).

    Parameters
    ----------
    engine, arch, layer, resident, timeline
        As in :func:`time_layer`; the layer has a pattern.
    policy
        One that computes all outputs: ``dense`` or ``gate-input``.
    """
    (everything,) = stage_demands(arch, layer, policy, None)
    positions = layer.pattern_positions()
    demands = [
        replace(everything, mask=PackedMap.of_pattern(part, layer.shape.N, layer.shape.K), positions=part)
        for part in (positions, ~positions)
    ]
    made = LayerDemands.of(arch, layer, None, demands)
    settled = settled_on(engine, arch, layer, policy, made)
    return _work(engine, arch, layer, policy, made, settled, resident).timed(timeline)


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
