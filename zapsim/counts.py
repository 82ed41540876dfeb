"""The names under which every engine counts: actions (what costs energy) and cycles (what costs time)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Final, Self


@dataclass(frozen=True, slots=True)
class _Sum:
    """Integer records that add field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(operator.add, self.values(), other.values()))

    def values(self) -> tuple[int, ...]:
        """Return the fields' values in their order of definition."""
        return _getter(tuple(self.__dataclass_fields__))(self)

    def as_dict(self) -> dict[str, int]:
        """Return the fields in their order of definition."""
        return dict(zip(self.__dataclass_fields__, self.values(), strict=True))


@cache
def _getter(names: tuple[str, ...]) -> Callable[[object], tuple[int, ...]]:
    """Return what reads several fields at once: records are added and looked at hundreds of times a run."""
    return operator.attrgetter(*names)


@dataclass(frozen=True, slots=True)
class Action:
    """What costs energy: what one action moves or does (``word``, ``MAC``), and the component that pays for it."""

    unit: str
    component: str


def _count(unit: str, component: str) -> int:
    """Declare a field that counts an action."""
    return field(default=0, metadata={"action": Action(unit, component)})


def _no_action() -> int:
    """Declare a field that counts what costs no energy."""
    return field(default=0, metadata={"action": None})


@dataclass(frozen=True, slots=True)
class Counts(_Sum):
    """Actions of a layer. Words are of the architecture's word width; all fields are exact integers.

    ``macs_executed + macs_gated + macs_skipped`` equals the layer's dense MACs in every engine and policy.

    Attributes
    ----------
    macs_executed
        MACs that switch a multiplier.
    macs_gated
        MACs that take their cycle but switch nothing (a zero input, or an output that is gated).
    macs_skipped
        MACs that take neither time nor switching energy.
    macs_lost
        The part of executed and gated MACs whose output the mask does not mark: what a rigid array (compaction by
        vectors) executes although it is not demanded.
    *_spad_reads, *_spad_writes
        Words read from and written to the scratch pads or registers beside the MACs.
    ifmap_bus_words, filter_bus_words, psum_bus_words
        Words put on the buses between buffer and array (a multicast word counts once).
    bus_deliveries
        Words that PEs take from these buses or put on them (a multicast word counts once for each PE that takes it).
    pe_to_pe_words
        Words handed from one PE to its neighbour.
    glb_reads, glb_writes
        Words read from and written to the on-chip buffer behind the array.
    dram_reads, dram_writes
        Words read from and written to DRAM, after compression where the architecture compresses.
    predictor_macs, predictor_compares, predictor_weight_reads
        Work of the zero-activation predictor: MACs, compares with the threshold, weights fetched (words).
    mask_bits_written, mask_bits_read
        Mask bits, one per predicted output.
    pe_active_cycles
        Cycles of every PE that the mapping uses, whether it multiplies or waits for others, summed over the PEs.
    """

    macs_executed: int = _count("MAC", "mac")
    macs_gated: int = _count("MAC", "mac")
    macs_skipped: int = _no_action()
    macs_lost: int = _no_action()
    ifmap_spad_reads: int = _count("word", "spads")
    ifmap_spad_writes: int = _count("word", "spads")
    filter_spad_reads: int = _count("word", "spads")
    filter_spad_writes: int = _count("word", "spads")
    psum_spad_reads: int = _count("word", "spads")
    psum_spad_writes: int = _count("word", "spads")
    ifmap_bus_words: int = _count("word", "noc")
    filter_bus_words: int = _count("word", "noc")
    psum_bus_words: int = _count("word", "noc")
    bus_deliveries: int = _count("word", "noc")
    pe_to_pe_words: int = _count("word", "noc")
    glb_reads: int = _count("word", "glb")
    glb_writes: int = _count("word", "glb")
    dram_reads: int = _count("word", "dram")
    dram_writes: int = _count("word", "dram")
    predictor_macs: int = _count("MAC", "predictor")
    predictor_compares: int = _count("compare", "predictor")
    predictor_weight_reads: int = _count("word", "predictor")
    mask_bits_written: int = _count("bit", "predictor")
    mask_bits_read: int = _count("bit", "predictor")
    pe_active_cycles: int = _count("PE cycle", "clock")

    @property
    def macs_dense(self) -> int:
        """All MACs of the layer, whatever became of them."""
        return self.macs_executed + self.macs_gated + self.macs_skipped

    @property
    def structural_loss(self) -> float:
        """Share of the MACs that a layer's mask leaves out which the array computes all the same, 0 to 1."""
        left_out = self.macs_lost + self.macs_skipped
        return self.macs_lost / left_out if left_out else 0.0


def declared_actions(counts: type) -> dict[str, Action]:
    """Return the actions that the fields of a record count, by name.

    Raises
    ------
    TypeError
        If a field says neither that it counts an action nor that it does not.
    """
    undeclared = [counted.name for counted in fields(counts) if "action" not in counted.metadata]
    if undeclared:
        raise TypeError(f"{counts.__name__}: no unit and component declared for: {', '.join(undeclared)}")
    actions = {counted.name: counted.metadata["action"] for counted in fields(counts)}
    return {name: action for name, action in actions.items() if action is not None}


ACTIONS: Final[dict[str, Action]] = declared_actions(Counts) | {
    "pe_idle_cycles": Action("PE cycle", "clock"),
    "pe_control_cycles": Action("PE cycle", "control"),
    "cycles": Action("cycle", "clock"),
}
"""Everything that costs energy: the counts, and what follows from the cycles (:mod:`zapsim.energy.model`).

``cycles`` are those of the whole chip (trunk of the clock network, leakage), ``pe_active_cycles`` those of every PE in
use, ``pe_idle_cycles`` those of every other PE; ``pe_control_cycles`` (control, FIFOs) are as many as the active ones.
"""


@dataclass(frozen=True, slots=True)
class Cycles(_Sum):
    """Where a layer's cycles go; the parts are disjoint and sum to :attr:`total`.

    Attributes
    ----------
    compute
        The array multiplies, at the pace of its mean PE.
    imbalance
        Cycles more that the slowest PE takes, for which the others wait.
    ifmap_bus, psum_bus
        Cycles beyond `compute` in which the array waits for ifmaps or for psums to pass the bus.
    filter_load
        Filters are loaded and nothing multiplies.
    ramp
        Fill and drain of the array.
    predictor
        Cycles in which the array waits for the predictor, or works as one.
    dram_read, dram_write
        Cycles in which the array waits for DRAM, which reads or writes.
    buffer
        Cycles in which the array waits because the ofmap's buffer is full.
    """

    compute: int = 0
    imbalance: int = 0
    ifmap_bus: int = 0
    psum_bus: int = 0
    filter_load: int = 0
    ramp: int = 0
    predictor: int = 0
    dram_read: int = 0
    dram_write: int = 0
    buffer: int = 0

    @property
    def stalled(self) -> int:
        """Cycles in which the array does nothing, for DRAM, buffer or predictor."""
        return self.predictor + self.dram_read + self.dram_write + self.buffer

    @property
    def imbalance_ratio(self) -> float:
        """Work of the slowest PE over the mean (1: nobody waits)."""
        return (self.compute + self.imbalance) / self.compute if self.compute else 1.0

    @property
    def total(self) -> int:
        """Cycles of the layer."""
        return sum(self.values())

    @property
    def bound(self) -> str:
        """The part that takes most cycles, in words (``psum bus``)."""
        parts = self.as_dict()
        return max(parts, key=lambda name: parts[name]).replace("_", " ")
