"""From an architecture and a trace to a result: what ``zapsim.simulate`` and ``zapsim run`` do."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from zapsim.arch.load import load_arch
from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engines import ENGINES
from zapsim.comparison import Comparison, Outcome
from zapsim.energy.model import energy_by_component
from zapsim.errors import ConfigError, PolicyError, did_you_mean
from zapsim.patterns import NO_PATTERN
from zapsim.results import LayerResult, RunResult
from zapsim.timing.combination import LayerTiming
from zapsim.timing.layer import time_in_two_stages, time_layer
from zapsim.timing.residency import NOTHING_STAYS, Residency, resident_maps
from zapsim.timing.timeline import timeline_engine
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.times import TimelineEngine
from zapsim.tracefile.dense import SHAPES_ALONE, DenseTrace
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace, OperatingPoint, TracedLayer
from zapsim.version import __version__, installed_version
from zapsim.workload import Workload

MOST_SKIPPED_WITHOUT_PREDICTION = 100
"""A layer of which less than one MAC in so many is left out is not faster by prediction."""


def simulate(  # noqa: PLR0913 (all but three are keywords)
    arch: ArchSpec | str | Path,
    trace: Trace | DenseTrace | Workload | str | Path,
    policy: Policy | str | None = None,
    *,
    overrides: Mapping[str, object] | Sequence[str] = (),
    point: str | None = None,
    images: Sequence[int] | None = None,
    batch: int = 1,
    engine: str = "fast",
    progress: Callable[[str, LayerTiming], None] | None = None,
) -> RunResult:
    """Run every layer of `trace` on `arch` under `policy` and under the policy's baseline.

    Parameters
    ----------
    arch
        An architecture, its file, or the name of a shipped one.
    trace
        A trace, its file, or the name of a shipped one; or a workload without masks, of which one batch runs dense.
    policy
        What the hardware does with zeros: a policy, or the name of a preset, which leaves inputs as `arch` sets them.
        None: ``zap``, or ``dense`` without masks, which allow no other.
    overrides
        Values that replace those of the architecture's file: ``{"array.rows": 16}`` or ``["array.rows=16"]``.
    point
        Name of the operating point (None: the trace's first).
    images
        Indices of the images (None: all). They run one after the other in batches of `batch`; results are sums.
    batch
        Images that share the array's loads.
    engine
        Engine of the timeline: ``fast``, or its readable reference ``event``; both give the same numbers.
    progress
        Called with a layer's name and its timing under `policy` when the layer is done for one batch.

    Raises
    ------
    ConfigError
        For an architecture that cannot be used, or that names a layer which the network does not have.
    TraceError
        For a damaged file, or an image or operating point that the trace does not hold.
    MappingError
        If a layer cannot be put on the array.
    PolicyError
        For an unknown policy, or one that needs maps that the trace does not hold.
    """
    if batch < 1:
        raise ConfigError(f"batch must be at least 1, got {batch}")
    spec = _arch(arch, overrides)
    source = as_trace(trace)
    check_named_layers(spec, [layer.shape.name for layer in source.header.layers])
    policy = _policy(policy, spec, source)
    operating_point = source.operating_point(point)
    indices = source.image_indices([0] * batch if isinstance(source, DenseTrace) and images is None else images)
    baseline, timeline = policy.baseline(), timeline_engine(engine)
    batches = [
        _run_batch(
            spec, source, (baseline, policy), operating_point.name, indices[start : start + batch], timeline, progress
        )
        for start in range(0, len(indices), batch)
    ]
    return RunResult(
        network=source.header.network.name,
        images=tuple(source.header.images[index].name for index in indices),
        operating_point=operating_point.name,
        patterns=tuple(dict.fromkeys(setting.pattern for setting in operating_point.predictors.values())),
        thresholds=tuple(
            dict.fromkeys(
                setting.threshold for setting in operating_point.predictors.values() if setting.pattern != NO_PATTERN
            )
        ),
        quality=operating_point.quality,
        quality_note=operating_point.quality_note,
        arch=spec.name,
        arch_summary=f"{spec.array.summary}, {spec.clock / 1e6:g} MHz",
        clock_hz=spec.clock,
        energy_note=spec.energy_note,
        policy=policy.name,
        baseline=baseline.name,
        layers=tuple(
            LayerResult(layer.shape, _predictor(layer, operating_point), reduce(add, comparisons))
            for layer, *comparisons in zip(source.header.layers, *batches, strict=True)
        ),
        provenance=_provenance(spec, source, operating_point, policy, batch),
        each_image=tuple(reduce(add, layers) for layers in batches) if batch == 1 else (),
        filter_order="" if operating_point.order is None else operating_point.order.rule,
        order_note=_order_note(spec, operating_point.order),
    )


def as_trace(trace: Trace | DenseTrace | Workload | str | Path) -> Trace | DenseTrace:
    """Open a trace, or put a workload in the place of one."""
    if isinstance(trace, Workload):
        return DenseTrace(trace)
    return trace if isinstance(trace, (Trace, DenseTrace)) else Trace(trace)


def _policy(policy: Policy | str | None, arch: ArchSpec, trace: Trace | DenseTrace) -> Policy:
    """Return the policy that is meant, which must be dense if there are no masks."""
    if policy is None:
        policy = "dense" if isinstance(trace, DenseTrace) else "zap"
    policy = policy if isinstance(policy, Policy) else preset(policy, arch.inputs)
    if isinstance(trace, DenseTrace) and (policy.outputs, policy.inputs) != ("dense", "dense"):
        raise PolicyError(
            f"policy {policy.name} needs masks, and {trace.path} is {SHAPES_ALONE}: use policy dense, a trace, or "
            "`zapsim synthesise`"
        )
    return policy


def _run_batch(
    arch: ArchSpec,
    trace: Trace | DenseTrace,
    policies: tuple[Policy, Policy],
    point: str,
    images: Sequence[int],
    timeline: TimelineEngine,
    progress: Callable[[str, LayerTiming], None] | None,
) -> list[Comparison]:
    """Run every layer on one batch of images under two policies: the baseline, and what is compared with it."""
    residencies = resident_maps(arch, [layer.shape.batch(len(images)) for layer in trace.header.layers])
    comparisons = []
    for layer, resident in zip(trace.layers(point, images), residencies, strict=True):
        before, after = layer_timings(arch, layer, policies, resident, timeline)
        comparisons.append(Comparison(layer_outcome(arch, before), layer_outcome(arch, after)))
        if progress is not None:
            progress(layer.shape.name, after)
    return comparisons


def _arch(arch: ArchSpec | str | Path, overrides: Mapping[str, object] | Sequence[str]) -> ArchSpec:
    """Load an architecture unless it is one."""
    if not isinstance(arch, ArchSpec):
        return load_arch(arch, overrides)
    if overrides:
        raise ConfigError(f"{arch.name}: overrides need the name or path of an architecture, got an ArchSpec")
    return arch


def check_named_layers(arch: ArchSpec, layers: Sequence[str]) -> None:
    """Check that ``predictor.layers`` names only `layers`, those of the network that is run.

    Raises
    ------
    ConfigError
        If it names another; the message suggests the closest.
    """
    named = arch.predictor.layers
    for name in named if isinstance(named, tuple) else ():
        if name not in layers:
            remedy = did_you_mean(name, layers) or f"; its layers are {', '.join(layers)}"
            raise ConfigError(f"{arch.name}: predictor.layers: the network has no layer '{name}'{remedy}")


def run_layer(arch: ArchSpec, layer: LayerTrace, policy: Policy, resident: Residency = NOTHING_STAYS) -> Outcome:
    """Run one layer, its images as one batch: cycles, actions and energy."""
    return layer_outcome(arch, layer_timing(arch, layer, policy, resident))


def layer_timing(
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
    engines: Mapping[str, Engine[Any]] = ENGINES,
) -> LayerTiming:
    """Time one layer on the engine of its architecture, one of `engines`: cycles and actions."""
    return time_layer(engines[arch.array.dataflow], arch, layer, policy, resident=resident, timeline=timeline)


def layer_timings(
    arch: ArchSpec,
    layer: LayerTrace,
    policies: tuple[Policy, Policy],
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
    engines: Mapping[str, Engine[Any]] = ENGINES,
) -> tuple[LayerTiming, LayerTiming]:
    """Time one layer under a baseline and under the policy that is compared with it."""
    before, after = (layer_timing(arch, layer, policy, resident, timeline, engines) for policy in policies)
    return fair_baseline(arch, layer, policies, (before, after), resident, timeline, engines), after


def fair_baseline(
    arch: ArchSpec,
    layer: LayerTrace,
    policies: tuple[Policy, Policy],
    timings: tuple[LayerTiming, LayerTiming],
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
    engines: Mapping[str, Engine[Any]] = ENGINES,
) -> LayerTiming:
    """Return what a layer under prediction is compared with, so that it never wins by what is not prediction's.

    Two stages have smaller tiles than one, which DRAM may overlap better. If the array leaves out less than 1 % of the
    MACs and yet is faster, the baseline runs the layer in the same two stages, if that is faster for it. (On the
    bundled traces and shipped arrays, two stages are faster without prediction in 8 of 338 layers: by at most
    0.3 %, but for 7 % of a layer of 19,401 cycles on ``gemmini_16x16``.)

    Parameters
    ----------
    arch, layer, resident, timeline, engines
        As in :func:`layer_timing`.
    policies, timings
        The baseline and the policy that is compared with it, and the layer under each.
    """
    before, after = timings
    totals = before.cycles.total, after.cycles.total
    if not gains_by_two_stages(layer, policies[1], *totals, after.counts.macs_skipped):
        return before
    engine = engines[arch.array.dataflow]
    split = time_in_two_stages(engine, arch, layer, policies[0], resident=resident, timeline=timeline)
    return min(before, split, key=lambda timing: timing.cycles.total)


def gains_by_two_stages(layer: LayerTrace, policy: Policy, before: int, after: int, macs_skipped: int) -> bool:
    """Tell whether a layer under `policy` is faster without prediction having left out much (:func:`fair_baseline`).

    `before` and `after` are its cycles under the baseline and under the policy.
    """
    if after >= before or policy.knowledge == "oracle" or not layer.has_pattern:
        return False
    return macs_skipped * MOST_SKIPPED_WITHOUT_PREDICTION < layer.shape.macs


def layer_outcome(arch: ArchSpec, timing: LayerTiming) -> Outcome:
    """Add the energy to a layer's timing."""
    return Outcome(
        timing.cycles,
        timing.counts,
        energy_by_component(arch, timing.counts, timing.cycles.total),
        timing.demanded_macs,
        timing.predictor_busy_cycles,
        timing.active_pes,
    )


def _predictor(layer: TracedLayer, point: OperatingPoint) -> str:
    """Describe a layer's predictor, or why it has none."""
    setting = point.predictors.get(layer.shape.name)
    if setting is None:
        return f"not predicted: {layer.unpredicted or 'no predictor at this operating point'}"
    return setting.text


def _order_note(arch: ArchSpec, order: FilterOrder | None) -> str:
    """Say what the static order of filters was learnt on, which layers do not have it, and what sorts them anew."""
    if order is None:
        return ""
    kept = ", ".join(f"{layer} ({reason})" for layer, reason in order.kept.items())
    parts = [f"static, by {order.rule}{order.note and f', learnt {order.note}'}"]
    parts += [f"own order kept by {kept}"] if kept else []
    if arch.array.filters_sorted_by is not None:
        parts.append(f"array.{arch.array.filters_sorted_by} sorts filters by the masks of this very run instead")
    return "; ".join(parts)


def _methods(point: OperatingPoint) -> dict[str, str]:
    """Say, for the provenance, by which methods layers are predicted, unless all are by ZAP."""
    counts = Counter(setting.method for setting in point.predictors.values())
    if set(counts) <= {"zap"}:
        return {}
    return {"methods": ", ".join(f"{name} ({count})" for name, count in counts.items())}


def _provenance(
    arch: ArchSpec, trace: Trace | DenseTrace, point: OperatingPoint, policy: Policy, batch: int
) -> dict[str, Any]:
    left_out = trace.header.provenance.get("not_simulated")
    return {
        "zapsim": __version__,
        "numpy": np.__version__,
        "numba": installed_version("numba"),
        "python": platform.python_version(),
        "arch_sha256": arch.hash,
        "trace_sha256": trace.hash,
        "trace": trace.path.name,
        "seed": trace.header.provenance.get("seed"),
        "policy": {"outputs": policy.outputs, "inputs": policy.inputs, "knowledge": policy.knowledge},
        "batch": batch,
        "process": arch.process,
        **_methods(point),
        **({"not_simulated": str(left_out["what"])} if isinstance(left_out, dict) and "what" in left_out else {}),
    }
