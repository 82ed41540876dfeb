"""Evaluating designs: architecture, simulation, metrics, constraints. One :class:`Evaluator` lives in every process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import zapsim
from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.energy.area import total_area
from zapsim.errors import TraceError, ZapsimError
from zapsim.explore.expression import Value
from zapsim.explore.lattice import Design
from zapsim.explore.metrics import METRICS, Run, Stage, mac_units, quality_metrics
from zapsim.explore.space import Constraint, Space, Workload, path_values
from zapsim.results import Outcome
from zapsim.simulate import layer_outcome, layer_timing
from zapsim.timing.engines import ENGINES
from zapsim.timing.remembering import RememberingEngine
from zapsim.timing.residency import resident_maps
from zapsim.trace.model import LayerTrace
from zapsim.trace.reader import Trace

Status: TypeAlias = Literal["ok", "infeasible", "invalid", "error"]
"""``infeasible``: breaks a constraint; ``invalid``: no such architecture, or no layer fits; ``error``: failed twice."""


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


class Evaluator:
    """Evaluates designs of one space, and remembers what several of them have in common."""

    def __init__(self, space: Space, with_layers: bool = False) -> None:
        self._space = space
        self._with_layers = with_layers
        self._engines = {name: RememberingEngine(engine) for name, engine in ENGINES.items()}
        self._maps: dict[tuple[str, str], list[list[LayerTrace]]] = {}

    def __call__(self, number: int) -> Point:
        """Return the evaluated design of a number; mistakes of the user's make it invalid, others are raised."""
        start = time.perf_counter()
        point = self._point(number)
        point.values["seconds"] = time.perf_counter() - start
        point.values["finished"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        return point

    def outcomes(self, number: int) -> tuple[list[tuple[str, Outcome]], ArchSpec]:
        """Return name and outcome of each layer of a design, and its architecture.

        Raises
        ------
        ZapsimError
            If there is no such architecture, or a layer does not fit.
        """
        design = self._space.lattice.design(number)
        arch, policy = self._made(design)
        return self._layers(arch, self._space.workloads[design[1]], policy), arch

    def _made(self, design: Design) -> tuple[ArchSpec, Policy]:
        space = self._space
        arch = space.archs[design[0]].spec(space.patches(design))
        return arch, preset(space.policies[design[2]], arch.inputs)

    def _point(self, number: int) -> Point:
        space = self._space
        design = space.lattice.design(number)
        values = space.chosen(design)
        workload = space.workloads[design[1]]
        values |= {"trace_sha256": workload.trace_sha256, "zapsim": zapsim.__version__}
        try:
            arch, policy = self._made(design)
            values |= {"id": self._id(arch, design), "arch_sha256": arch.hash}
            return self._measured(number, design, arch, policy, values)
        except UnusableTraceError:
            raise
        except ZapsimError as error:
            return Point(number, "invalid", str(error).splitlines()[0], values)

    def _measured(self, number: int, design: Design, arch: ArchSpec, policy: Policy, values: dict[str, Value]) -> Point:
        """Return the point of an architecture that exists: simulated, unless a constraint rules it out before."""
        space, workload = self._space, self._space.workloads[design[1]]
        names: dict[str, Value] = {**values, **path_values(arch, space.paths)}
        names |= quality_metrics(workload.quality, policy) | arch_metrics(arch)
        broken = _broken(space.constraints, names, Stage.ARCH)
        if broken is not None:
            return Point(number, "infeasible", broken, values | columns(space.record, names))
        layers = self._layers(arch, workload, policy)
        outcome, baseline = _sum(one[1] for one in layers), None
        if space.needs_baseline:
            baseline = _sum(one[1] for one in self._layers(arch, workload, policy.baseline()))
        run = Run(arch, outcome, baseline)
        names |= run_metrics(run, space.record)
        values |= columns(space.record, names)
        details = tuple(layer_row(name, Run(arch, one, None)) for name, one in layers) if self._with_layers else ()
        broken = _broken(space.constraints, names, Stage.BASELINE)
        if broken is not None:
            return Point(number, "infeasible", broken, values, layers=details)
        costs = []
        for objective in space.objectives:
            value = objective.expression.value(names)
            if value is None or isinstance(value, str):
                return Point(number, "invalid", f"{objective.text} has no value", values, layers=details)
            values[f"objective.{objective.text}"] = float(value)
            costs.append(objective.cost(float(value)))
        return Point(number, "ok", "", values, tuple(costs), details)

    def _id(self, arch: ArchSpec, design: Design) -> str:
        """Return what identifies a result: everything that it depends on, and nothing else."""
        space, workload = self._space, self._space.workloads[design[1]]
        parts = (
            arch.hash, workload.trace_sha256, workload.point, space.policies[design[2]], space.images, space.batch,
            zapsim.__version__,
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _layers(self, arch: ArchSpec, workload: Workload, policy: Policy) -> list[tuple[str, Outcome]]:
        """Return name and outcome of each layer, summed over the batches of images."""
        totals: dict[str, Outcome] = {}
        for layers in self._traced(workload):
            stays = resident_maps(arch, [layer.shape for layer in layers])
            for layer, resident in zip(layers, stays, strict=True):
                name = layer.shape.name
                timing = layer_timing(arch, layer, policy, resident, engines=self._engines)
                found = layer_outcome(arch, timing)
                totals[name] = totals[name] + found if name in totals else found
        return list(totals.items())

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


class UnusableTraceError(ZapsimError):
    """A trace cannot be read where designs are evaluated: the fault of no design, and nothing can go on."""


def arch_metrics(arch: ArchSpec) -> dict[str, Value]:
    """Return what is known of an architecture before anything runs on it, by metric name, in base units."""
    area = None if arch.area is None else total_area(arch) * METRICS["area"].scale
    return {"mac_units": mac_units(arch), "area": area}


def run_metrics(run: Run, record: Iterable[str]) -> dict[str, Value]:
    """Return the metrics of `record` that come from a simulation, by name, in base units."""
    chosen = (METRICS[name] for name in record)
    return {one.name: one.of(run) for one in chosen if one.of is not None}


def columns(record: Iterable[str], names: dict[str, Value]) -> dict[str, Value]:
    """Return the values of metrics by column, in its unit, and make them known to expressions by that name too."""
    found: dict[str, Value] = {}
    for name in record:
        metric, value = METRICS[name], names.get(name)
        scaled = value / metric.scale if isinstance(value, (int, float)) and metric.scale != 1 else value
        found[metric.column] = scaled
    names.update(found)
    return found


def layer_row(name: str, run: Run) -> dict[str, Value]:
    """Return the metrics of one layer by column."""
    names = [one.name for one in METRICS.values() if one.stage == Stage.RUN]
    return {"layer": name, **columns(names, dict(run_metrics(run, names)))}


def _broken(constraints: Iterable[Constraint], names: Mapping[str, Any], stage: Stage) -> str | None:
    """Return the first constraint, of those known at `stage`, that does not hold."""
    early = (one for one in constraints if one.stage <= stage)
    return next((one.expression.text for one in early if one.expression.value(names) is False), None)


def _sum(outcomes: Iterable[Outcome]) -> Outcome:
    total: Outcome | None = None
    for one in outcomes:
        total = one if total is None else total + one
    assert total is not None
    return total
