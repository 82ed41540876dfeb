"""JSON, bounded: finite numbers, printable text, keys that come once, and nesting of a stated depth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from zapsim.errors import ZapsimError, printable, shown
from zapsim.reading.regular_file import MOST_OF_JSON, os_fault, read_utf8
from zapsim.reading.text import text_fault

_DEEPEST = 100
_MOST_DIGITS = 18


def read_json(path: Path, kind: str, error: type[ZapsimError] = ZapsimError) -> Any:
    """Read a JSON file; `kind` is what it should hold, as messages say it.

    Raises
    ------
    ZapsimError
        Of class `error`: if it cannot be read, or is not as :func:`parse_json` wants it.
    """
    text = read_utf8(path, MOST_OF_JSON, kind, error)
    try:
        return parse_json(text)
    except ValueError as fault:
        raise error(f"{printable(str(path))}: not a {kind} file: not JSON ({fault})") from None


def parse_json(text: str) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError
        If it is not JSON; nests more than 100 levels; holds a number that is not finite or has over 18 digits, text
        that is not one printable line, or a key twice. The message is one printable line.
    """
    try:
        value = json.loads(
            text, parse_constant=_not_finite, parse_float=_finite, parse_int=_whole, object_pairs_hook=_once
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as fault:
        raise ValueError(os_fault(fault)) from None
    _check(value)
    return value


def _not_finite(text: str) -> float:
    raise ValueError(f"expected a finite number, got {text}")


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _not_finite(shown(text))


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise ValueError(f"a number of {len(text)} digits is out of range")
    return int(text)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {shown(next(key for key in keys if keys.count(key) > 1))} comes twice")
    return mapping


def _check(value: Any) -> None:
    """Check depth and texts, level by level, so that no depth exhausts the stack."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, str):
                if fault := text_fault(each):
                    raise ValueError(fault)
            elif isinstance(each, dict):
                inner += each.keys()
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return
        level = inner
    raise ValueError("nested too deeply")
