"""An accelerator's cycles, actions and energy under a policy, and what they save against a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zapsim.counts import Counts, Cycles


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer (or a whole network) under one policy.

    Attributes
    ----------
    cycles, counts
        Cycles by cause, and the actions.
    energy_pj
        pJ by component.
    demanded_macs
        MACs of the outputs that the policy's mask marks.
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
        """Add the outcome of what runs next."""
        return Outcome(
            self.cycles + other.cycles,
            self.counts + other.counts,
            {part: pj + other.energy_pj[part] for part, pj in self.energy_pj.items()},
            self.demanded_macs + other.demanded_macs,
            self.predictor_busy_cycles + other.predictor_busy_cycles,
            max(self.active_pes, other.active_pes),
        )

    def as_record(self) -> dict[str, Any]:
        """Return all values, and those that follow from them, as JSON holds them."""
        return {
            "total_cycles": self.cycles.total,
            "cycles": self.cycles.as_dict(),
            "counts": self.counts.as_dict(),
            "energy_pj": self.energy_pj,
            "total_energy_pj": self.total_energy_pj,
            "demanded_macs": self.demanded_macs,
            "predictor_busy_cycles": self.predictor_busy_cycles,
            "active_pes": self.active_pes,
            "imbalance_ratio": self.cycles.imbalance_ratio,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Outcome:
        """Rebuild an outcome from its record.

        Raises
        ------
        KeyError, TypeError
            If something is missing, unknown or of another type.
        """
        cycles, counts, energy_pj = record["cycles"], record["counts"], record["energy_pj"]
        single = [record[name] for name in ("demanded_macs", "predictor_busy_cycles", "active_pes")]
        whole = [*cycles.values(), *counts.values(), *single]
        if {type(count) for count in whole} != {int} or not {type(pj) for pj in energy_pj.values()} <= {int, float}:
            raise TypeError("a count is not a whole number, or an energy is not a number")
        if min(whole) < 0 or min(energy_pj.values(), default=0) < 0:
            raise TypeError("a count or an energy is negative")
        return cls(Cycles(**cycles), Counts(**counts), dict(energy_pj), *single)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A policy's outcome beside its baseline's. Savings are shares of the baseline; a negative one is a cost."""

    baseline: Outcome
    policy: Outcome

    @property
    def mac_saving(self) -> float:
        """Share of the baseline's MACs that the policy saves; the predictor's own MACs do not count.

        A policy that skips more than its baseline saves MACs that take time: executed and gated ones. Any other policy
        saves executed MACs only.
        """
        before, after = self.baseline.counts, self.policy.counts
        if after.macs_skipped > before.macs_skipped:
            return (after.macs_skipped - before.macs_skipped) / (before.macs_executed + before.macs_gated)
        return 1 - after.macs_executed / before.macs_executed if before.macs_executed else 0.0

    @property
    def cycle_saving(self) -> float:
        """Share of the baseline's cycles that the policy saves."""
        return 1 - self.policy.cycles.total / self.baseline.cycles.total

    @property
    def speedup(self) -> float:
        """Baseline cycles over the policy's cycles; infinite if the policy leaves nothing to do."""
        cycles = self.policy.cycles.total
        return self.baseline.cycles.total / cycles if cycles else math.inf

    @property
    def energy_saving(self) -> float:
        """Share of the baseline's energy that the policy saves (0 if nothing has a price)."""
        before = self.baseline.total_energy_pj
        return 1 - self.policy.total_energy_pj / before if before else 0.0

    @property
    def skippable_share(self) -> float:
        """Share of the MACs whose output the mask leaves out, whether or not the array can save them."""
        return 1 - self.policy.demanded_macs / self.policy.counts.macs_dense

    def __add__(self, other: Comparison) -> Comparison:
        """Add the comparison of what runs next."""
        return Comparison(self.baseline + other.baseline, self.policy + other.policy)
