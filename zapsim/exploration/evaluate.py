"""Evaluating designs: architecture, simulation, metrics, constraints. One :class:`Evaluator` lives in every process.

Designs are evaluated several at a time, layer by layer: of what they have in common (a mapping, the array's part of a
layer) only one layer's is in memory.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import groupby
from operator import add
from typing import Literal, TypeAlias

from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engines import ENGINES
from zapsim.comparison import Outcome
from zapsim.errors import TraceError, ZapsimError
from zapsim.exploration.cached_engine import RememberingEngine
from zapsim.exploration.expression import Value
from zapsim.exploration.lattice import Design
from zapsim.exploration.measures import arch_metrics, broken, columns, layer_row, run_metrics
from zapsim.exploration.metrics import Run, Stage, quality_metrics
from zapsim.exploration.space import Space, Workload, path_values
from zapsim.simulation import layer_outcome, layer_timing
from zapsim.timing.residency import Residency, resident_maps
from zapsim.tracefile.model import LayerTrace
from zapsim.tracefile.reader import Trace
from zapsim.version import __version__

Status: TypeAlias = Literal["ok", "infeasible", "invalid", "error"]
"""``infeasible``: breaks a constraint; ``invalid``: no such architecture, or no layer fits; ``error``: failed twice."""

_ROOM = 16 * 2**20
"""Bytes of tiles that each engine keeps: those of a layer."""


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluated design: a row of the results.

    Attributes
    ----------
    number
        Of the design in the space's lattice.
    status, reason
        What became of it, and why it is not ``ok``.
    values
        Everything else by column: choices, metrics, hashes.
    costs
        What each objective is to have little of; empty unless the status is ``ok``.
    layers
        Metrics of each layer by column, if asked for.
    """

    number: int
    status: Status
    reason: str
    values: dict[str, Value]
    costs: tuple[float, ...] = ()
    layers: tuple[dict[str, Value], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Failure:
    """A design whose evaluation failed through no fault of the design: a bug, no memory."""

    number: int
    error: str


Found: TypeAlias = Point | Failure


class UnusableTraceError(ZapsimError):
    """A trace cannot be read where designs are evaluated: the fault of no design, and nothing can go on."""


@dataclass(slots=True)
class _Job:
    """A design on its way; `found` is set as soon as it is known what becomes of it."""

    number: int
    design: Design
    workload: Workload
    values: dict[str, Value]
    found: Found | None = None
    seconds: float = 0.0
    made: tuple[ArchSpec, Policy] | None = None
    names: dict[str, Value] = field(default_factory=dict)
    layers: dict[str, Outcome] = field(default_factory=dict)
    baseline: dict[str, Outcome] = field(default_factory=dict)


class Evaluator:
    """Evaluates designs of one space, and remembers what several of them have in common."""

    def __init__(self, space: Space, with_layers: bool = False) -> None:
        self._space = space
        self._with_layers = with_layers
        self._engines = {name: RememberingEngine(engine, _ROOM) for name, engine in ENGINES.items()}
        self._maps: dict[tuple[str, str], list[list[LayerTrace]]] = {}

    def __call__(self, numbers: Sequence[int]) -> list[Found]:
        """Evaluate designs, in the order of their numbers' list; mistakes of the user's make a design invalid.

        Raises
        ------
        UnusableTraceError
            If a trace cannot be read.
        """
        jobs = [self._job(number) for number in numbers]
        for job in jobs:
            self._attempt(job, self._make)
        left = [job for job in jobs if job.found is None]
        for _, together in groupby(left, key=lambda job: job.design[1]):
            self._simulate(list(together))
        for job in left:
            self._attempt(job, self._measure)
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        found = []
        for job in jobs:
            assert job.found is not None
            if isinstance(job.found, Point):
                job.found.values.update(seconds=job.seconds, finished=finished)
            found.append(job.found)
        return found

    def outcomes(self, number: int) -> tuple[dict[str, Outcome], ArchSpec]:
        """Return the outcome of each layer of a design, by name, and its architecture.

        Raises
        ------
        ZapsimError
            If there is no such architecture, or a layer does not fit.
        """
        job = self._job(number)
        self._attempt(job, self._make)
        if job.found is None:
            self._simulate([job])
        if job.found is not None or job.made is None:
            reason = job.found.reason if isinstance(job.found, Point) else "failed"
            raise ZapsimError(f"design {number}: {reason}")
        return job.layers, job.made[0]

    def _job(self, number: int) -> _Job:
        design = self._space.lattice.design(number)
        workload = self._space.workloads[design[1]]
        values = self._space.chosen(design)
        values |= {"trace_sha256": workload.trace_sha256, "zapsim": __version__}
        return _Job(number, design, workload, values)

    def _attempt(self, job: _Job, step: Callable[[_Job], None]) -> None:
        """Take a step with a job, unless it is settled; what goes wrong settles it."""
        if job.found is not None:
            return
        start = time.perf_counter()
        try:
            step(job)
        except UnusableTraceError:
            raise
        except ZapsimError as error:
            job.found = Point(job.number, "invalid", str(error).splitlines()[0], job.values)
        except Exception as error:  # whatever it is, the other designs go on
            job.found = Failure(job.number, f"{type(error).__name__}: {error}")
        finally:
            job.seconds += time.perf_counter() - start

    def _make(self, job: _Job) -> None:
        """Make the architecture; a constraint may rule it out before anything is simulated."""
        space = self._space
        arch = space.archs[job.design[0]].spec(space.patches(job.design))
        policy = preset(space.policies[job.design[2]], arch.inputs)
        job.values |= {"id": self._id(job, arch), "arch_sha256": arch.hash}
        names: dict[str, Value] = {**job.values, **path_values(arch, space.paths)}
        names |= quality_metrics(job.workload.quality, policy) | arch_metrics(arch)
        job.made, job.names = (arch, policy), names
        reason = broken(space.constraints, names, Stage.ARCH)
        if reason is not None:
            job.found = Point(job.number, "infeasible", reason, job.values | columns(space.record, names))

    def _id(self, job: _Job, arch: ArchSpec) -> str:
        """Return what identifies a result: everything that it depends on, and nothing else."""
        space, workload = self._space, job.workload
        parts = (
            arch.hash, workload.trace_sha256, workload.point, space.policies[job.design[2]], space.images, space.batch,
            __version__,
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _simulate(self, jobs: Sequence[_Job]) -> None:
        """Run the layers of one workload, each for all jobs before the next."""
        for layers in self._traced(jobs[0].workload):
            shapes = [layer.shape for layer in layers]
            stays = [resident_maps(job.made[0], shapes) if job.made else () for job in jobs]
            for index, layer in enumerate(layers):
                for job, resident in zip(jobs, stays, strict=True):
                    if job.found is None:
                        self._attempt(job, partial(self._run, layer, resident[index]))

    def _run(self, layer: LayerTrace, resident: Residency, job: _Job) -> None:
        """Run one layer, and its baseline if a metric asks for it; batches of images add up."""
        assert job.made is not None
        arch, policy = job.made
        runs = [(policy, job.layers)]
        if self._space.needs_baseline:
            runs.append((policy.baseline(), job.baseline))
        for one, outcomes in runs:
            timing = layer_timing(arch, layer, one, resident, engines=self._engines)
            found, name = layer_outcome(arch, timing), layer.shape.name
            outcomes[name] = outcomes[name] + found if name in outcomes else found

    def _measure(self, job: _Job) -> None:
        """Take the metrics of a job whose layers have run, and judge it."""
        assert job.made is not None
        space, names, arch = self._space, job.names, job.made[0]
        baseline = reduce(add, job.baseline.values()) if job.baseline else None
        names |= run_metrics(Run(arch, reduce(add, job.layers.values()), baseline), space.record)
        values = job.values | columns(space.record, names)
        details: tuple[dict[str, Value], ...] = ()
        if self._with_layers:
            details = tuple(layer_row(name, Run(arch, one, None)) for name, one in job.layers.items())
        reason = broken(space.constraints, names, Stage.BASELINE)
        if reason is not None:
            job.found = Point(job.number, "infeasible", reason, values, layers=details)
            return
        costs = []
        for objective in space.objectives:
            value = objective.expression.value(names)
            if value is None or isinstance(value, str):
                job.found = Point(job.number, "invalid", f"{objective.text} has no value", values, layers=details)
                return
            values[f"objective.{objective.text}"] = float(value)
            costs.append(objective.cost(float(value)))
        job.found = Point(job.number, "ok", "", values, tuple(costs), details)

    def _traced(self, workload: Workload) -> list[list[LayerTrace]]:
        """Return the layers of each batch; the trace is mapped into memory, not copied, and read once."""
        key = workload.trace, workload.point
        if key not in self._maps:
            try:
                self._maps[key] = self._read(workload)
            except TraceError as error:
                raise UnusableTraceError(str(error)) from None
        return self._maps[key]

    def _read(self, workload: Workload) -> list[list[LayerTrace]]:
        trace = Trace(workload.path)
        if trace.hash != workload.trace_sha256:
            raise TraceError(f"{workload.path}: is another trace than the one that the space was made with")
        indices, batch = trace.image_indices(self._space.images), self._space.batch
        starts = range(0, len(indices), batch)
        return [list(trace.layers(workload.point, indices[start : start + batch])) for start in starts]
