"""Parameters of a space: the values that a file lists or spans, and what they change in each architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zapsim.arch.variants import Patch, Variants
from zapsim.errors import ConfigError, UnitError, did_you_mean, shown
from zapsim.exploration.space import Parameter, scalar_at
from zapsim.metrics import Value
from zapsim.units import is_whole_unit, parse_quantity

_WITHOUT_EFFECT = {"name", "description"}
_RANGE_KEYS = ("from", "to", "steps", "log")
_MOST_STEPS = 10_000
_UNIT = re.compile(r"\s*[0-9.eE+_-]+\s*(\S+)\s*")


def read_parameter(path: str, entry: object) -> tuple[Mapping[str, Any], tuple[object, ...]]:
    """Read what a file says of a parameter: the condition under which it applies, and its values.

    Raises
    ------
    ConfigError
        If there is no value, or one that cannot be; each fault begins with `path`.
    """
    try:
        when, values = _split_when(entry)
        return when, listed_values(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {fault}" for fault in error.faults) from None


def make_parameter(path: str, values: Sequence[object], archs: Mapping[str, Variants]) -> Parameter:
    """Make a parameter with what its values change in each architecture.

    Raises
    ------
    ConfigError
        If a value is invalid in an architecture that knows `path`, or if no architecture knows it.
    """
    if path in _WITHOUT_EFFECT:
        raise ConfigError(f"{path}: changes no result")
    patches: list[tuple[Patch, ...] | None] = []
    in_base_units: dict[int, Value] = {}
    unknown: list[str] = []
    for variants in archs.values():
        of_arch, unknown_here = _patches(path, values, variants, in_base_units)
        patches.append(None if unknown_here else of_arch)
        unknown = unknown_here or unknown
    if all(of_arch is None for of_arch in patches):
        raise ConfigError(unknown)
    labels = tuple(label(value) for value in values)
    shown_values = tuple(_value(value, in_base_units.get(index)) for index, value in enumerate(values))
    return Parameter(path, labels, shown_values, tuple(patches))


def _patches(
    path: str, values: Sequence[object], variants: Variants, in_base_units: dict[int, Value]
) -> tuple[tuple[Patch, ...], list[str]]:
    """Return what each value changes in one architecture, or the faults by which it does not know `path`.

    Values that are valid by themselves are entered into `in_base_units` by their index.
    """
    patches: list[Patch] = []
    for index, value in enumerate(values):
        try:
            patches.append(variants.patch(path, value, "parameters"))
            spec = variants.spec([patches[-1]])
        except ConfigError as error:
            # Faults elsewhere may be mended by another parameter, so they only count once a design is made.
            faults = [fault for fault in error.faults if _concerns(fault, path)]
            unknown = [fault for fault in faults if ": unknown key" in fault]
            if unknown:
                return (), unknown
            if faults:
                raise ConfigError(faults) from None
        else:
            if not isinstance(value, Mapping):
                in_base_units[index] = scalar_at(spec, path)
    return tuple(patches), []


def _split_when(entry: object) -> tuple[Mapping[str, Any], object]:
    """Split ``{values: [...], when: {...}}``, or a range with ``when``, into the condition and the values."""
    if not isinstance(entry, Mapping):
        return {}, entry
    when = entry.get("when", {})
    if not isinstance(when, Mapping):
        raise ConfigError(f"when: expected a section such as {{policy: zap}}, got {shown(when)}")
    rest = {key: value for key, value in entry.items() if key != "when"}
    if "values" not in rest:
        return when, rest
    for key in rest:
        if key != "values":
            raise ConfigError(f"{key}: unknown key{did_you_mean(key, ['when'])}; keys of this section: values, when")
    return when, rest["values"]


def listed_values(entry: object) -> tuple[object, ...]:
    """List the values that a file gives a parameter, each once.

    Raises
    ------
    ConfigError
        If `entry` is neither a list of values nor a range; the message does not say where it stands.
    """
    if entry is None or entry == []:
        raise ConfigError("no values, so there is no design")
    values = _range(entry) if isinstance(entry, Mapping) else entry if isinstance(entry, list) else [entry]
    for value in values:
        if value is None or isinstance(value, list):
            raise ConfigError(f"expected values or sections in the list, got {shown(value)}")
    return tuple({repr(value): value for value in values}.values())


def label(value: object) -> str:
    """Write a value as tables show it: a section as ``rows=8, cols=16``."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={label(inner)}" for key, inner in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _concerns(fault: str, path: str) -> bool:
    """Tell whether a fault is about `path`, something in it, or a section that should hold it."""
    place = fault.partition(": ")[0]
    return place == path or place.startswith(f"{path}.") or path.startswith(f"{place}.")


def _value(value: object, in_base_units: Value) -> Value:
    """Return a value in base units; if it makes no valid architecture by itself, as the file has it."""
    if in_base_units is not None:
        return in_base_units
    return value if isinstance(value, (int, float)) else label(value)


def _range(section: Mapping[str, Any]) -> list[object]:
    """List the steps of a range, ends included; whole numbers if both ends are."""
    for key in section:
        if key not in _RANGE_KEYS:
            hint = did_you_mean(str(key), _RANGE_KEYS)
            raise ConfigError(f"{key}: unknown key{hint}; a range has: {', '.join(_RANGE_KEYS)}")
    missing = [key for key in _RANGE_KEYS[:3] if key not in section]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: missing in a range, such as {{from: 8, to: 64, steps: 4, log: true}}")
    steps, log = section["steps"], section.get("log", False)
    if type(steps) is not int or not 2 <= steps <= _MOST_STEPS:
        raise ConfigError(f"steps: expected a whole number from 2 to {_MOST_STEPS}, got {shown(steps)}")
    if not isinstance(log, bool):
        raise ConfigError(f"log: expected true or false, got {shown(log)}")
    (first, unit), (last, other) = _end("from", section["from"]), _end("to", section["to"])
    if bool(unit) != bool(other):
        raise ConfigError(f"from and to: both need a unit, got {shown(section['from'])} and {shown(section['to'])}")
    if last <= first:
        raise ConfigError(f"to: must be more than from, got {shown(section['from'])} and {shown(section['to'])}")
    if log and first <= 0:
        raise ConfigError(f"from: must be more than 0 with log, got {shown(section['from'])}")
    amounts = [_step(first, last, step / (steps - 1), log) for step in range(steps)]
    whole = is_whole_unit(unit) if unit else isinstance(first, int) and isinstance(last, int)
    steps_in_base_units = list(dict.fromkeys(round(amount) for amount in amounts)) if whole else amounts
    return [_written(amount, unit) if unit else amount for amount in steps_in_base_units]


def _step(first: float, last: float, share: float, log: bool) -> float:
    if share in {0.0, 1.0}:
        return last if share else first
    return first * (last / first) ** share if log else first + (last - first) * share


def _end(key: str, value: object) -> tuple[float, str]:
    """Split an end of a range into its amount in base units and its unit ("" for a plain number)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value, ""
    try:
        amount = parse_quantity(value)
    except UnitError as error:
        raise ConfigError(f"{key}: {error}") from None
    unit = _UNIT.fullmatch(str(value))
    assert unit is not None
    return amount, unit[1]


def _written(amount: float, unit: str) -> str:
    """Write an amount in base units as a file has it: in `unit`, with as many digits as it takes."""
    number = amount / parse_quantity(f"1 {unit}")
    return f"{int(number) if number == int(number) else number!r} {unit}"
