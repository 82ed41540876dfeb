"""The values of a parameter: a list as it stands, or ``{from: 32 KiB, to: 512 KiB, steps: 5, log: true}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zapsim.errors import ConfigError, UnitError, did_you_mean, shown
from zapsim.units import is_whole_unit, parse_quantity

_RANGE_KEYS = ("from", "to", "steps", "log")
_MOST_STEPS = 10_000
_UNIT = re.compile(r"\s*[0-9.eE+_-]+\s*(\S+)\s*")


def values_of(given: object) -> tuple[object, ...]:
    """Return the values that a file gives a parameter, each once.

    Raises
    ------
    ConfigError
        If `given` is neither a list of values nor a range; without the place where it stands.
    """
    if isinstance(given, Mapping):
        found = _range(given)
    elif isinstance(given, list):
        if not given:
            raise ConfigError("no values, so there is no design")
        found = given
    elif given is None:
        raise ConfigError("no values, so there is no design")
    else:
        found = [given]
    if any(value is None or isinstance(value, list) for value in found):
        odd = next(value for value in found if value is None or isinstance(value, list))
        raise ConfigError(f"expected values or sections in the list, got {shown(odd)}")
    once = {repr(value): value for value in found}
    return tuple(once.values())


def label(value: object) -> str:
    """Return a value as tables show it: a section as ``rows=8, cols=16``."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={label(inner)}" for key, inner in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _range(given: Mapping[str, Any]) -> list[object]:
    """Return the steps of a range, ends included; whole numbers if both ends are."""
    for key in given:
        if key not in _RANGE_KEYS:
            hint = did_you_mean(str(key), _RANGE_KEYS)
            raise ConfigError(f"{key}: unknown key{hint}; a range has: {', '.join(_RANGE_KEYS)}")
    missing = [key for key in _RANGE_KEYS[:3] if key not in given]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: missing in a range; such as {{from: 8, to: 64, steps: 4, log: true}}")
    steps, log = given["steps"], given.get("log", False)
    if type(steps) is not int or not 2 <= steps <= _MOST_STEPS:
        raise ConfigError(f"steps: expected a whole number from 2 to {_MOST_STEPS}, got {shown(steps)}")
    if not isinstance(log, bool):
        raise ConfigError(f"log: expected true or false, got {shown(log)}")
    (first, unit), (last, other) = _end("from", given["from"]), _end("to", given["to"])
    if bool(unit) != bool(other):
        raise ConfigError(f"from and to: both need a unit, got {shown(given['from'])} and {shown(given['to'])}")
    if last <= first:
        raise ConfigError(f"to: must be more than from, got {shown(given['from'])} and {shown(given['to'])}")
    if log and first <= 0:
        raise ConfigError(f"from: must be more than 0 with log, got {shown(given['from'])}")
    exact = [_step(first, last, step / (steps - 1), log) for step in range(steps)]
    whole = is_whole_unit(unit) if unit else isinstance(first, int) and isinstance(last, int)
    points = list(dict.fromkeys(round(one) for one in exact)) if whole else exact
    return [_written(point, unit) if unit else point for point in points]


def _step(first: float, last: float, share: float, log: bool) -> float:
    if share in {0.0, 1.0}:
        return last if share else first
    return first * (last / first) ** share if log else first + (last - first) * share


def _end(key: str, value: object) -> tuple[float, str]:
    """Return an end of a range in base units, and its unit ("" for a plain number)."""
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
    """Return an amount in base units as a file would have it: in `unit`, with as many digits as it takes."""
    number = amount / parse_quantity(f"1 {unit}")
    return f"{int(number) if number == int(number) else number!r} {unit}"
