"""The axes of a space: what each parameter's values make of each architecture, and which axes depend on which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zapsim.arch.variants import Patch, Variants
from zapsim.errors import ConfigError, did_you_mean, shown
from zapsim.exploration.expression import Value
from zapsim.exploration.lattice import Lattice, LatticeAxis, Need
from zapsim.exploration.space import Parameter, Workload, scalar_at
from zapsim.exploration.space_file import SpaceFile
from zapsim.exploration.values import label, values_of

_WEIGHTS = {"array": 2, "buffers": 2, "word": 2, "dram": 1, "predictor": 1, "clock": 1}
"""How much a change under each of an architecture's sections makes anew: the array's timing, the rest of a layer's."""

_UNFIT = {"name", "description"}


@dataclass(frozen=True, slots=True)
class Axes:
    """Parameters, and the lattice of all axes: architecture, workload, policy, then the parameters."""

    parameters: tuple[Parameter, ...]
    lattice: Lattice


def build_axes(
    said: SpaceFile,
    file: str,
    archs: Mapping[str, Variants],
    workloads: Sequence[Workload],
    policies: Sequence[str],
) -> Axes:
    """Return parameters and lattice.

    Raises
    ------
    ConfigError
        With every fault of every parameter: a path or a value that no architecture knows, an unknown `when`.
    """
    faults: list[str] = []
    parameters, conditions = [], []
    for path, given in said.parameters.items():
        try:
            when, values = _values(path, given)
            parameters.append(_parameter(path, values, archs))
            conditions.append(when)
        except ConfigError as error:
            faults += [f"{file}: parameters.{fault}" for fault in error.faults]
    if faults:
        raise ConfigError(faults)
    named = _choices(archs, workloads, policies, parameters)
    axes = [
        LatticeAxis("arch", len(archs), weight=4),
        LatticeAxis("point", len(workloads), weight=3),
        LatticeAxis("policy", len(policies), weight=2),
    ]
    for parameter, when in zip(parameters, conditions, strict=True):
        place = f"{file}: parameters.{parameter.path}"
        needs = [*_fits(parameter), *(_need(place, key, wanted, named) for key, wanted in when.items())]
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


def _values(path: str, given: object) -> tuple[Mapping[str, Any], tuple[object, ...]]:
    """Return when a parameter applies, and its values; faults begin with its path."""
    try:
        when, values = _split(given)
        return when, values_of(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {fault}" for fault in error.faults) from None


def _split(given: object) -> tuple[Mapping[str, Any], object]:
    """Return when a parameter applies, and its values: ``{values: [...], when: {...}}`` or a range with ``when``."""
    if not isinstance(given, Mapping):
        return {}, given
    when = given.get("when", {})
    if not isinstance(when, Mapping):
        raise ConfigError(f"when: expected a section such as {{policy: zap}}, got {shown(when)}")
    rest = {key: value for key, value in given.items() if key != "when"}
    if "values" not in rest:
        return when, rest
    for key in rest:
        if key != "values":
            raise ConfigError(f"{key}: unknown key{did_you_mean(key, ['when'])}; known here: values, when")
    return when, rest["values"]


def _parameter(path: str, values: Sequence[object], archs: Mapping[str, Variants]) -> Parameter:
    """Return a parameter with what its values make of each architecture."""
    if path in _UNFIT:
        raise ConfigError(f"{path}: changes no result")
    patches: list[tuple[Patch, ...] | None] = []
    found: dict[int, Value] = {}
    unknown: list[str] = []
    refused: list[str] = []
    for variants in archs.values():
        of_arch: list[Patch] = []
        for index, value in enumerate(values):
            try:
                of_arch.append(variants.patch(path, value, "parameters"))
                spec = variants.spec([of_arch[-1]])
            except ConfigError as error:
                own = [fault for fault in error.faults if _concerns(fault, path)]
                unknown += [fault for fault in own if ": unknown key" in fault]
                if own and not unknown:
                    raise ConfigError(own) from None
                if unknown:
                    break
            else:
                if not isinstance(value, Mapping):
                    found[index] = scalar_at(spec, path)
        patches.append(tuple(of_arch) if not unknown else None)
        refused, unknown = unknown or refused, []
    if all(one is None for one in patches):
        raise ConfigError(refused)
    in_words = tuple(label(value) for value in values)
    return Parameter(path, in_words, tuple(_value(values, found, one) for one in range(len(values))), tuple(patches))


def _concerns(fault: str, path: str) -> bool:
    """Return whether a fault is about `path`, something in it, or a section that should hold it."""
    place = fault.partition(": ")[0]
    return place == path or place.startswith(f"{path}.") or path.startswith(f"{place}.")


def _value(values: Sequence[object], found: Mapping[int, Value], index: int) -> Value:
    """Return a value in base units; where it is no architecture by itself, as the file has it."""
    if found.get(index) is not None:
        return found[index]
    value = values[index]
    return value if isinstance(value, (int, float)) else label(value)


def _fits(parameter: Parameter) -> list[Need]:
    """Return the need of an architecture that has such a value, unless all have."""
    able = frozenset(arch for arch, patches in enumerate(parameter.patches) if patches is not None)
    return [] if len(able) == len(parameter.patches) else [Need(0, able)]


def _choices(
    archs: Mapping[str, Variants],
    workloads: Sequence[Workload],
    policies: Sequence[str],
    parameters: Sequence[Parameter],
) -> dict[str, tuple[int, list[str]]]:
    """Return for each word that `when` can name the number of its axis and its choices in words."""
    found = {
        "arch": (0, list(archs)),
        "trace": (1, [one.trace for one in workloads]),
        "point": (1, [one.point for one in workloads]),
        "policy": (2, list(policies)),
    }
    return found | {one.path: (3 + index, list(one.labels)) for index, one in enumerate(parameters)}


def _need(place: str, key: str, wanted: object, named: Mapping[str, tuple[int, list[str]]]) -> Need:
    if key not in named:
        raise ConfigError(f"{place}: when.{key}: unknown{did_you_mean(key, named)}; known here: {', '.join(named)}")
    axis, choices = named[key]
    words = [label(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
    for word in words:
        if word not in choices:
            hint = did_you_mean(word, choices)
            raise ConfigError(
                f"{place}: when.{key}: expected one of: {', '.join(dict.fromkeys(choices))}, got '{word}'{hint}"
            )
    return Need(axis, frozenset(index for index, choice in enumerate(choices) if choice in words))


def _is_ordered(values: Sequence[Value]) -> bool:
    """Return whether values are numbers that rise or fall from one to the next."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return len(numbers) == len(values) and numbers in (sorted(numbers), sorted(numbers, reverse=True))
