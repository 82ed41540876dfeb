"""Results: what one run found, with everything that is needed to get it again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zapsim.counts import Counts, Cycles
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer (or a whole network) under one policy.

    Attributes
    ----------
    cycles, counts
        Where time goes, and the actions.
    energy_pj
        pJ by component.
    demanded_macs
        MACs of the outputs that the policy asks for.
    predictor_busy_cycles
        Cycles in which the predictor works, whether the array waits or not.
    active_pes
        Largest number of PEs at work at the same time.
    """

    cycles: Cycles
    counts: Counts
    energy_pj: dict[str, float]
    demanded_macs: int
    predictor_busy_cycles: int
    active_pes: int

    @property
    def total_energy_pj(self) -> float:
        """Energy of all components."""
        return math.fsum(self.energy_pj.values())

    @property
    def predictor_share(self) -> float:
        """The predictor's share of the energy, 0 to 1."""
        return self.energy_pj["predictor"] / self.total_energy_pj if self.total_energy_pj else 0.0

    def __add__(self, other: Outcome) -> Outcome:
        """Return both, one after the other."""
        return Outcome(
            self.cycles + other.cycles,
            self.counts + other.counts,
            {part: pj + other.energy_pj[part] for part, pj in self.energy_pj.items()},
            self.demanded_macs + other.demanded_macs,
            self.predictor_busy_cycles + other.predictor_busy_cycles,
            max(self.active_pes, other.active_pes),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The policy's outcome beside its baseline's; savings are shares of the baseline, negative if it costs more."""

    baseline: Outcome
    policy: Outcome

    @property
    def mac_saving(self) -> float:
        """Share of the baseline's MACs that are saved, without the predictor's own.

        A policy that skips more than its baseline saves MACs that take time, executed and gated ones; another saves
        executed ones.
        """
        before, after = self.baseline.counts, self.policy.counts
        if after.macs_skipped > before.macs_skipped:
            return (after.macs_skipped - before.macs_skipped) / (before.macs_executed + before.macs_gated)
        return 1 - after.macs_executed / before.macs_executed if before.macs_executed else 0.0

    @property
    def cycle_saving(self) -> float:
        """Share of the baseline's cycles that is saved."""
        return 1 - self.policy.cycles.total / self.baseline.cycles.total

    @property
    def speedup(self) -> float:
        """Baseline cycles over the policy's; infinite where the policy leaves nothing to do."""
        cycles = self.policy.cycles.total
        return self.baseline.cycles.total / cycles if cycles else math.inf

    @property
    def energy_saving(self) -> float:
        """Share of the baseline's energy that is saved (0 if nothing has a price)."""
        before = self.baseline.total_energy_pj
        return 1 - self.policy.total_energy_pj / before if before else 0.0

    def __add__(self, other: Comparison) -> Comparison:
        """Return both, one after the other."""
        return Comparison(self.baseline + other.baseline, self.policy + other.policy)


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer's comparison, summed over the images.

    `setting` is the predictor's pattern and threshold in words, or why the layer has no predictor.
    """

    shape: ConvShape
    setting: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class RunResult:
    """A network on an accelerator, layer by layer.

    Attributes
    ----------
    network, images, operating_point, quality
        What was run, and how good the network still is (figures by name, and on what they were measured).
    patterns, thresholds
        Of the predictors, each once, in the order of the layers.
    arch, policy, baseline
        Names; `arch_summary` is the array in words.
    clock_hz
        Of the architecture.
    energy_note
        What a reader must know of the energies (scaled, without DRAM); empty if nothing.
    layers
        In the network's order.
    provenance
        Versions, seed and hashes: everything that a result file must say to be traced back.
    each_image
        All layers of each image, if images run one by one; else empty.
    """

    network: str
    images: tuple[str, ...]
    operating_point: str
    patterns: tuple[str, ...]
    thresholds: tuple[float, ...]
    quality: dict[str, float]
    quality_note: str
    arch: str
    arch_summary: str
    clock_hz: float
    energy_note: str
    policy: str
    baseline: str
    layers: tuple[LayerResult, ...]
    provenance: dict[str, Any]
    each_image: tuple[Comparison, ...] = ()

    @property
    def total(self) -> Comparison:
        """All layers, one after the other."""
        total = self.layers[0].comparison
        for layer in self.layers[1:]:
            total = total + layer.comparison
        return total
