"""One layer under one policy: stages A and B on the array, the predictor between them.

A policy turns the maps of a trace into demands; the engine times each; the parts are put together here, and here it
is known which MACs were skipped. Source: Shomron et al., ECCV 2020, section 4 (partial computation, prediction, rest).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.counts import Counts, Cycles, joint_imbalance
from zapsim.errors import PolicyError
from zapsim.timing.coding import coded_words
from zapsim.timing.engine import Demand, Engine, Mapping, StageResult
from zapsim.timing.gating import window_nonzero
from zapsim.timing.predictor import PredictorResult, run_predictor
from zapsim.trace.model import LayerTrace
from zapsim.trace.packed import PackedMap
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class LayerTiming:
    """Cycles and actions of a layer; `counts` conserve: executed + gated + skipped MACs are the dense MACs.

    `asked_macs` are those of the outputs that the policy asks for: pattern and predicted non-zero, or all.
    ``predictor_busy_cycles`` are those in which the predictor works, overlapped or not; the ones that the array
    waits for are ``cycles.predictor``. ``imbalance`` is that of the stages, weighted by their compute cycles.
    """

    cycles: Cycles
    counts: Counts
    asked_macs: int
    predictor_busy_cycles: int
    active_pes: int
    imbalance: float


def time_layer(engine: Engine[Mapping], arch: ArchSpec, layer: LayerTrace, policy: Policy) -> LayerTiming:
    """Time one layer, mapped for the stages that `policy` makes of it.

    Raises
    ------
    PolicyError
        If the engine does not serve the policy, or if this needs a map that the trace does not hold.
    """
    engine.served.check(arch.array.dataflow, policy)
    shape = layer.shape
    needed = needed_outputs(layer, policy)
    stages = _demands(arch, layer, policy, needed)
    mapping = engine.map_layer(shape, arch, [_share_computed(shape, stage) for stage in stages])
    results = [engine.time_stage(shape, arch, mapping, demand) for demand in stages]
    predictor = PredictorResult(Counts(), 0, 0)
    if needed is not None and policy.knowledge != "oracle":
        pattern = layer.pattern_outputs()
        waits = policy.outputs == "skip"
        # While outputs are skipped, a pattern that misses the whole map leaves no stage A to hide behind.
        first = results[0].cycles.total if pattern.count() or not waits else 0
        predictor = run_predictor(engine, arch, shape, pattern, first, waits=waits)
    asked = shape.outputs if needed is None else needed.count()
    written = replace(predictor.counts, dram_writes=_ofmap_words(arch, layer, needed))
    return _compose(shape, results, replace(predictor, counts=written), asked * shape.macs_per_output)


def needed_outputs(layer: LayerTrace, policy: Policy) -> PackedMap | None:
    """Return the outputs that `policy` computes (N, P, Q, K); None: all, without any prediction.

    A layer in which nothing would be skipped is run without its predictor: an operating point that keeps everything
    is known before the layer starts.
    """
    if policy.outputs in {"dense", "early-exit"}:
        return None
    if policy.knowledge == "oracle":
        needed = layer.ofmap_nonzero
    elif layer.mask is None:
        return None
    elif policy.knowledge == "predictor":
        needed = layer.mask
    else:
        if layer.ofmap_nonzero is None:
            raise PolicyError(f"layer {layer.shape.name}: policy {policy.name} needs ofmap_nonzero in the trace")
        needed = layer.ofmap_nonzero.summary(PackedMap.__or__, layer.pattern_outputs())
    return None if needed is None or needed.is_full() else needed


def _demands(arch: ArchSpec, layer: LayerTrace, policy: Policy, needed: PackedMap | None) -> list[Demand]:
    """Return what each stage asks of the array: at least one, perhaps an empty one (a pattern can miss a 1×1 map)."""
    asked = _asked(arch, layer, policy)
    if needed is None or policy.outputs == "gate" or policy.knowledge == "oracle":
        return [replace(asked, kept=needed, gate=policy.outputs == "gate")]
    pattern, first = layer.pattern_outputs(), layer.pattern_positions()
    stages = [
        replace(asked, kept=kept, positions=positions)
        for kept, positions in ((pattern, first), (needed.summary(PackedMap.without, pattern), ~first))
    ]
    return [stage for stage in stages if stage.kept is not None and stage.kept.count()] or stages[:1]


def _asked(arch: ArchSpec, layer: LayerTrace, policy: Policy) -> Demand:
    """Return what every stage asks, whichever outputs it computes.

    A layer without a ReLU behind it computes every output to its end, also under early exit.
    """
    exits = None
    if policy.outputs == "early-exit" and layer.ofmap_nonzero is not None:
        exits = layer.early_exit_macs
        if exits is None:
            raise PolicyError(
                f"layer {layer.shape.name}: policy {policy.name} needs early_exit_macs in the trace, which holds them "
                "if it was made with --values"
            )
    return Demand(
        ifmap_coded_words=None if arch.dram.compression == "none" else coded_words(arch, layer.ifmap_nonzero),
        window_nonzero=None if policy.inputs == "dense" else window_nonzero(layer.shape, layer.ifmap_nonzero),
        ifmap_nonzero=layer.ifmap_nonzero if policy.inputs == "skip" else None,
        exit_macs=exits,
    )


def _ofmap_words(arch: ArchSpec, layer: LayerTrace, needed: PackedMap | None) -> int:
    """Return the words that the ofmap takes in DRAM: skipped outputs are zeros there, like all others."""
    if layer.ofmap_nonzero is None:
        return layer.shape.outputs
    return coded_words(
        arch, layer.ofmap_nonzero if needed is None else layer.ofmap_nonzero.summary(PackedMap.__and__, needed)
    )


def _share_computed(shape: ConvShape, stage: Demand) -> float:
    """Return the share of the layer's outputs that take time in a stage."""
    return 1.0 if stage.kept is None or stage.gate else stage.kept.count() / shape.outputs


def _compose(shape: ConvShape, results: list[StageResult], predictor: PredictorResult, asked_macs: int) -> LayerTiming:
    """Add the parts up and find what was skipped."""
    counts = sum((result.counts for result in results), predictor.counts)
    cycles = sum((result.cycles for result in results), Cycles(predictor=predictor.exposed_cycles))
    skipped = shape.macs - counts.macs_executed - counts.macs_gated
    return LayerTiming(
        cycles,
        replace(counts, macs_skipped=skipped),
        asked_macs,
        predictor.busy_cycles,
        max((result.active_pes for result in results), default=0),
        joint_imbalance(*((result.cycles, result.imbalance) for result in results)),
    )
