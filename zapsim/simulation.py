"""From an architecture and a trace to a result: what ``zapsim.simulate`` and ``zapsim run`` do."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numba
import numpy as np

from zapsim.arch.load import load_arch
from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engines import ENGINES
from zapsim.comparison import Comparison, Outcome
from zapsim.energy.model import energy_by_component
from zapsim.errors import ConfigError
from zapsim.results import LayerResult, RunResult
from zapsim.timing.layer import LayerTiming, time_layer
from zapsim.timing.residency import NOTHING_STAYS, Residency, resident_maps
from zapsim.timing.timeline import timeline_engine
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.times import TimelineEngine
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace, OperatingPoint, TracedLayer
from zapsim.version import __version__


def simulate(  # noqa: PLR0913 (all but three are keywords)
    arch: ArchSpec | str | Path,
    trace: Trace | str | Path,
    policy: Policy | str = "zap",
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
        A trace, or its file.
    policy
        What the hardware does with zeros: a policy, or the name of a preset, which leaves inputs as `arch` sets them.
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
        For an architecture that cannot be used.
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
    trace = trace if isinstance(trace, Trace) else Trace(trace)
    policy = policy if isinstance(policy, Policy) else preset(policy, spec.inputs)
    operating_point = trace.operating_point(point)
    indices = trace.image_indices(images)
    baseline, timeline = policy.baseline(), timeline_engine(engine)
    batches = [
        _run_batch(
            spec, trace, (baseline, policy), operating_point.name, indices[start : start + batch], timeline, progress
        )
        for start in range(0, len(indices), batch)
    ]
    return RunResult(
        network=trace.header.network.name,
        images=tuple(trace.header.images[index].name for index in indices),
        operating_point=operating_point.name,
        patterns=tuple(dict.fromkeys(setting.pattern for setting in operating_point.predictors.values())),
        thresholds=tuple(dict.fromkeys(setting.threshold for setting in operating_point.predictors.values())),
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
            for layer, *comparisons in zip(trace.header.layers, *batches, strict=True)
        ),
        provenance=_provenance(spec, trace, policy, batch),
        each_image=tuple(reduce(add, layers) for layers in batches) if batch == 1 else (),
    )


def _run_batch(
    arch: ArchSpec,
    trace: Trace,
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
        before, after = (layer_timing(arch, layer, policy, resident, timeline) for policy in policies)
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
    unit = "" if setting.unit is None else f" by {setting.unit}"
    return f"pattern {setting.pattern}, threshold {setting.threshold:g}{unit}"


def _provenance(arch: ArchSpec, trace: Trace, policy: Policy, batch: int) -> dict[str, Any]:
    return {
        "zapsim": __version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
        "python": platform.python_version(),
        "arch_sha256": arch.hash,
        "trace_sha256": trace.hash,
        "trace": trace.path.name,
        "seed": trace.header.provenance.get("seed"),
        "policy": {"outputs": policy.outputs, "inputs": policy.inputs, "knowledge": policy.knowledge},
        "batch": batch,
    }
