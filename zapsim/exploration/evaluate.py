"""Evaluating designs: architecture, simulation, metrics, constraints. One :class:`Evaluator` lives in every process.

Designs are evaluated several at a time, layer by layer, those of a family at once: of what they have in common (a
mapping, the array's part of a layer) only one layer's is in memory.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engines import EXPLORING
from zapsim.comparison import Outcome
from zapsim.energy.area import total_area
from zapsim.errors import TraceError, ZapsimError
from zapsim.exploration.cached_engine import CachedEngine, EngineCache
from zapsim.exploration.evaluated import LAYER_METRICS, EvaluatedDesign, Evaluation, FailedDesign
from zapsim.exploration.expression import Names
from zapsim.exploration.family import Family, Timelines, fair_baselines, family_key
from zapsim.exploration.lattice import Design
from zapsim.exploration.network_sums import NetworkSums
from zapsim.exploration.sent_traces import open_trace
from zapsim.exploration.space import Constraint, Space, Workload, path_values, quality_metrics
from zapsim.metrics import METRICS, Known, Simulated, Value
from zapsim.simulation import check_named_layers
from zapsim.timing.residency import Residency, resident_maps
from zapsim.tracefile.records import LayerTrace
from zapsim.version import __version__


class UnusableTraceError(ZapsimError):
    """A trace cannot be read where designs are evaluated: no design is at fault, and nothing can go on."""


@dataclass(slots=True)
class _Job:
    """A design under evaluation; `result` is set as soon as it is settled.

    `arch`, `policy` and `engines` are set once the architecture is made, `sums` and `baseline` (if a metric asks for
    it) once images have run; `names` are what expressions can name.
    """

    number: int
    design: Design
    workload: Workload
    values: dict[str, Value]
    result: Evaluation | None = None
    seconds: float = 0.0
    arch: ArchSpec | None = None
    policy: Policy | None = None
    engines: Mapping[str, Engine[Any]] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)
    sums: NetworkSums | None = None
    baseline: NetworkSums | None = None

    def settle(self, error: ZapsimError) -> None:
        """Make the design invalid for a mistake of the user."""
        self.result = EvaluatedDesign(self.number, "invalid", str(error).splitlines()[0], self.values)


class Evaluator:
    """Evaluates designs of one space, and caches what several of them have in common."""

    def __init__(self, space: Space, with_layers: bool = False) -> None:
        self._space = space
        self._with_layers = with_layers
        self._cache = EngineCache()
        self._traces: dict[tuple[str, str], list[list[LayerTrace]]] = {}

    def __call__(self, numbers: Sequence[int]) -> list[Evaluation]:
        """Evaluate designs, in the order of `numbers`; a mistake of the user makes its design invalid.

        Raises
        ------
        UnusableTraceError
            If a trace cannot be read.
        """
        jobs = [self._job(number) for number in numbers]
        for job in jobs:
            _attempt([job], partial(self._make, job))
        unsettled = [job for job in jobs if job.result is None]
        for _, jobs_of_workload in groupby(unsettled, key=lambda job: job.design[1]):
            self._simulate(list(jobs_of_workload))
        for job in unsettled:
            _attempt([job], partial(self._measure, job))
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        results = []
        for job in jobs:
            assert job.result is not None
            if isinstance(job.result, EvaluatedDesign):
                job.result.values.update(seconds=job.seconds, finished=finished)
            results.append(job.result)
        return results

    def outcomes(self, number: int) -> tuple[dict[str, Outcome], ArchSpec]:
        """Return the outcome of each layer of a design, by name, and its architecture.

        Raises
        ------
        ZapsimError
            If there is no such architecture, or a layer does not fit.
        """
        job = self._job(number)
        _attempt([job], partial(self._make, job))
        if job.result is None:
            self._simulate([job])
        if job.result is not None or job.arch is None or job.sums is None:
            reason = job.result.reason if isinstance(job.result, EvaluatedDesign) else "failed"
            raise ZapsimError(f"design {number}: {reason}")
        names = [layer.shape.name for layer in self._traced(job.workload)[0]]
        return {name: job.sums.layer(index, job.arch) for index, name in enumerate(names)}, job.arch

    def _job(self, number: int) -> _Job:
        design = self._space.lattice.design(number)
        workload = self._space.workloads[design[1]]
        values = self._space.chosen(design)
        values |= {"trace_sha256": workload.trace_sha256, "zapsim": __version__}
        return _Job(number, design, workload, values)

    def _make(self, job: _Job) -> None:
        """Make the architecture; a constraint may rule it out before anything is simulated."""
        space = self._space
        arch = space.archs[job.design[0]].spec(space.patches(job.design))
        policy = preset(space.policies[job.design[2]], arch.inputs)
        arch_sha256 = arch.hash
        job.values |= {"id": self._id(job, arch_sha256), "arch_sha256": arch_sha256}
        dataflow = arch.array.dataflow
        job.arch, job.policy = arch, policy
        job.engines = {dataflow: CachedEngine(EXPLORING[dataflow], self._cache)}
        job.names = {**job.values, **path_values(arch, space.paths)}
        job.names |= quality_metrics(job.workload.quality, policy)
        area = None if arch.area is None else METRICS["area"].scale * total_area(arch)
        job.names |= {"mac_units": arch.array.mac_units, "area": area}
        reason = _broken(space.constraints, job.names, Known.FROM_ARCH)
        if reason is not None:
            columns = _columns(space.record, job.names)
            job.result = EvaluatedDesign(job.number, "infeasible", reason, job.values | columns)

    def _id(self, job: _Job, arch_sha256: str) -> str:
        """Return what identifies a result: everything that it depends on, and nothing else."""
        space, workload = self._space, job.workload
        parts = (
            arch_sha256, workload.trace_sha256, workload.point, space.policies[job.design[2]], space.images,
            space.batch, __version__,
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _simulate(self, jobs: Sequence[_Job]) -> None:
        """Run the layers of one workload, each for all families of jobs before the next; batches of images add up."""
        for layers in self._traced(jobs[0].workload):
            shapes = [layer.shape for layer in layers]
            names = [shape.name for shape in shapes]
            for job in jobs:
                _attempt([job], partial(_check_named_layers, names, job))
            families = [
                (alike, self._families(alike), resident_maps(_arch_of(alike[0]), shapes)) for alike in _alike(jobs)
            ]
            for index, layer in enumerate(layers):
                timelines = Timelines()
                for alike, by_policy, residency in families:
                    for family in by_policy:
                        _attempt(alike, partial(family.run, layer, residency[index], timelines))
            for alike, by_policy, residency in families:
                _attempt(alike, partial(_add_up, alike, by_policy, layers, residency))

    def _families(self, jobs: Sequence[_Job]) -> list[Family]:
        """Return the family of `jobs`; before it that under their baseline, if a metric asks for it."""
        policy, archs = jobs[0].policy, [_arch_of(job) for job in jobs]
        assert policy is not None
        policies = [policy.baseline(), policy] if self._space.needs_baseline else [policy]
        return [Family(archs, one, jobs[0].engines) for one in policies]

    def _measure(self, job: _Job) -> None:
        """Take the metrics of a job whose layers have run, and judge it."""
        arch, sums = job.arch, job.sums
        assert arch is not None
        assert sums is not None
        space, names = self._space, job.names
        clock, units = arch.clock, arch.array.mac_units
        baseline = None if job.baseline is None else job.baseline.total(arch)
        names |= _run_metrics(Simulated(sums.total(arch), baseline, clock, units), space.record)
        values = job.values | _columns(space.record, names)
        details: tuple[dict[str, Value], ...] = ()
        if self._with_layers:
            details = tuple(
                _layer_row(layer.shape.name, Simulated(sums.layer(index, arch), None, clock, units))
                for index, layer in enumerate(self._traced(job.workload)[0])
            )
        reason = _broken(space.constraints, names, Known.FROM_BASELINE)
        if reason is not None:
            job.result = EvaluatedDesign(job.number, "infeasible", reason, values, layers=details)
            return
        costs = []
        for objective in space.objectives:
            value = objective.expression.value(names)
            if value is None or isinstance(value, str):
                reason = f"{objective.text} has no value"
                job.result = EvaluatedDesign(job.number, "invalid", reason, values, layers=details)
                return
            values[f"objective.{objective.text}"] = float(value)
            costs.append(objective.cost(float(value)))
        job.result = EvaluatedDesign(job.number, "ok", "", values, tuple(costs), details)

    def _traced(self, workload: Workload) -> list[list[LayerTrace]]:
        """Return the layers of each batch; the trace is mapped into memory, not copied, and read once."""
        key = workload.trace, workload.point
        if key not in self._traces:
            try:
                self._traces[key] = self._read(workload)
            except TraceError as error:
                raise UnusableTraceError(str(error)) from None
        return self._traces[key]

    def _read(self, workload: Workload) -> list[list[LayerTrace]]:
        trace = open_trace(workload)
        indices, batch = trace.image_indices(self._space.images), self._space.batch
        starts = range(0, len(indices), batch)
        return [list(trace.layers(workload.point, indices[start : start + batch])) for start in starts]


def _attempt(jobs: Sequence[_Job], step: Callable[[], None]) -> None:
    """Take a step for those of `jobs` that are not settled; an error settles all of them."""
    open_jobs = [job for job in jobs if job.result is None]
    if not open_jobs:
        return
    start = time.perf_counter()
    try:
        step()
    except UnusableTraceError:
        raise
    except ZapsimError as error:
        for job in open_jobs:
            job.settle(error)
    except Exception as error:  # whatever it is, the other designs go on
        for job in open_jobs:
            job.result = FailedDesign(job.number, f"{type(error).__name__}: {error}")
    finally:
        for job in open_jobs:
            job.seconds += (time.perf_counter() - start) / len(open_jobs)


def _arch_of(job: _Job) -> ArchSpec:
    assert job.arch is not None
    return job.arch


def _alike(jobs: Iterable[_Job]) -> list[list[_Job]]:
    """Gather the jobs of each family that are not settled."""
    families: dict[Hashable, list[_Job]] = {}
    for job in jobs:
        if job.result is None and job.policy is not None:
            families.setdefault(family_key(_arch_of(job), job.policy), []).append(job)
    return list(families.values())


def _add_up(
    jobs: Sequence[_Job], families: Sequence[Family], layers: Sequence[LayerTrace], residency: Sequence[Residency]
) -> None:
    """Add what the layers take to the sums of each job, and to those of its baseline if it has one."""
    results = [family.sums() for family in families]
    for job, *sums in zip(jobs, *results, strict=True):
        faults = [one for one in sums if isinstance(one, ZapsimError)]
        if faults:
            job.settle(faults[0])
            continue
        *before, after = (one for one in sums if isinstance(one, NetworkSums))
        job.sums = after if job.sums is None else job.sums.plus(after)
        if before:
            policies = families[0].policy, families[-1].policy
            fair = fair_baselines(_arch_of(job), layers, policies, (before[0], after), residency, job.engines)
            job.baseline = fair if job.baseline is None else job.baseline.plus(fair)


def _check_named_layers(names: Sequence[str], job: _Job) -> None:
    if job.arch is not None:
        check_named_layers(job.arch, names)


def _run_metrics(simulated: Simulated, names: Iterable[str]) -> dict[str, Value]:
    """Return those metrics among `names` that come from a simulation, by name, in base units."""
    metrics = (METRICS[name] for name in names)
    return {metric.name: metric.function(simulated) for metric in metrics if metric.function is not None}


def _layer_row(layer: str, simulated: Simulated) -> dict[str, Value]:
    return {"layer": layer, **_columns(LAYER_METRICS, _run_metrics(simulated, LAYER_METRICS))}


def _columns(record: Iterable[str], names: dict[str, Value]) -> dict[str, Value]:
    """Return metrics by column, in its unit, and let expressions name them by column, too."""
    columns = {METRICS[name].column: METRICS[name].scaled(names.get(name)) for name in record}
    names.update(columns)
    return columns


def _broken(constraints: Iterable[Constraint], names: Names, known: Known) -> str | None:
    """Return the first constraint, of those that can be checked by now, that does not hold."""
    checkable = (constraint for constraint in constraints if constraint.known <= known)
    return next((one.expression.text for one in checkable if one.expression.value(names) is False), None)
