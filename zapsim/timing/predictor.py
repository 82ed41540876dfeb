"""The zero-activation predictor in hardware: its actions, and what it takes of each resource (stage Z).

Per channel, on the post-ReLU outputs of the pattern: depthwise 3×3, ReLU, depthwise 3×3, compare with the threshold
(Shomron et al., ECCV 2020; batch normalisation folds into weights and biases). The first convolution is needed at
every position, because the second one sees it through a 3×3 window; the second only outside the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, Engine, Mapping
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts
from zapsim.timing.timeline.build import Prediction
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

KERNEL_MACS = 9
"""MACs of one depthwise 3×3 kernel."""

WEIGHTS_PER_CHANNEL = 20
"""Two 3×3 kernels with a bias each, after folding the batch normalisations (24 parameters before)."""


@dataclass(frozen=True, slots=True)
class PredictorResult:
    """What stage Z costs: its actions, its busy cycles (latency included), and what the timeline makes of it."""

    counts: Counts = field(default_factory=Counts)
    busy_cycles: int = 0
    prediction: Prediction = field(default_factory=Prediction)


def predictor_counts(shape: ConvShape, pattern_outputs: int) -> Counts:
    """Return the predictor's actions for one layer.

    Parameters
    ----------
    shape
        The predicted layer.
    pattern_outputs
        How many of its outputs the pattern computes first; each is read from the GLB once.
    """
    outside = shape.outputs - pattern_outputs
    return Counts(
        predictor_macs=KERNEL_MACS * (shape.outputs + outside),
        predictor_compares=outside,
        predictor_weight_reads=WEIGHTS_PER_CHANNEL * shape.K * shape.N,
        glb_reads=pattern_outputs,
        mask_bits_written=outside,
        mask_bits_read=outside,
    )


def run_predictor(
    engine: Engine[Mapping], arch: ArchSpec, shape: ConvShape, pattern: PackedMap, first: Tiles, room: int
) -> PredictorResult:
    """Return what stage Z of one layer costs.

    Parameters
    ----------
    engine
        The array, for ``unit: array``.
    arch
        Holds the predictor unit.
    shape
        The predicted layer.
    pattern
        Outputs computed in stage A (N, P, Q, K).
    first
        Tiles of stage A.
    room
        Words of the GLB that both stages leave free: for mask bits, and for a unit on the array for the pattern's
        outputs. What does not fit goes to DRAM and comes back.
    """
    unit = arch.predictor
    if unit.unit == "ideal":
        return PredictorResult()
    known = pattern.count()
    counts = predictor_counts(shape, known)
    share = alive(arch, first) / max(first.blocks, 1) if unit.granularity == "tile" else 1.0
    mask = -(-counts.mask_bits_written // arch.word)
    spilled = mask if mask * share > room else 0
    weights = WEIGHTS_PER_CHANNEL * shape.K
    if unit.weights is not None and unit.weights < weights:
        weights *= first.visits
    plan = Prediction(weight_words=weights, spilled_words=spilled, by_tile=unit.granularity == "tile")
    if unit.unit == "dedicated":
        cycles = -(-counts.predictor_macs // unit.lanes)
        plan = replace(plan, unit_cycles=cycles)
        return PredictorResult(counts + _dram(plan), cycles + unit.latency, plan)
    on_array, cycles = _on_array(engine, arch, shape, pattern)
    reread = known if known * share > room - (0 if spilled else mask * share) else 0
    plan = replace(plan, array_cycles=cycles, reread_words=reread)
    return PredictorResult(replace(counts, glb_reads=0) + on_array + _dram(plan), cycles, plan)


def alive(arch: ArchSpec, first: Tiles) -> int:
    """Return the blocks of which something is on chip at a time, if the stages alternate block by block."""
    if not first.blocks:
        return 0
    more = 1 if arch.predictor.unit == "dedicated" else 0
    return min(int((first.reach - np.arange(first.blocks)).max()) + 1 + more, first.blocks)


def _dram(plan: Prediction) -> Counts:
    """Return the words that the predictor's part of the timeline moves."""
    return Counts(dram_reads=plan.weight_words + plan.spilled_words + plan.reread_words, dram_writes=plan.spilled_words)


def _on_array(engine: Engine[Mapping], arch: ArchSpec, shape: ConvShape, pattern: PackedMap) -> tuple[Counts, int]:
    """Return storage actions and cycles of the two depthwise layers on the PE array, which reads them from the GLB."""
    depthwise = ConvShape(
        f"{shape.name}.zap", N=shape.N, C=shape.K, H=shape.P, W=shape.Q, K=shape.K, R=3, S=3,
        padding=(1, 1, 1, 1), groups=shape.K,
    )  # fmt: skip
    mapping = engine.map_layer(depthwise, arch)
    outside = PackedMap.full(*pattern.shape).without(pattern)
    first, second = (engine.time_stage(depthwise, arch, mapping, Demand(kept)) for kept in (None, outside))
    counts = first.counts + second.counts
    counts = replace(
        counts, macs_executed=0, macs_gated=0, macs_lost=0, dram_reads=0, dram_writes=0, pe_active_cycles=0
    )
    return counts, first.cycles.total + second.cycles.total
