"""What a network takes on a design, layer by layer, as arrays: cycles, actions and energies of all layers at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS, energies

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkSums:
    """The layers of a network on one design.

    Attributes
    ----------
    cycles
        int64 (layers, 10): the fields of :class:`~zapsim.counts.Cycles`.
    counts
        int64 (layers, 25): those of :class:`~zapsim.counts.Counts`.
    single
        int64 (layers, 3): demanded MACs, cycles in which the predictor works, and the most PEs at work.
    energy_pj
        float64 (layers, components): pJ of :data:`~zapsim.energy.model.COMPONENTS`.
    """

    cycles: Ints
    counts: Ints
    single: Ints
    energy_pj: NDArray[np.float64]

    @classmethod
    def of(cls, arch: ArchSpec, cycles: Ints, counts: Ints, single: Ints) -> NetworkSums:
        """Add the energies; errors are those of :func:`~zapsim.energy.model.energy_by_component`."""
        return cls(cycles, counts, single, energies(arch, counts, cycles.sum(axis=1)))

    def plus(self, other: NetworkSums) -> NetworkSums:
        """Add what the same layers take of other images."""
        single = self.single + other.single
        single[:, 2] = np.maximum(self.single[:, 2], other.single[:, 2])
        return NetworkSums(
            self.cycles + other.cycles, self.counts + other.counts, single, self.energy_pj + other.energy_pj
        )

    def with_layer(self, index: int, layer: Outcome) -> NetworkSums:
        """Put another outcome in the place of a layer's."""
        changed = replace(self, cycles=self.cycles.copy(), counts=self.counts.copy(), single=self.single.copy(),
                          energy_pj=self.energy_pj.copy())  # fmt: skip
        changed.cycles[index], changed.counts[index] = layer.cycles.values(), layer.counts.values()
        changed.single[index] = layer.demanded_macs, layer.predictor_busy_cycles, layer.active_pes
        changed.energy_pj[index] = [layer.energy_pj.get(component, 0.0) for component in COMPONENTS]
        return changed

    def layer(self, index: int, arch: ArchSpec) -> Outcome:
        """Return the outcome of one layer."""
        return _outcome(arch, self.cycles[index], self.counts[index], self.single[index], self.energy_pj[index])

    def total(self, arch: ArchSpec) -> Outcome:
        """Return the outcome of all layers; energies are added in their order."""
        demanded, busy, _ = self.single.sum(axis=0)
        single = np.array((demanded, busy, self.single[:, 2].max()))
        energy_pj = np.add.accumulate(self.energy_pj, axis=0)[-1]
        return _outcome(arch, self.cycles.sum(axis=0), self.counts.sum(axis=0), single, energy_pj)


def _outcome(arch: ArchSpec, cycles: Ints, counts: Ints, single: Ints, energy_pj: NDArray[np.float64]) -> Outcome:
    by_component = dict(zip(COMPONENTS, energy_pj.tolist(), strict=True))
    if not arch.energy.include_dram:
        del by_component["dram"]
    return Outcome(Cycles.of(cycles.tolist()), Counts.of(counts.tolist()), by_component, *single.tolist())
