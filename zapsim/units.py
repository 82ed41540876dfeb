"""Parse and format quantities with units: ``"108 KiB"`` -> bytes, ``"200 MHz"`` -> Hz, ``"2.2 pJ"`` -> pJ.

1 KiB is 1024 B and 1 kB is 1000 B. A bare number is never taken for a quantity.

Every ``parse_*`` function raises :class:`~zapsim.errors.UnitError` if the value is not text, lacks a unit, has a unit
of another dimension, is negative or is out of range. Those that return an int also refuse fractions of the base unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from zapsim.errors import UnitError, shown

_QUANTITY = re.compile(
    r"\s*(?P<number>[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?)\s*(?P<unit>[A-Za-zµμ/]+[2²]?)\s*"
)

_BINARY: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, **_BINARY}
_FREQUENCIES: Final = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
_ENERGIES: Final[dict[str, int | Decimal]] = {"fJ": Decimal("1e-3"), "pJ": 1, "nJ": 10**3}
_AREAS: Final = {"um2": 1, "µm²": 1, "mm2": 10**6, "mm²": 10**6}
_TIMES: Final[dict[str, int | Decimal]] = {"ps": Decimal("1e-3"), "ns": 1, "us": 10**3, "µs": 10**3}
_NETWORK_TOTALS: Final = {"uJ": 10**6, "µJ": 10**6, "mJ": 10**9, "J": 10**12, "ms": 10**6, "s": 10**9}
"""Units of energies and times that are too large for one action."""
_NODES: Final = {"nm": 1}
_VOLTAGES: Final[dict[str, int | Decimal]] = {"V": 1, "mV": Decimal("1e-3")}
_BANDWIDTHS: Final = {f"{unit}/s": scale for unit, scale in _SIZES.items()}
_WIDTHS: Final = {"bit": 1, "bits": 1}
_CYCLES: Final = {"cycle": 1, "cycles": 1}
_WORDS: Final = {"word": 1, "words": 1}

_LIMIT: Final = 2**53
"""Quantities stay below this in their base unit, so that float64 holds them exactly; it is far beyond any chip."""


def _parse(value: object, units: Mapping[str, int | Decimal], kind: str, example: str) -> Decimal:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["unit"] not in units:
        raise UnitError(f"expected {kind} such as '{example}', got {shown(value)} (units: {', '.join(units)})")
    quantity = Decimal(match["number"].replace("_", "")) * units[match["unit"]]
    if quantity < 0:
        raise UnitError(f"expected {kind} such as '{example}', got {shown(value)}, which is negative")
    if quantity >= _LIMIT:
        raise UnitError(f"expected {kind} such as '{example}', got {shown(value)}, which is out of range")
    return quantity


def _parse_whole(value: object, units: Mapping[str, int | Decimal], kind: str, example: str) -> int:
    number = _parse(value, units, kind, example)
    if number != int(number):
        base_unit = min(units, key=lambda unit: units[unit])
        raise UnitError(f"expected {kind} such as '{example}', got {shown(value)}, which is not a whole {base_unit}")
    return int(number)


def parse_size(value: object) -> int:
    """Parse a size into bytes: ``"108 KiB"``."""
    return _parse_whole(value, _SIZES, "a size", "108 KiB")


def parse_width(value: object) -> int:
    """Parse a width into bits: ``"16 bit"``."""
    return _parse_whole(value, _WIDTHS, "a width", "16 bit")


def parse_words(value: object) -> int:
    """Parse a capacity into words: ``"224 words"``."""
    return _parse_whole(value, _WORDS, "a capacity in words", "224 words")


def parse_cycles(value: object) -> int:
    """Parse a latency into cycles: ``"8 cycles"``."""
    return _parse_whole(value, _CYCLES, "a latency in cycles", "8 cycles")


def parse_frequency(value: object) -> float:
    """Parse a clock frequency into Hz: ``"200 MHz"``."""
    return float(_parse(value, _FREQUENCIES, "a frequency", "200 MHz"))


def parse_bandwidth(value: object) -> float:
    """Parse a bandwidth into bytes per second: ``"480 MB/s"``."""
    return float(_parse(value, _BANDWIDTHS, "a bandwidth", "480 MB/s"))


def parse_time(value: object) -> float:
    """Parse a time into nanoseconds: ``"60 ns"``."""
    return float(_parse(value, _TIMES, "a time", "60 ns"))


def parse_energy(value: object) -> float:
    """Parse an energy into pJ: ``"2.2 pJ"``."""
    return float(_parse(value, _ENERGIES, "an energy", "2.2 pJ"))


def parse_area(value: object) -> float:
    """Parse an area into µm²: ``"1240 um2"``."""
    return float(_parse(value, _AREAS, "an area", "1240 um2"))


def parse_node(value: object) -> float:
    """Parse a process into nm: ``"65 nm"``."""
    return float(_parse(value, _NODES, "a process", "65 nm"))


def parse_voltage(value: object) -> float:
    """Parse a voltage into V: ``"0.9 V"``."""
    return float(_parse(value, _VOLTAGES, "a voltage", "0.9 V"))


_PARSERS: Final[dict[Callable[..., float], tuple[Mapping[str, int | Decimal], str]]] = {
    parse_size: (_SIZES, "108 KiB"),
    parse_width: (_WIDTHS, "16 bit"),
    parse_words: (_WORDS, "224 words"),
    parse_cycles: (_CYCLES, "8 cycles"),
    parse_frequency: (_FREQUENCIES, "200 MHz"),
    parse_bandwidth: (_BANDWIDTHS, "480 MB/s"),
    parse_time: (_TIMES, "60 ns"),
    parse_energy: (_ENERGIES, "2.2 pJ"),
    parse_area: (_AREAS, "1240 um2"),
    parse_node: (_NODES, "65 nm"),
    parse_voltage: (_VOLTAGES, "0.9 V"),
}
"""Units and an example of what each function reads."""


def json_schema(parse: Callable[..., float], after: str = "") -> dict[str, object]:
    """Describe in JSON Schema the text that a `parse_*` function reads.

    Parameters
    ----------
    parse
        One of the functions above.
    after
        Regular expression of what may follow the unit.
    """
    known, example = _PARSERS[parse]
    number = r"\+?[0-9]+(_[0-9]+)*(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?"
    units = "|".join(re.escape(unit) for unit in known)
    return {"type": "string", "pattern": rf"^\s*{number}\s*({units})\s*{after}$", "examples": [example]}


def parse_quantity(value: object) -> float:
    """Parse a quantity of any kind into its base unit: B, B/s, Hz, ns, pJ, µm², nm, V, bits, cycles or words."""
    kinds: tuple[Mapping[str, int | Decimal], ...] = (
        _SIZES, _BANDWIDTHS, _FREQUENCIES, _TIMES, _ENERGIES, _AREAS, _NODES, _VOLTAGES, _WIDTHS, _CYCLES, _WORDS,
        _NETWORK_TOTALS,
    )  # fmt: skip
    units = {unit: scale for kind in kinds for unit, scale in kind.items()}
    return float(_parse(value, units, "a quantity", "64 KiB"))


def is_whole_unit(unit: str) -> bool:
    """Tell whether quantities of `unit` are whole numbers of their base unit: sizes, widths, cycles, words."""
    return any(unit in kind for kind in (_SIZES, _WIDTHS, _CYCLES, _WORDS))


def format_energy(energy_pj: float) -> str:
    """Write an energy with the prefix that suits it: ``format_energy(2.5e6)`` is ``"2.50 µJ"``."""
    return _prefixed(energy_pj, {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12})


def format_time(seconds: float) -> str:
    """Write a time with the prefix that suits it: ``format_time(0.0165)`` is ``"16.50 ms"``."""
    return _prefixed(seconds, {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0})


def _prefixed(value: float, units: Mapping[str, float]) -> str:
    """Write `value` in the smallest of `units` (ascending) in which it is below 1000 with two decimals."""
    texts = [f"{value / scale:.2f} {unit}" for unit, scale in units.items()]
    return next((text for text in texts if abs(float(text.split()[0])) < 1000), texts[-1])
