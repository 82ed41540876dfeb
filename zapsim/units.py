"""Quantities with units, from text and back: ``"108 KiB"`` -> bytes, ``"200 MHz"`` -> Hz, ``"2.2 pJ"`` -> pJ.

1 KiB = 1024 B and 1 kB = 1000 B; the two are never confused, and a bare number is never taken for a quantity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_OF_NETWORKS: Final = {"uJ": 10**6, "µJ": 10**6, "mJ": 10**9, "J": 10**12, "ms": 10**6, "s": 10**9}
"""Energies and times too large for one action."""
_NODES: Final = {"nm": 1}
_VOLTAGES: Final[dict[str, int | Decimal]] = {"V": 1, "mV": Decimal("1e-3")}
_BANDWIDTHS: Final = {f"{unit}/s": scale for unit, scale in _SIZES.items()}
_WIDTHS: Final = {"bit": 1, "bits": 1}
_CYCLES: Final = {"cycle": 1, "cycles": 1}
_WORDS: Final = {"word": 1, "words": 1}

_LIMIT: Final = 2**53
"""Quantities stay below this in their base unit: exact in float64, and far beyond any chip."""


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
        smallest = min(units, key=lambda unit: units[unit])
        raise UnitError(f"expected {kind} such as '{example}', got {shown(value)}, which is not a whole {smallest}")
    return int(number)


def parse_size(value: object) -> int:
    """Return bytes from a size such as ``"108 KiB"``."""
    return _parse_whole(value, _SIZES, "a size", "108 KiB")


def parse_width(value: object) -> int:
    """Return bits from a width such as ``"16 bit"``."""
    return _parse_whole(value, _WIDTHS, "a width", "16 bit")


def parse_words(value: object) -> int:
    """Return words from a capacity such as ``"224 words"``."""
    return _parse_whole(value, _WORDS, "a capacity in words", "224 words")


def parse_cycles(value: object) -> int:
    """Return cycles from a latency such as ``"8 cycles"``."""
    return _parse_whole(value, _CYCLES, "a latency in cycles", "8 cycles")


def parse_frequency(value: object) -> float:
    """Return Hz from a clock such as ``"200 MHz"``."""
    return float(_parse(value, _FREQUENCIES, "a frequency", "200 MHz"))


def parse_bandwidth(value: object) -> float:
    """Return bytes a second from a bandwidth such as ``"480 MB/s"``."""
    return float(_parse(value, _BANDWIDTHS, "a bandwidth", "480 MB/s"))


def parse_time(value: object) -> float:
    """Return nanoseconds from a time such as ``"60 ns"``."""
    return float(_parse(value, _TIMES, "a time", "60 ns"))


def parse_energy(value: object) -> float:
    """Return pJ from an energy such as ``"2.2 pJ"``."""
    return float(_parse(value, _ENERGIES, "an energy", "2.2 pJ"))


def parse_area(value: object) -> float:
    """Return µm² from an area such as ``"1240 um2"``."""
    return float(_parse(value, _AREAS, "an area", "1240 um2"))


def parse_node(value: object) -> float:
    """Return nm from a process such as ``"65 nm"``."""
    return float(_parse(value, _NODES, "a process", "65 nm"))


def parse_voltage(value: object) -> float:
    """Return V from a voltage such as ``"0.9 V"``."""
    return float(_parse(value, _VOLTAGES, "a voltage", "0.9 V"))


def parse_quantity(value: object) -> float:
    """Return a quantity of any kind in its base unit: B, B/s, Hz, ns, pJ, µm², nm, V, bits, cycles or words."""
    kinds: tuple[Mapping[str, int | Decimal], ...] = (
        _SIZES, _BANDWIDTHS, _FREQUENCIES, _TIMES, _ENERGIES, _AREAS, _NODES, _VOLTAGES, _WIDTHS, _CYCLES, _WORDS,
        _OF_NETWORKS,
    )  # fmt: skip
    units = {unit: scale for kind in kinds for unit, scale in kind.items()}
    return float(_parse(value, units, "a quantity", "64 KiB"))


def is_whole_unit(unit: str) -> bool:
    """Return whether quantities of this unit are whole numbers of their base unit: sizes, widths, cycles, words."""
    return any(unit in kind for kind in (_SIZES, _WIDTHS, _CYCLES, _WORDS))


def format_energy(energy_pj: float) -> str:
    """Return an energy in pJ with the prefix that suits it: ``format_energy(2.5e6)`` is ``"2.50 µJ"``."""
    return _prefixed(energy_pj, {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12})


def format_time(seconds: float) -> str:
    """Return a time with the prefix that suits it: ``format_time(0.0165)`` is ``"16.50 ms"``."""
    return _prefixed(seconds, {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0})


def _prefixed(value: float, units: Mapping[str, float]) -> str:
    """Return `value` in the smallest of `units` (ascending) in which its two decimals stay below 1000."""
    texts = [f"{value / scale:.2f} {unit}" for unit, scale in units.items()]
    return next((text for text in texts if abs(float(text.split()[0])) < 1000), texts[-1])
