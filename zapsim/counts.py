"""The names under which every engine counts: actions (what costs energy) and cycles (what costs time)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self


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
        The part of executed and gated MACs whose output nobody asked for: what the array's rigidity
        (compaction by vectors) makes of the mask's skipped MACs.
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
        """All MACs of the layer, whatever became of them."""
        return self.macs_executed + self.macs_gated + self.macs_skipped

    @property
    def structural_loss(self) -> float:
        """Share of the MACs that a layer's mask leaves out which the array computes all the same, 0 to 1."""
        left_out = self.macs_lost + self.macs_skipped
        return self.macs_lost / left_out if left_out else 0.0


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
