"""What a space asks for, checked: objectives, constraints, and which metrics are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zapsim.arch.policy import preset
from zapsim.arch.variants import Variants
from zapsim.energy.area import total_area
from zapsim.errors import ConfigError, did_you_mean, shown
from zapsim.exploration.axes import Axes
from zapsim.exploration.expression import Expression, Value, parse
from zapsim.exploration.metrics import BY_COLUMN, METRICS, STANDARD, Metric, Stage, quality_metrics
from zapsim.exploration.space import SPECIAL, Constraint, Objective, Workload, is_path, scalar_at
from zapsim.exploration.space_file import SpaceFile


@dataclass(frozen=True, slots=True)
class Goals:
    """Checked objectives and constraints, and the names of the metrics that are recorded."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    record: tuple[str, ...]


def check_goals(
    said: SpaceFile,
    file: str,
    archs: Mapping[str, Variants],
    axes: Axes,
    workloads: Sequence[Workload],
    policies: Sequence[str],
) -> Goals:
    """Return what is wanted.

    Raises
    ------
    ConfigError
        With every fault: no expression, an unknown name, a number without a unit, a figure that cannot be had.
    """
    faults: list[str] = []
    objectives: list[Objective] = []
    constraints: list[Constraint] = []
    known = _Known(archs, axes, workloads, policies)
    for index, given in enumerate(said.objectives):
        try:
            objective = _objective(given)
            known.check(objective.expression)
            known.check_kind(objective.expression, number=True)
            objectives.append(objective)
        except ConfigError as error:
            faults += [f"{file}: objectives.{index}: {fault}" for fault in error.faults]
    for index, given in enumerate(said.constraints):
        try:
            expression = parse(given)
            if not expression.is_condition:
                raise ConfigError(f"expected a condition such as 'accuracy_drop <= 1.0', got {shown(expression.text)}")
            known.check(expression)
            known.check_kind(expression, number=False)
            constraints.append(Constraint(expression, stage_of(expression)))
        except ConfigError as error:
            faults += [f"{file}: constraints.{index}: {fault}" for fault in error.faults]
    texts = [one.text for one in objectives]
    if len(set(texts)) < len(texts):
        faults.append(f"{file}: objectives: one is there twice")
    for name in said.record:
        if metric_of(name) is None:
            faults.append(
                f"{file}: record: unknown metric '{name}'{did_you_mean(name, METRICS)}; known: {_list(METRICS)}"
            )
    if faults:
        raise ConfigError(faults)
    expressions = [one.expression for one in objectives] + [one.expression for one in constraints]
    asked = [name for one in expressions for name in one.names] + said.record
    metrics = [metric.name for metric in map(metric_of, asked) if metric is not None]
    return Goals(tuple(objectives), tuple(constraints), tuple(dict.fromkeys((*STANDARD, *metrics))))


def metric_of(name: str) -> Metric | None:
    """Return the metric that a name or the name of a column means."""
    return METRICS.get(name) or BY_COLUMN.get(name)


def stage_of(expression: Expression) -> Stage:
    """Return when all names of an expression are known."""
    metrics = (metric_of(name) for name in expression.names)
    return max((metric.stage for metric in metrics if metric is not None), default=Stage.DESIGN)


def _objective(given: object) -> Objective:
    maximise = False
    if isinstance(given, Mapping):
        if list(given) not in (["maximise"], ["minimise"]):
            raise ConfigError("expected an expression, or {maximise: EXPRESSION}")
        maximise, given = "maximise" in given, next(iter(given.values()))
    expression = parse(given)
    if expression.is_condition:
        raise ConfigError(f"{shown(expression.text)} is true or false; make it a constraint")
    if not expression.names:
        raise ConfigError(f"{shown(expression.text)} is the same for all designs")
    return Objective(expression, maximise)


@dataclass(frozen=True, slots=True)
class _Known:
    """What expressions can name in a space."""

    archs: Mapping[str, Variants]
    axes: Axes
    workloads: Sequence[Workload]
    policies: Sequence[str]

    def check(self, expression: Expression) -> None:
        """Refuse names that mean nothing here, or that this space cannot give."""
        for name in expression.names:
            metric = metric_of(name)
            if metric is not None:
                self._can_be_had(metric)
            elif is_path(name) and not self._is_known(name):
                words = [*METRICS, *SPECIAL, *self._paths()]
                hint = did_you_mean(name, words)
                raise ConfigError(
                    f"'{name}': unknown name{hint}; expected a path such as array.rows, or one of: {_list(METRICS)}"
                )
        for name in expression.bare:
            metric = METRICS.get(name)
            if metric is not None and metric.scale != 1:
                how = (
                    f"such as 1 {metric.unit}, or compare {metric.column}"
                    if metric.unit
                    else f"compare {metric.column}"
                )
                raise ConfigError(f"'{expression.text}': a number for {name} needs a unit: {how}")

    def check_kind(self, expression: Expression, number: bool) -> None:
        """Refuse text where there is to be a number: everywhere but in a comparison with other text."""
        figures: dict[str, Value] = dict.fromkeys((*METRICS, *BY_COLUMN), 1.0)
        for variants in self.archs.values():
            named: dict[str, Value] = {**figures, **dict.fromkeys(SPECIAL, "text")}
            for name in expression.names:
                named.setdefault(name, scalar_at(variants.base, name))
            if isinstance(expression.value(named), str) and number:
                raise ConfigError(f"'{expression.text}' is text, not a number")

    def _is_known(self, name: str) -> bool:
        if any(scalar_at(one.base, name) is not None for one in self.archs.values()):
            return True
        patches = (patch for one in self.axes.parameters for of_arch in one.patches for patch in of_arch or ())
        return any(".".join(path) == name for patch in patches for path in patch)

    def _paths(self) -> Iterator[str]:
        for variants in self.archs.values():
            yield from (".".join(path) for path in variants.document.leaves)

    def _can_be_had(self, metric: Metric) -> None:
        if metric.name == "area":
            for variants in self.archs.values():
                total_area(variants.base)  # refuses an architecture without a table of areas
        if metric.stage != Stage.DESIGN:
            return
        for one in self.workloads:
            for policy in self.policies:
                if metric.name not in quality_metrics(one.quality, preset(policy, "dense")):
                    has = ", ".join(one.quality) or "none"
                    raise ConfigError(
                        f"{metric.name}: the trace {one.trace} cannot give it at operating point {one.point} "
                        f"(measured there: {has}); accuracy takes labelled pictures when it is traced"
                    )


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(name for name in names if not name.startswith("counts."))
