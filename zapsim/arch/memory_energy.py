"""How the energy of an access grows with the size of a memory, for sizes other than the one that a price is for.

Register files, up to 512 B: every word adds to the wires and the multiplexer that an access switches, so energy is
linear in the words, ``e(b) = BASE + SLOPE · b``; fitted to the spads of Accelergy's eyeriss_like example (Aladdin's
figures, 40 nm), which it meets within 3 %. SRAM: wires and bit lines grow with its edge and with its banks,
``e(b) = LEVEL · (b / 8 KiB) ** EXPONENT``; the exponent is fitted to tables of CACTI 7 from 1 kB to 100 MB, which it
meets within 11 % (root mean square; 23 % at most). The level is the geometric mean of four figures at 40 to 45 nm,
and only says where SRAM begins to cost more than the largest register file::

    e(b) = max(BASE + SLOPE · min(b, 512 B), LEVEL · (b / 8 KiB) ** EXPONENT)

Only ratios are used, so process and voltage cancel out. ``tests/published/test_memory_energy.py`` fits all four again
from ``tests/published/memory_energies.csv``, which names the sources. Left out: ports, other shapes than those that
CACTI chooses, the difference between a read and a write, and leakage.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from zapsim import units
from zapsim.errors import UnitError, shown

BASE: Final = 0.0967
"""pJ of an access to a register file of no words: the part that does not grow (40 nm, 16 bit)."""

SLOPE: Final = 0.001879
"""pJ that each byte of a register file adds."""

LEVEL: Final = 1.77
"""pJ of a 16-bit access to an SRAM of 8 KiB at 40 to 45 nm."""

EXPONENT: Final = 0.617
"""The power of its size that an SRAM's energy goes with."""

LARGEST_REGISTER_FILE: Final = 512
"""Bytes of the largest register file with a published figure."""

RANGE: Final = (24.0, 1e8)
"""Bytes of the smallest and of the largest memory with a published figure."""

_AT = re.compile(r"\s+at\s+")


def relative_energy(size: float, table_size: float) -> float:
    """Divide the energy of an access at one size by that at another; it never falls as `size` grows.

    Parameters
    ----------
    size, table_size
        Bytes of the memory, and of the one that a price is for; more than 0.
    """
    return 1.0 if size == table_size else _energy(size) / _energy(table_size)


def _energy(size: float) -> float:
    registers = BASE + SLOPE * min(size, LARGEST_REGISTER_FILE)
    return max(registers, LEVEL * math.pow(size / 8192, EXPONENT))


class MemorySize(NamedTuple):
    """The size of a memory as a price states it: so many words, or so many bytes."""

    amount: int
    unit: Literal["words", "B"]

    def in_bytes(self, word: int) -> float:
        """Convert to bytes, for words of `word` bits."""
        return self.amount * (word / 8 if self.unit == "words" else 1)

    def __str__(self) -> str:
        if self.unit == "words" or self.amount % 1024:
            return f"{self.amount} {self.unit}"
        return f"{self.amount // 2**20} MiB" if self.amount % 2**20 == 0 else f"{self.amount // 1024} KiB"


class Price(float):
    """The energy of one action in pJ, and the size of the memory that it is for, if it follows the memory.

    Written ``9.06 pJ at 100 KiB`` or ``1.74 pJ at 224 words``; ``9.06 pJ`` alone holds for every size.
    """

    size: MemorySize | None

    def __new__(cls, pj: float, size: MemorySize | None = None) -> Self:
        """Make a price of `pj` for a memory of `size`."""
        price = super().__new__(cls, pj)
        price.size = size
        return price

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a price as a file has it.

        Raises
        ------
        ValueError
            If it is not one; pydantic wants this kind.
        """
        energy, *sizes = _AT.split(value.strip()) if isinstance(value, str) else (value,)
        try:
            if len(sizes) > 1:
                raise UnitError(f"expected an energy and one size such as '9 pJ at 100 KiB', got {shown(value)}")
            return cls(units.parse_energy(energy), *(_memory_size(size) for size in sizes))
        except UnitError as error:
            raise ValueError(str(error)) from None


def _memory_size(text: str) -> MemorySize:
    size = MemorySize(units.parse_words(text), "words") if "word" in text else MemorySize(units.parse_size(text), "B")
    if size.amount <= 0:
        raise UnitError(f"expected a size after 'at' that is more than 0, got {shown(text)}")
    return size


_TEXT: TypeAlias = Annotated[str, WithJsonSchema(units.json_schema(units.parse_energy, r"(\s+at\s+\S.*)?"))]

ActionPrice: TypeAlias = Annotated[
    Price, PlainValidator(Price.parse, json_schema_input_type=_TEXT), PlainSerializer(float, return_type=float)
]
"""A price as a key of a section: read from text, written as a number."""


def resize_factors(prices: Mapping[str, Price], sizes: Mapping[str, MemorySize], word: int) -> dict[str, float]:
    """Say by what prices are multiplied that are for another size than the memory has.

    Parameters
    ----------
    prices
        By action.
    sizes
        The memory of each action that has one; all whose price says a size must be there.
    word
        Bits of a word.
    """
    return {
        action: relative_energy(sizes[action].in_bytes(word), price.size.in_bytes(word))
        for action, price in prices.items()
        if price.size is not None and price.size != sizes[action]
    }


def resize_notes(prices: Mapping[str, Price], sizes: Mapping[str, MemorySize], word: int) -> list[str]:
    """Describe :func:`resize_factors`, one line per memory that is priced, with a warning outside of :data:`RANGE`."""
    notes = {}
    for action, factor in resize_factors(prices, sizes, word).items():
        if action.startswith("mask_bits") or not prices[action]:  # mask bits lie in the GLB, which has its own line
            continue
        memory = action.rpartition("_")[0].replace("_", " ")
        notes[memory] = f"energy of {memory} × {factor:.3g} by the size law"
        notes[memory] += f" ({sizes[action]}, not {prices[action].size})"
        if not RANGE[0] <= sizes[action].in_bytes(word) <= RANGE[1]:
            notes[memory] += ", outside of its range of 24 B to 100 MB"
    return list(notes.values())
