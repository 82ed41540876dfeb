"""A space of designs: architectures, operating points of traces, policies, parameters, objectives and constraints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arch.variants import Patch, Variants, value_at
from zapsim.errors import ConfigError
from zapsim.exploration.expression import Expression
from zapsim.exploration.lattice import Design, Lattice
from zapsim.exploration.space_file import Budget, StrategySection
from zapsim.metrics import METRICS, Known, Value, metric_named

CHOICES = ("arch", "trace", "point", "policy")
"""Names of what is chosen beside the parameters."""

_MEASURED: Final = {
    "accuracy": "top1_accuracy",
    "agreement": "top1_agreement",
    "output_error": "relative_output_error",
}
"""Names that traces give to the quality of an operating point, by metric."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the space.

    Attributes
    ----------
    path
        Where its values stand in an architecture.
    labels
        Its values as tables show them.
    values
        Its values in base units (sections: their labels).
    patches
        For each architecture, what each value changes in it; None if the architecture does not have the parameter.
    """

    path: str
    labels: tuple[str, ...]
    values: tuple[Value, ...]
    patches: tuple[tuple[Patch, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """An operating point of a trace, the network's quality there, measured, and its order of filters, if it has one."""

    path: Path
    trace: str
    trace_sha256: str
    point: str
    quality: Mapping[str, float]
    quality_note: str
    filter_order: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """An expression whose value is to be minimised or, with `maximise`, maximised."""

    expression: Expression
    maximise: bool = False

    @property
    def text(self) -> str:
        """The expression as it was written."""
        return self.expression.text

    def cost(self, value: float) -> float:
        """Return what is to be minimised."""
        return -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition that designs must meet, and when it can be checked."""

    expression: Expression
    known: Known


@dataclass(frozen=True)
class Space:
    """A space of designs, complete and checked (:func:`zapsim.exploration.load.load_space` makes one).

    The axes of `lattice` are architecture, workload, policy and the parameters, in this order.

    Attributes
    ----------
    file
        Name of the file that it comes from, for messages.
    name
        As reports call it.
    archs, arch_names, workloads, policies, parameters
        The choices.
    images, batch
        Which images of the trace run (None: all), and how many of them together.
    objectives, constraints, record
        What is optimised, what must hold, and which metrics are recorded.
    strategy, budget
        How designs are chosen, and when to stop.
    identity
        Everything that decides which designs there are and what their results are, as plain values.
    source, folder
        The keys that the space was made from, and the folder that its paths are relative to.
    """

    file: str
    name: str
    archs: tuple[Variants, ...]
    arch_names: tuple[str, ...]
    workloads: tuple[Workload, ...]
    policies: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    lattice: Lattice
    images: tuple[int, ...] | None
    batch: int
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    record: tuple[str, ...]
    strategy: StrategySection
    budget: Budget
    identity: Mapping[str, Any]
    source: Mapping[str, Any]
    folder: Path

    @cached_property
    def hash(self) -> str:
        """SHA-256 of :attr:`identity`."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @cached_property
    def needs_baseline(self) -> bool:
        """Whether a recorded metric needs a simulation of the baseline."""
        return any(METRICS[name].known == Known.FROM_BASELINE for name in self.record)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The names in expressions that are paths in the architecture."""
        expressions = [one.expression for one in self.objectives] + [one.expression for one in self.constraints]
        return tuple(dict.fromkeys(name for one in expressions for name in one.names if is_path(name)))

    def chosen(self, design: Design) -> dict[str, Value]:
        """Return the values of a design's choices by the name of each axis; None for parameters that do not apply."""
        arch, workload_index, policy, *choices = design
        active = self.lattice.active(design)
        workload = self.workloads[workload_index]
        values: dict[str, Value] = {
            "arch": self.arch_names[arch],
            "trace": workload.trace,
            "point": workload.point,
            "policy": self.policies[policy],
        }
        for parameter, choice, is_active in zip(self.parameters, choices, active[3:], strict=True):
            values[parameter.path] = parameter.values[choice] if is_active else None
        return values

    def patches(self, design: Design) -> list[Patch]:
        """Return what the design's parameters change in its architecture, in their order."""
        arch, _, _, *choices = design
        active = self.lattice.active(design)
        patches = []
        for parameter, choice, is_active in zip(self.parameters, choices, active[3:], strict=True):
            of_arch = parameter.patches[arch]
            if is_active and of_arch is not None:
                patches.append(of_arch[choice])
        return patches

    def known(self, design: Design) -> dict[str, Value]:
        """Return everything that expressions can name before the architecture is made.

        A value is None if only the finished architecture has it. If two parameters change the same value, the later one
        wins, as in the architecture.
        """
        arch = design[0]
        values = dict(self._base_values[arch])
        active = self.lattice.active(design)
        for index, (choice, is_active) in enumerate(zip(design[3:], active[3:], strict=True)):
            if is_active:
                values.update(self._choice_values[arch][index][choice])
        quality = quality_metrics(self.workloads[design[1]].quality, preset(self.policies[design[2]], "dense"))
        return values | self.chosen(design) | quality

    def excludes(self, design: Design) -> Constraint | None:
        """Return the first constraint that rules `design` out before anything is made or simulated."""
        early = [one for one in self.constraints if one.known == Known.FROM_CHOICES]
        if not early:
            return None
        names = self.known(design)
        return next((one for one in early if one.expression.value(names) is False), None)

    @cached_property
    def _base_values(self) -> tuple[dict[str, Value], ...]:
        return tuple(path_values(arch.base, self.paths) for arch in self.archs)

    @cached_property
    def _choice_values(self) -> tuple[tuple[tuple[dict[str, Value], ...], ...], ...]:
        """Values of paths in expressions that each choice of each parameter changes, for each architecture."""
        return tuple(
            tuple(
                tuple(self._changed(arch, patch) for patch in parameter.patches[index] or ())
                for parameter in self.parameters
            )
            for index, arch in enumerate(self.archs)
        )

    def _changed(self, arch: Variants, patch: Patch) -> dict[str, Value]:
        """Return the paths in expressions that `patch` changes; None if it makes no valid architecture by itself."""
        changed = [name for name in self.paths if any(".".join(path) == name for path in patch)]
        try:
            return path_values(arch.spec([patch]), changed) if changed else {}
        except ConfigError:
            return dict.fromkeys(changed)


def is_path(name: str) -> bool:
    """Tell whether a name in an expression is a path in the architecture: neither a metric nor a choice."""
    return metric_named(name) is None and name not in CHOICES


def path_values(spec: ArchSpec, paths: Iterable[str]) -> dict[str, Value]:
    """Return the values of an architecture at `paths`, in base units; None where it has none, or a section."""
    return {path: scalar_at(spec, path) for path in paths}


def scalar_at(spec: ArchSpec, path: str) -> Value:
    """Return one value of an architecture, in base units; None if it has none, or a section."""
    try:
        value = value_at(spec, path.split("."))
    except KeyError:
        return None
    return value if isinstance(value, (int, float, str)) else None


def quality_metrics(quality: Mapping[str, float], policy: Policy) -> dict[str, float]:
    """Return the metrics of the network's quality by name; those that were not measured are missing.

    A policy that skips nothing but true zeros changes no output: it loses no accuracy, whatever the operating point.
    """
    unmodified = quality.get("top1_accuracy_unmodified")
    if policy.outputs not in {"gate", "skip"} or policy.knowledge != "predictor":
        exact = {"accuracy_drop": 0.0, "agreement": 1.0, "output_error": 0.0}
        return exact if unmodified is None else exact | {"accuracy": unmodified}
    measured = {name: quality[key] for name, key in _MEASURED.items() if key in quality}
    if unmodified is not None and "accuracy" in measured:
        measured["accuracy_drop"] = round(100 * (unmodified - measured["accuracy"]), 9)  # 0.2, not 0.20000000000000018
    return measured
