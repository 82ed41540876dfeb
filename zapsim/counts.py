"""The records in which every engine counts: actions, which cost energy, and cycles, which cost time."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import cache, reduce
from typing import Annotated, Any, Final, NamedTuple, Self, get_type_hints


class _Record(tuple[int, ...]):
    """What records of integers can do beside naming them; two of a kind are added field by field."""

    __slots__ = ()

    @classmethod
    def of(cls, values: Iterable[int]) -> Self:
        """Make a record of its values in their order of definition."""
        return tuple.__new__(cls, values)

    @classmethod
    def sum_of(cls, records: Iterable[tuple[int, ...]]) -> Self:
        """Add records field by field; at least one."""
        return tuple.__new__(cls, reduce(_added, records))

    def __add__(self, other: Self) -> Self:  # type: ignore[override]  # not one behind the other
        return tuple.__new__(type(self), map(operator.add, self, other))

    def plus(self, **amounts: int) -> Self:
        """Add to some fields, by name."""
        values, places = list(self), _places(type(self))
        for name, amount in amounts.items():
            values[places[name]] += amount
        return tuple.__new__(type(self), values)

    def but(self, **values: int) -> Self:
        """Replace some fields, by name."""
        return type(self)(**(self.as_dict() | values))

    def values(self) -> tuple[int, ...]:
        """List the fields' values in their order of definition."""
        return tuple(self)

    def as_dict(self) -> dict[str, int]:
        """Map the fields' names to their values, in their order of definition."""
        return dict(zip(_places(type(self)), self, strict=True))


def _added(some: Iterable[int], others: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(operator.add, some, others))


@cache
def _places(cls: Any) -> dict[str, int]:
    """Give each field of a record its place."""
    return {name: place for place, name in enumerate(cls._fields)}


class Action(NamedTuple):
    """What costs energy: what one action moves or does (``word``, ``MAC``), and the component that pays for it."""

    unit: str
    component: str


_Macs = Annotated[int, Action("MAC", "mac")]
_Free = Annotated[int, None]
_SpadWords = Annotated[int, Action("word", "spads")]
_BusWords = Annotated[int, Action("word", "noc")]
_GlbWords = Annotated[int, Action("word", "glb")]
_DramWords = Annotated[int, Action("word", "dram")]
_PredictorMacs = Annotated[int, Action("MAC", "predictor")]
_Compares = Annotated[int, Action("compare", "predictor")]
_PredictorWords = Annotated[int, Action("word", "predictor")]
_MaskBits = Annotated[int, Action("bit", "predictor")]
_PeCycles = Annotated[int, Action("PE cycle", "clock")]


class _CountFields(NamedTuple):
    """The fields of :class:`Counts`: each says which action it counts, or that it costs no energy (None)."""

    macs_executed: _Macs = 0
    macs_gated: _Macs = 0
    macs_skipped: _Free = 0
    macs_lost: _Free = 0
    ifmap_spad_reads: _SpadWords = 0
    ifmap_spad_writes: _SpadWords = 0
    filter_spad_reads: _SpadWords = 0
    filter_spad_writes: _SpadWords = 0
    psum_spad_reads: _SpadWords = 0
    psum_spad_writes: _SpadWords = 0
    ifmap_bus_words: _BusWords = 0
    filter_bus_words: _BusWords = 0
    psum_bus_words: _BusWords = 0
    bus_deliveries: _BusWords = 0
    pe_to_pe_words: _BusWords = 0
    glb_reads: _GlbWords = 0
    glb_writes: _GlbWords = 0
    dram_reads: _DramWords = 0
    dram_writes: _DramWords = 0
    predictor_macs: _PredictorMacs = 0
    predictor_compares: _Compares = 0
    predictor_weight_reads: _PredictorWords = 0
    mask_bits_written: _MaskBits = 0
    mask_bits_read: _MaskBits = 0
    pe_active_cycles: _PeCycles = 0


class Counts(_Record, _CountFields):
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
        Work of the predictor: MACs, compares with the threshold (and additions that belong to no MAC), words of weights
        that it fetches.
    mask_bits_written, mask_bits_read
        Mask bits, one per predicted output.
    pe_active_cycles
        Cycles summed over the PEs that the mapping uses, whether they multiply or wait.
    """

    __slots__ = ()

    @property
    def macs_dense(self) -> int:
        """All MACs of the layer: executed, gated and skipped."""
        return self.macs_executed + self.macs_gated + self.macs_skipped

    @property
    def structural_loss(self) -> float:
        """Share of the MACs that the mask leaves out and the array computes all the same, 0 to 1."""
        left_out = self.macs_lost + self.macs_skipped
        return self.macs_lost / left_out if left_out else 0.0


def declared_actions(counts: type) -> dict[str, Action]:
    """Return the actions that the fields of a record count, by name.

    Raises
    ------
    TypeError
        If a field says neither that it counts an action nor that it does not.
    """
    hints: dict[str, Any] = get_type_hints(counts, include_extras=True)
    declared: dict[str, tuple[Any, ...]] = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    undeclared = [name for name, actions in declared.items() if not actions]
    if undeclared:
        raise TypeError(f"{counts.__name__}: no unit and component declared for: {', '.join(undeclared)}")
    return {name: actions[0] for name, actions in declared.items() if actions[0] is not None}


ACTIONS: Final[dict[str, Action]] = declared_actions(Counts) | {
    "pe_idle_cycles": Action("PE cycle", "clock"),
    "pe_control_cycles": Action("PE cycle", "control"),
    "cycles": Action("cycle", "clock"),
}
"""Everything that costs energy: the counts, and what follows from the cycles (:mod:`zapsim.energy.model`).

``cycles`` are those of the whole chip (trunk of the clock network, leakage), ``pe_active_cycles`` those of every PE in
use, ``pe_idle_cycles`` those of every other PE; ``pe_control_cycles`` (control, FIFOs) are as many as the active ones.
"""


class _CycleFields(NamedTuple):
    """The fields of :class:`Cycles`."""

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


class Cycles(_Record, _CycleFields):
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

    __slots__ = ()

    @property
    def stalled(self) -> int:
        """Cycles in which the array waits for DRAM, for the ofmap's buffer or for the predictor."""
        return self.predictor + self.dram_read + self.dram_write + self.buffer

    @property
    def waiting(self) -> int:
        """Cycles in which PEs wait, for a slower PE, a bus, or with the whole array."""
        return self.stalled + self.imbalance + self.ifmap_bus + self.psum_bus

    @property
    def imbalance_ratio(self) -> float:
        """Work of the slowest PE over that of the mean PE; 1 if no PE waits for another."""
        return (self.compute + self.imbalance) / self.compute if self.compute else 1.0

    @property
    def total(self) -> int:
        """Cycles of the layer."""
        return sum(self)

    @property
    def bound(self) -> str:
        """Name of the part that takes the most cycles, such as ``psum bus``."""
        parts = self.as_dict()
        return max(parts, key=lambda name: parts[name]).replace("_", " ")
