"""Where an architecture lies outside of what a model was compared with: values that a reader must extrapolate to.

The ranges are those of ``validation/`` and of ``tests/published/``, nothing else. A model without a range here was
compared with no published figure of a machine, and its page in docs/models says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from zapsim.arch.arrays import SystolicArray
from zapsim.arch.memory_energy import RANGE
from zapsim.arch.row_stationary_array import RowStationaryArray
from zapsim.arch.spec import ArchSpec

EYERISS: Final = "Eyeriss, a chip of 12 × 14 PEs"
SCALE_SIM: Final = "SCALE-Sim"

SYSTOLIC_SIDES: Final = (8, 128)
"""PEs along a side of the smallest and of the largest array in ``validation/scalesim_dense.csv``."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A value outside of the range that a model was compared in.

    Attributes
    ----------
    model
        What is modelled: ``cycles`` or ``energy``.
    key
        Key of the architecture.
    value
        What the architecture has there, with its unit.
    validated
        The range, with its unit.
    against
        What the model was compared with.
    """

    model: str
    key: str
    value: str
    validated: str
    against: str

    def __str__(self) -> str:
        return f"{self.key} is {self.value}; {self.model} were compared with {self.against} at {self.validated} only"

    def record(self) -> dict[str, str]:
        """Return it as values by name, for JSON."""
        return asdict(self)


def departures(arch: ArchSpec) -> tuple[Departure, ...]:
    """List the values of an architecture that lie outside of the range of the model that uses them."""
    return tuple((*_of_array(arch), *_of_memories(arch)))


def _of_array(arch: ArchSpec) -> Iterator[Departure]:
    array = arch.array
    if isinstance(array, RowStationaryArray):
        for key, value, validated in (("rows", array.rows, 12), ("cols", array.cols, 14)):
            if value > validated:
                yield Departure("cycles", f"array.{key}", str(value), f"{validated} and fewer", EYERISS)
    elif isinstance(array, SystolicArray):
        least, most = SYSTOLIC_SIDES
        for key, value in (("rows", array.rows), ("cols", array.cols)):
            if not least <= value <= most:
                yield Departure("cycles", f"array.{key}", str(value), f"{least} to {most}", SCALE_SIM)


def _of_memories(arch: ArchSpec) -> Iterator[Departure]:
    for action in arch.resized:
        size = arch.memory_sizes[action].in_bytes(arch.word)
        if not RANGE[0] <= size <= RANGE[1]:
            range_text = f"{RANGE[0]:g} to {RANGE[1]:g} B"
            yield Departure("energies", f"energy.actions.{action}", f"of {size:g} B", range_text, "CACTI and Aladdin")
