"""The axes of a space: architecture, workload, policy and each parameter, and which of them depend on which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zapsim.arch.variants import Variants
from zapsim.errors import ConfigError, did_you_mean
from zapsim.exploration.lattice import Lattice, LatticeAxis, Need
from zapsim.exploration.parameters import label, make_parameter, read_parameter
from zapsim.exploration.space import Parameter, Workload
from zapsim.exploration.space_file import SpaceFile
from zapsim.metrics import Value

_WEIGHTS = {"array": 2, "buffers": 2, "word": 2, "dram": 1, "predictor": 1, "clock": 1}
"""How much of an evaluation a change in each section of an architecture repeats: 2 the array's timing, 1 the rest of
each layer."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Parameters, and the lattice of all axes: architecture, workload, policy, then the parameters."""

    parameters: tuple[Parameter, ...]
    lattice: Lattice


def build_axes(
    space_file: SpaceFile,
    file: str,
    archs: Mapping[str, Variants],
    workloads: Sequence[Workload],
    policies: Sequence[str],
) -> Axes:
    """Make the parameters and the lattice.

    Raises
    ------
    ConfigError
        With every fault of every parameter: a path or a value that no architecture knows, an unknown `when`.
    """
    faults: list[str] = []
    parameters, conditions = [], []
    for path, entry in space_file.parameters.items():
        try:
            when, values = read_parameter(path, entry)
            parameters.append(make_parameter(path, values, archs))
            conditions.append(when)
        except ConfigError as error:
            faults += [f"{file}: parameters.{fault}" for fault in error.faults]
    if faults:
        raise ConfigError(faults)
    choices = _choices_by_word(archs, workloads, policies, parameters)
    axes = [
        LatticeAxis("arch", len(archs), weight=4),
        LatticeAxis("point", len(workloads), weight=3),
        LatticeAxis("policy", len(policies), weight=1),
    ]
    for parameter, when in zip(parameters, conditions, strict=True):
        place = f"{file}: parameters.{parameter.path}"
        needs = [*_needed_archs(parameter), *(_need(place, word, wanted, choices) for word, wanted in when.items())]
        axes.append(
            LatticeAxis(
                parameter.path, len(parameter.labels), _is_ordered(parameter.values), tuple(needs),
                _WEIGHTS.get(parameter.path.split(".")[0], 0),
            )
        )  # fmt: skip
    try:
        return Axes(tuple(parameters), Lattice(tuple(axes)))
    except ConfigError as error:
        raise ConfigError(f"{file}: parameters: {error}") from None


def _needed_archs(parameter: Parameter) -> list[Need]:
    """Return the need of an architecture that has the parameter, unless all have it."""
    having = frozenset(arch for arch, patches in enumerate(parameter.patches) if patches is not None)
    return [] if len(having) == len(parameter.patches) else [Need(0, having)]


def _choices_by_word(
    archs: Mapping[str, Variants],
    workloads: Sequence[Workload],
    policies: Sequence[str],
    parameters: Sequence[Parameter],
) -> dict[str, tuple[int, list[str]]]:
    """Return for each word that `when` can name the number of its axis and the labels of its choices."""
    choices = {
        "arch": (0, list(archs)),
        "trace": (1, [workload.trace for workload in workloads]),
        "point": (1, [workload.point for workload in workloads]),
        "policy": (2, list(policies)),
    }
    return choices | {parameter.path: (3 + index, list(parameter.labels)) for index, parameter in enumerate(parameters)}


def _need(place: str, word: str, wanted: object, choices: Mapping[str, tuple[int, list[str]]]) -> Need:
    """Return the need that `when` states with one word."""
    if word not in choices:
        hint = did_you_mean(word, choices)
        raise ConfigError(f"{place}: when.{word}: unknown{hint}; keys of this section: {', '.join(choices)}")
    axis, labels = choices[word]
    wanted_labels = [label(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
    for wanted_label in wanted_labels:
        if wanted_label not in labels:
            known, hint = ", ".join(dict.fromkeys(labels)), did_you_mean(wanted_label, labels)
            raise ConfigError(f"{place}: when.{word}: expected one of: {known}, got '{wanted_label}'{hint}")
    return Need(axis, frozenset(index for index, choice in enumerate(labels) if choice in wanted_labels))


def _is_ordered(values: Sequence[Value]) -> bool:
    """Tell whether values are numbers that rise or fall from one to the next."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return len(numbers) == len(values) and numbers in (sorted(numbers), sorted(numbers, reverse=True))
