"""Quantities with units: ``"108 KiB"`` -> bytes, ``"200 MHz"`` -> Hz, ``"2.2 pJ"`` -> pJ, and back to text.

1 KiB = 1024 B and 1 kB = 1000 B; the two are never confused, and a bare number is never taken for a quantity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from zapsim.errors import UnitError

_QUANTITY = re.compile(r"\s*([0-9]+(?:[._]?[0-9]+)*(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z/µ%]+)\s*")

_BINARY: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, **_BINARY}
_FREQUENCIES: Final = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
_ENERGIES: Final = {"fJ": Decimal("1e-3"), "pJ": 1, "nJ": 10**3}
_BANDWIDTHS: Final = {f"{unit}/s": scale for unit, scale in _SIZES.items()}
_WIDTHS: Final = {"bit": 1, "bits": 1}
_CYCLES: Final = {"cycle": 1, "cycles": 1}
_WORDS: Final = {"word": 1, "words": 1}


def _parse(value: object, units: Mapping[str, int | Decimal], kind: str, example: str) -> Decimal:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        shown = f"'{value}'" if isinstance(value, str) else repr(value)
        raise UnitError(f"expected {kind} such as '{example}', got {shown} (units: {', '.join(units)})")
    return Decimal(match[1].replace("_", "")) * units[match[2]]


def _parse_whole(value: object, units: Mapping[str, int | Decimal], kind: str, example: str) -> int:
    number = _parse(value, units, kind, example)
    if number != int(number):
        raise UnitError(f"expected {kind} that is whole in its smallest unit, got '{value}'")
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


def parse_energy(value: object) -> float:
    """Return pJ from an energy such as ``"2.2 pJ"``."""
    return float(_parse(value, _ENERGIES, "an energy", "2.2 pJ"))


def format_energy(energy_pj: float) -> str:
    """Return an energy in pJ with the prefix that suits it: ``format_energy(2.5e6)`` is ``"2.50 µJ"``."""
    for unit, scale in (("J", 1e12), ("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3)):
        if energy_pj >= scale:
            return f"{energy_pj / scale:.2f} {unit}"
    return f"{energy_pj:.2f} pJ"


def format_time(seconds: float) -> str:
    """Return a time with the prefix that suits it: ``format_time(0.0165)`` is ``"16.50 ms"``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds * 1e9:.2f} ns"
