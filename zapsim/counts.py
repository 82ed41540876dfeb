"""The records in which every engine counts: actions, which cost energy, and cycles, which cost time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self


@dataclass(frozen=True, slots=True)
class _Sum:
    """A record of integers; two records are added field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(operator.add, self.values(), other.values()))

    def values(self) -> tuple[int, ...]:
        """List the fields' values in their order of definition."""
        return _getter(tuple(self.__dataclass_fields__))(self)

    def as_dict(self) -> dict[str, int]:
        """Map the fields' names to their values, in their order of definition."""
        return dict(zip(self.__dataclass_fields__, self.values(), strict=True))


@cache
def _getter(names: tuple[str, ...]) -> Callable[[object], tuple[int, ...]]:
    """Make a function that reads all fields at once; cached, since a run adds records hundreds of times."""
    return operator.attrgetter(*names)


@dataclass(frozen=True, slots=True)
class Counts(_Sum):
    """Actions of a layer, as exact integers. Words are as wide as the architecture's ``word``.

    ``macs_executed + macs_gated + macs_skipped`` equals the layer's dense MACs in every engine and policy.

    Attributes
    ----------
    macs_executed
        MACs that switch a multiplier.
    macs_gated
        MACs that take their cycle but switch nothing: their input is zero, or their output is gated.
    macs_skipped
        MACs that take neither time nor switching energy.
    macs_lost
        Executed and gated MACs whose output is not demanded: a rigid array leaves out whole vectors only, and
        computes the rest of what the mask leaves out.
    *_spad_reads, *_spad_writes
        Words read from and written to the scratch pads or registers beside the MACs.
    ifmap_bus_words, filter_bus_words, psum_bus_words
        Words on the buses between GLB and array; a multicast word counts once.
    bus_deliveries
        Words that PEs take from these buses or put on them; a multicast word counts once for each PE that takes it.
    pe_to_pe_words
        Words handed from one PE to its neighbour.
    glb_reads, glb_writes
        Words read from and written to the GLB.
    dram_reads, dram_writes
        Words read from and written to DRAM, after compression where the architecture compresses.
    predictor_macs, predictor_compares, predictor_weight_reads
        Work of the predictor: MACs, compares with the threshold, words of weights that it fetches.
    mask_bits_written, mask_bits_read
        Mask bits, one per predicted output.
    pe_active_cycles
        Cycles summed over the PEs that the mapping uses, whether they multiply or wait.
    """

    macs_executed: int = 0
    macs_gated: int = 0
    macs_skipped: int = 0
    macs_lost: int = 0
    ifmap_spad_reads: int = 0
    ifmap_spad_writes: int = 0
    filter_spad_reads: int = 0
    filter_spad_writes: int = 0
    psum_spad_reads: int = 0
    psum_spad_writes: int = 0
    ifmap_bus_words: int = 0
    filter_bus_words: int = 0
    psum_bus_words: int = 0
    bus_deliveries: int = 0
    pe_to_pe_words: int = 0
    glb_reads: int = 0
    glb_writes: int = 0
    dram_reads: int = 0
    dram_writes: int = 0
    predictor_macs: int = 0
    predictor_compares: int = 0
    predictor_weight_reads: int = 0
    mask_bits_written: int = 0
    mask_bits_read: int = 0
    pe_active_cycles: int = 0

    @property
    def macs_dense(self) -> int:
        """All MACs of the layer: executed, gated and skipped."""
        return self.macs_executed + self.macs_gated + self.macs_skipped

    @property
    def structural_loss(self) -> float:
        """Share of the MACs that the mask leaves out and the array computes all the same, 0 to 1."""
        left_out = self.macs_lost + self.macs_skipped
        return self.macs_lost / left_out if left_out else 0.0


@dataclass(frozen=True, slots=True)
class Cycles(_Sum):
    """A layer's cycles by what takes them; the parts are disjoint and sum to :attr:`total`.

    Attributes
    ----------
    compute
        The array multiplies: the cycles that its mean PE takes.
    imbalance
        Cycles that the slowest PE takes beyond the mean, while the others wait.
    ifmap_bus, psum_bus
        Cycles beyond `compute` in which the array waits for the bus of ifmaps or of psums.
    filter_load
        The array loads filters and multiplies nothing.
    ramp
        Fill and drain of the array.
    predictor
        Cycles in which the array waits for the predictor, or works as one.
    dram_read, dram_write
        Cycles in which the array waits for DRAM, while it reads or writes.
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
        """Cycles in which the array waits for DRAM, for the ofmap's buffer or for the predictor."""
        return self.predictor + self.dram_read + self.dram_write + self.buffer

    @property
    def imbalance_ratio(self) -> float:
        """Work of the slowest PE over that of the mean PE; 1 if no PE waits for another."""
        return (self.compute + self.imbalance) / self.compute if self.compute else 1.0

    @property
    def total(self) -> int:
        """Cycles of the layer."""
        return sum(self.values())

    @property
    def bound(self) -> str:
        """Name of the part that takes the most cycles, such as ``psum bus``."""
        parts = self.as_dict()
        return max(parts, key=lambda name: parts[name]).replace("_", " ")
