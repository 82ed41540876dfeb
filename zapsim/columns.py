"""Columns of the layer table, declared once for every format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zapsim.comparison import Comparison

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in files, its heading for people, how to compute it and how to show it.

    ``show`` is a format specification (``.1%``) for the value over ``unit``; files hold the plain value.
    """

    key: str
    heading: str
    value: Callable[[Comparison], Cell]
    show: str = ""
    unit: float = 1.0

    def text(self, comparison: Comparison) -> str:
        """Return the value as people read it."""
        value = self.value(comparison)
        return value if isinstance(value, str) else format(value / self.unit, self.show)


def _stalled(comparison: Comparison) -> float:
    """Share of the policy's cycles in which the array does nothing, for DRAM, a full buffer or the predictor."""
    cycles = comparison.policy.cycles
    return cycles.stalled / cycles.total if cycles.total else 0.0


COLUMNS: tuple[Column, ...] = (
    Column("macs", "MACs, M", lambda c: c.policy.counts.macs_dense, ",.1f", 1e6),
    Column("skippable_share", "skippable", lambda c: c.skippable_share, ".1%"),
    Column("mac_saving", "MACs saved", lambda c: c.mac_saving, ".1%"),
    Column("cycle_saving", "cycles saved", lambda c: c.cycle_saving, ".1%"),
    Column("energy_saving", "energy saved", lambda c: c.energy_saving, ".1%"),
    Column("baseline_cycles", "base cycles, k", lambda c: c.baseline.cycles.total, ",.0f", 1e3),
    Column("cycles", "cycles, k", lambda c: c.policy.cycles.total, ",.0f", 1e3),
    Column("stalled_share", "stalled", _stalled, ".1%"),
    Column("speedup", "speedup", lambda c: c.speedup, ".2f"),
    Column("baseline_energy_pj", "base energy, µJ", lambda c: c.baseline.total_energy_pj, ",.1f", 1e6),
    Column("energy_pj", "energy, µJ", lambda c: c.policy.total_energy_pj, ",.1f", 1e6),
    Column("predictor_energy_share", "predictor", lambda c: c.policy.predictor_share, ".1%"),
    Column("bound", "bound by", lambda c: c.policy.cycles.bound),
)
"""Columns of the layer table; the three savings stand side by side because they differ."""

FILE_COLUMNS: tuple[Column, ...] = (
    *COLUMNS,
    Column("structural_loss", "structural loss", lambda c: c.policy.counts.structural_loss, ".1%"),
    Column("imbalance", "imbalance", lambda c: c.policy.cycles.imbalance_ratio, ".2f"),
)
"""Columns of CSV and JSON: also what the array's rigidity and the wait for the busiest PE take."""


SPREAD_COLUMNS: tuple[Column, ...] = (
    Column("macs_skipped", "MACs skipped, M", lambda c: c.policy.counts.macs_skipped, ",.1f", 1e6),
    *(column for column in FILE_COLUMNS if column.key not in {"bound", "macs"}),
)
"""What differs from one image to the next."""
