"""Objectives and constraints of a space, checked, and the metrics that it records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zapsim.arch.policy import preset
from zapsim.arch.variants import Variants
from zapsim.energy.area import total_area
from zapsim.errors import ConfigError, did_you_mean, shown
from zapsim.exploration.axes import Axes
from zapsim.exploration.expression import Expression, parse
from zapsim.exploration.space import CHOICES, Constraint, Objective, Workload, is_path, quality_metrics, scalar_at
from zapsim.exploration.space_file import SpaceFile
from zapsim.metrics import BY_COLUMN, METRICS, STANDARD, Known, Metric, Value, metric_named


@dataclass(frozen=True, slots=True)
class Goals:
    """Checked objectives and constraints, and the names of the metrics that are recorded."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    record: tuple[str, ...]


def check_goals(
    space_file: SpaceFile,
    file: str,
    archs: Mapping[str, Variants],
    axes: Axes,
    workloads: Sequence[Workload],
    policies: Sequence[str],
) -> Goals:
    """Check objectives, constraints and the metrics to record.

    Raises
    ------
    ConfigError
        With every fault: an invalid expression, an unknown name, a number without a unit, a metric that a trace or an
        architecture cannot give.
    """
    faults: list[str] = []
    objectives: list[Objective] = []
    constraints: list[Constraint] = []
    names = _KnownNames(archs, axes, workloads, policies)
    for index, entry in enumerate(space_file.objectives):
        try:
            objective = _objective(entry)
            names.check(objective.expression)
            names.check_kind(objective.expression, number=True)
            objectives.append(objective)
        except ConfigError as error:
            faults += [f"{file}: objectives.{index}: {fault}" for fault in error.faults]
    for index, entry in enumerate(space_file.constraints):
        try:
            expression = parse(entry)
            if not expression.is_condition:
                raise ConfigError(f"expected a condition such as 'accuracy_drop <= 1.0', got {shown(expression.text)}")
            names.check(expression)
            names.check_kind(expression, number=False)
            constraints.append(Constraint(expression, known_when(expression)))
        except ConfigError as error:
            faults += [f"{file}: constraints.{index}: {fault}" for fault in error.faults]
    texts = [one.text for one in objectives]
    if len(set(texts)) < len(texts):
        faults.append(f"{file}: objectives: the same one twice")
    for name in space_file.record:
        if metric_named(name) is None:
            faults.append(
                f"{file}: record: unknown metric '{name}'{did_you_mean(name, METRICS)}; known: {_list(METRICS)}"
            )
    if faults:
        raise ConfigError(faults)
    expressions = [one.expression for one in objectives] + [one.expression for one in constraints]
    names_used = [name for expression in expressions for name in expression.names] + space_file.record
    metrics = [metric.name for metric in map(metric_named, names_used) if metric is not None]
    return Goals(tuple(objectives), tuple(constraints), tuple(dict.fromkeys((*STANDARD, *metrics))))


def known_when(expression: Expression) -> Known:
    """Return when all names of an expression are known."""
    metrics = (metric_named(name) for name in expression.names)
    return max((metric.known for metric in metrics if metric is not None), default=Known.FROM_CHOICES)


def _objective(entry: object) -> Objective:
    maximise = False
    if isinstance(entry, Mapping):
        if list(entry) not in (["maximise"], ["minimise"]):
            raise ConfigError("expected an expression, or {maximise: EXPRESSION}")
        maximise, entry = "maximise" in entry, next(iter(entry.values()))
    expression = parse(entry)
    if expression.is_condition:
        raise ConfigError(f"{shown(expression.text)} is a condition; make it a constraint")
    if not expression.names:
        raise ConfigError(f"{shown(expression.text)} is the same for all designs")
    return Objective(expression, maximise)


@dataclass(frozen=True, slots=True)
class _KnownNames:
    """The names that expressions can use in a space."""

    archs: Mapping[str, Variants]
    axes: Axes
    workloads: Sequence[Workload]
    policies: Sequence[str]

    def check(self, expression: Expression) -> None:
        """Refuse unknown names, and metrics that this space cannot give."""
        for name in expression.names:
            metric = metric_named(name)
            if metric is not None:
                self._check_available(metric)
            elif is_path(name) and not self._is_known(name):
                words = [*METRICS, *CHOICES, *self._paths()]
                hint = did_you_mean(name, words)
                raise ConfigError(
                    f"'{name}': unknown name{hint}; expected a path such as array.rows, or one of: {_list(METRICS)}"
                )
        for name in expression.bare:
            metric = METRICS.get(name)
            if metric is not None and metric.scale != 1:
                # A product of units, as of an EDP, cannot be written in an expression.
                example = "" if " " in metric.unit else f"such as 1 {metric.unit}, or "
                raise ConfigError(
                    f"'{expression.text}': a number for {name} needs a unit: {example}compare {metric.column}"
                )

    def check_kind(self, expression: Expression, number: bool) -> None:
        """Refuse text where a number is expected: everywhere but in a comparison with other text."""
        samples: dict[str, Value] = {}
        for by_name in (METRICS, BY_COLUMN):
            samples |= {name: "text" if metric.kind is str else 1.0 for name, metric in by_name.items()}
        for variants in self.archs.values():
            values: dict[str, Value] = {**samples, **dict.fromkeys(CHOICES, "text")}
            for name in expression.names:
                values.setdefault(name, scalar_at(variants.base, name))
            if isinstance(expression.value(values), str) and number:
                raise ConfigError(f"'{expression.text}' is text, not a number")

    def _is_known(self, name: str) -> bool:
        if any(scalar_at(one.base, name) is not None for one in self.archs.values()):
            return True
        patches = (patch for one in self.axes.parameters for of_arch in one.patches for patch in of_arch or ())
        return any(".".join(path) == name for patch in patches for path in patch)

    def _paths(self) -> Iterator[str]:
        for variants in self.archs.values():
            yield from (".".join(path) for path in variants.document.leaves)

    def _check_available(self, metric: Metric) -> None:
        """Refuse a metric that an architecture or an operating point cannot give."""
        if metric.name == "area":
            for variants in self.archs.values():
                total_area(variants.base)  # raises for an architecture without a table of areas
        if metric.known != Known.FROM_CHOICES:
            return
        for workload in self.workloads:
            for policy in self.policies:
                if metric.name not in quality_metrics(workload.quality, preset(policy, "dense")):
                    measured = ", ".join(workload.quality) or "nothing"
                    raise ConfigError(
                        f"{metric.name}: not known of trace {workload.trace} at operating point {workload.point} "
                        f"(measured there: {measured}); accuracy needs labelled pictures when the trace is made"
                    )


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(name for name in names if not name.startswith("counts."))
