"""From an architecture and a trace to a result: the one function behind ``zapsim run``."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import numba
import numpy as np

import zapsim
from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engines import ENGINES
from zapsim.energy.model import energy_by_component
from zapsim.results import Comparison, LayerResult, Outcome, RunResult
from zapsim.timing.layer import LayerTiming, time_layer
from zapsim.timing.residency import NOTHING_STAYS, Residency, resident_maps
from zapsim.timing.timeline import timeline_engine
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.times import TimelineEngine
from zapsim.tracefile.model import LayerTrace, OperatingPoint, TracedLayer
from zapsim.tracefile.reader import Trace


def simulate(
    arch: ArchSpec,
    trace: Trace,
    policy: Policy,
    *,
    point: str | None = None,
    images: Sequence[int] | None = None,
    batch: int = 1,
    engine: str = "fast",
    progress: Callable[[str, LayerTiming], None] | None = None,
) -> RunResult:
    """Run every layer of `trace` on `arch` under `policy` and under the policy's baseline.

    Parameters
    ----------
    arch, trace, policy
        What runs where, and what the hardware does with zeros.
    point
        Name of the operating point (None: the trace's first).
    images
        Indices of the images (None: all); they run one after the other in batches of `batch`, and results are sums.
    batch
        Images that share the array's loads.
    engine
        Of the timeline (:data:`TIMELINES`); all give the same numbers.
    progress
        Called with a layer's name and its timing under `policy` when the layer is done for one batch.

    Raises
    ------
    TraceError
        For an image or operating point that the trace does not hold, or a damaged file.
    MappingError
        If a layer cannot be put on the array.
    PolicyError
        If the policy needs maps that the trace does not hold.
    """
    chosen = trace.operating_point(point)
    indices = trace.image_indices(images)
    baseline, timeline = policy.baseline(), timeline_engine(engine)
    totals: dict[str, Comparison] = {}
    batches: list[Comparison] = []
    for start in range(0, len(indices), batch):
        of_batch: list[Comparison] = []
        together = indices[start : start + batch]
        stays = resident_maps(arch, [layer.shape.batch(len(together)) for layer in trace.header.layers])
        for layer, resident in zip(trace.layers(chosen.name, together), stays, strict=True):
            name = layer.shape.name
            before, after = (layer_timing(arch, layer, one, resident, timeline) for one in (baseline, policy))
            found = Comparison(layer_outcome(arch, before), layer_outcome(arch, after))
            totals[name] = totals[name] + found if name in totals else found
            of_batch.append(found)
            if progress is not None:
                progress(name, after)
        batches.append(reduce(add, of_batch))
    return RunResult(
        network=trace.header.network.name,
        images=tuple(trace.header.images[index].name for index in indices),
        operating_point=chosen.name,
        patterns=tuple(dict.fromkeys(setting.pattern for setting in chosen.predictors.values())),
        thresholds=tuple(dict.fromkeys(setting.threshold for setting in chosen.predictors.values())),
        quality=chosen.quality,
        quality_note=chosen.quality_note,
        arch=arch.name,
        arch_summary=f"{arch.array.summary}, {arch.clock / 1e6:g} MHz",
        clock_hz=arch.clock,
        energy_note=arch.energy_note,
        policy=policy.name,
        baseline=baseline.name,
        layers=tuple(
            LayerResult(layer.shape, _setting(layer, chosen), totals[layer.shape.name]) for layer in trace.header.layers
        ),
        provenance=_provenance(arch, trace, policy, batch),
        each_image=tuple(batches) if batch == 1 else (),
    )


def run_layer(arch: ArchSpec, layer: LayerTrace, policy: Policy, resident: Residency = NOTHING_STAYS) -> Outcome:
    """Return cycles, actions and energy of one layer (its images as one batch)."""
    return layer_outcome(arch, layer_timing(arch, layer, policy, resident))


def layer_timing(
    arch: ArchSpec,
    layer: LayerTrace,
    policy: Policy,
    resident: Residency = NOTHING_STAYS,
    timeline: TimelineEngine = run_fast,
    engines: Mapping[str, Engine[Any]] = ENGINES,
) -> LayerTiming:
    """Return cycles and actions of one layer on the engine of its architecture, one of `engines`."""
    return time_layer(engines[arch.array.dataflow], arch, layer, policy, resident=resident, timeline=timeline)


def layer_outcome(arch: ArchSpec, timing: LayerTiming) -> Outcome:
    """Return a layer's timing with its energy."""
    return Outcome(
        timing.cycles,
        timing.counts,
        energy_by_component(arch, timing.counts, timing.cycles.total),
        timing.demanded_macs,
        timing.predictor_busy_cycles,
        timing.active_pes,
    )


def _setting(layer: TracedLayer, point: OperatingPoint) -> str:
    setting = point.predictors.get(layer.shape.name)
    if setting is None:
        return f"not predicted: {layer.unpredicted or 'no predictor at this operating point'}"
    return f"pattern {setting.pattern}, threshold {setting.threshold:g}"


def _provenance(arch: ArchSpec, trace: Trace, policy: Policy, batch: int) -> dict[str, Any]:
    return {
        "zapsim": zapsim.__version__,
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
