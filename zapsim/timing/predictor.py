"""The zero-activation predictor in hardware: its actions and its cycles (stage Z).

Per channel, on the post-ReLU outputs of the pattern: depthwise 3×3, ReLU, depthwise 3×3, compare with the threshold
(Shomron et al., ECCV 2020; batch normalisation folds into weights and biases). The first convolution is needed at
every position, because the second one sees it through a 3×3 window; the second only outside the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zapsim.arch.spec import ArchSpec
from zapsim.counts import Counts
from zapsim.timing.engine import Demand, Engine, Mapping
from zapsim.trace.packed import PackedMap
from zapsim.workload import ConvShape

KERNEL_MACS = 9
"""MACs of one depthwise 3×3 kernel."""

WEIGHTS_PER_CHANNEL = 20
"""Two 3×3 kernels with a bias each, after folding the batch normalisations (24 parameters before)."""


@dataclass(frozen=True, slots=True)
class PredictorResult:
    """What stage Z costs: its actions, its busy cycles, and the cycles that it makes the array wait."""

    counts: Counts
    busy_cycles: int
    exposed_cycles: int


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
    engine: Engine[Mapping],
    arch: ArchSpec,
    shape: ConvShape,
    pattern: PackedMap,
    overlapped_cycles: int,
    *,
    waits: bool,
) -> PredictorResult:
    """Time stage Z of one layer with ``granularity: layer``.

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
    overlapped_cycles
        Cycles of stage A, during which a dedicated unit works on the channels that are already finished. That the
        first channel finishes late (its start-up) is left out; the last one's is `latency`.
    waits
        Whether a stage B waits for the last mask bit; if outputs are only gated, the array goes on in dense order.
    """
    unit = arch.predictor
    if unit.unit == "ideal":
        return PredictorResult(Counts(), 0, 0)
    counts = predictor_counts(shape, pattern.count())
    if unit.unit == "dedicated":
        busy = -(-counts.predictor_macs // unit.lanes) + unit.latency
        return PredictorResult(counts, busy, max(busy - overlapped_cycles, unit.latency if waits else 0))
    on_array, cycles = _on_array(engine, arch, shape, pattern)
    return PredictorResult(replace(counts, glb_reads=0) + on_array, cycles, cycles)


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
    counts = replace(counts, macs_executed=0, macs_gated=0, macs_lost=0, dram_reads=0, dram_writes=0)
    return counts, first.cycles.total + second.cycles.total
