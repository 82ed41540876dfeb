"""A space of designs: architectures, traces and their operating points, policies, parameters, and what is wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zapsim.arch.policy import preset
from zapsim.arch.spec import ArchSpec
from zapsim.arch.variants import Patch, Variants, value_at
from zapsim.errors import ConfigError
from zapsim.exploration.expression import Expression, Value
from zapsim.exploration.lattice import Design, Lattice
from zapsim.exploration.metrics import BY_COLUMN, METRICS, Stage, quality_metrics
from zapsim.exploration.space_file import Budget, StrategySection

SPECIAL = ("arch", "trace", "point", "policy")
"""Names of what is chosen beside the parameters."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the space.

    Attributes
    ----------
    path
        Where its values stand in an architecture.
    labels
        Its values in words.
    values
        Its values in base units (sections: their labels).
    patches
        For each architecture what each value makes of it; None where the architecture has no such value.
    """

    path: str
    labels: tuple[str, ...]
    values: tuple[Value, ...]
    patches: tuple[tuple[Patch, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """An operating point of a trace: which, and how good the network is there (figures by name)."""

    path: Path
    trace: str
    trace_sha256: str
    point: str
    quality: Mapping[str, float]
    quality_note: str


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted: little (or, with `maximise`, much) of the expression's value."""

    expression: Expression
    maximise: bool = False

    @property
    def text(self) -> str:
        """The expression as it was written."""
        return self.expression.text

    def cost(self, value: float) -> float:
        """Return what is to be small."""
        return -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class Constraint:
    """What must hold, and how much must be known to tell."""

    expression: Expression
    stage: Stage


@dataclass(frozen=True)
class Space:
    """All that an exploration is about; complete and checked (:func:`zapsim.exploration.load.load_space` makes one).

    The axes of `lattice` are architecture, workload, policy and the parameters, in this order.

    Attributes
    ----------
    file
        Name of the file that it comes from, for messages.
    name
        As reports call it.
    archs, arch_names, workloads, policies, parameters
        What can be chosen.
    images, batch
        Which images of the trace run (None: all), and how many of them together.
    objectives, constraints, record
        What is wanted, what must hold, and which metrics are recorded.
    strategy, budget
        How designs are chosen, and when to stop.
    identity
        All that decides which designs there are and what comes out of each, as plain values.
    given, folder
        What the space was made from, and the folder that its paths are relative to.
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
    given: Mapping[str, Any]
    folder: Path

    @cached_property
    def hash(self) -> str:
        """SHA-256 of :attr:`identity`."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @cached_property
    def needs_baseline(self) -> bool:
        """Whether any metric asks for a simulation of the baseline."""
        return any(METRICS[name].stage == Stage.BASELINE for name in self.record)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The names in expressions that are paths in the architecture."""
        expressions = [one.expression for one in self.objectives] + [one.expression for one in self.constraints]
        return tuple(dict.fromkeys(name for one in expressions for name in one.names if is_path(name)))

    def chosen(self, design: Design) -> dict[str, Value]:
        """Return what was chosen, by the name of each axis; None for parameters that do not apply."""
        arch, workload, policy, *choices = design
        active = self.lattice.active(design)
        of = self.workloads[workload]
        found: dict[str, Value] = {
            "arch": self.arch_names[arch], "trace": of.trace, "point": of.point, "policy": self.policies[policy],
        }  # fmt: skip
        for parameter, choice, on in zip(self.parameters, choices, active[3:], strict=True):
            found[parameter.path] = parameter.values[choice] if on else None
        return found

    def patches(self, design: Design) -> list[Patch]:
        """Return what the design's parameters change in its architecture, in their order."""
        arch, _, _, *choices = design
        active = self.lattice.active(design)
        patches = []
        for parameter, choice, on in zip(self.parameters, choices, active[3:], strict=True):
            of_arch = parameter.patches[arch]
            if on and of_arch is not None:
                patches.append(of_arch[choice])
        return patches

    def known(self, design: Design) -> dict[str, Value]:
        """Return all that expressions can name before the architecture is made; None where it takes that to tell.

        A value that two parameters change is that of the later one, as in the architecture.
        """
        arch = design[0]
        found = dict(self._base_values[arch])
        active = self.lattice.active(design)
        for index, (choice, on) in enumerate(zip(design[3:], active[3:], strict=True)):
            if on:
                found.update(self._choice_values[arch][index][choice])
        quality = quality_metrics(self.workloads[design[1]].quality, preset(self.policies[design[2]], "dense"))
        return found | self.chosen(design) | quality

    def excludes(self, design: Design) -> Constraint | None:
        """Return the first constraint that rules `design` out before anything is made or simulated."""
        early = [one for one in self.constraints if one.stage == Stage.DESIGN]
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
        """Return the paths in expressions that `patch` changes; None where it is no architecture by itself."""
        touched = [name for name in self.paths if any(".".join(path) == name for path in patch)]
        try:
            return path_values(arch.spec([patch]), touched) if touched else {}
        except ConfigError:
            return dict.fromkeys(touched)


def is_path(name: str) -> bool:
    """Return whether a name in an expression is a path in the architecture (and neither metric nor special)."""
    return name not in METRICS and name not in BY_COLUMN and name not in SPECIAL


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
