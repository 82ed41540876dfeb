"""Columns of the layer table: metrics, with the units that people read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from zapsim.comparison import Comparison
from zapsim.metrics import METRICS, Known, Metric, Simulated, Value

Cell = str | int | float

_PREFIXES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "": (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)),
    "pJ": (("pJ", 1.0), ("nJ", 1e3), ("µJ", 1e6), ("mJ", 1e9), ("J", 1e12)),
    "ns": (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)),
}
"""Units of counts, energies and times, and the base units in one."""

_LONGEST = 100_000
"""A column's largest value stays below this in its unit."""


@dataclass(frozen=True, slots=True)
class Column:
    """A metric as a column of the table.

    Attributes
    ----------
    metric
        What it shows; files hold its plain value in base units under the metric's key.
    unit
        Unit that people read (``µJ``); "" for shares.
    scale
        Base units in one `unit`.
    format
        Format specification of the value in `unit`.
    """

    metric: Metric
    unit: str = ""
    scale: float = 1.0
    format: str = ""

    @property
    def key(self) -> str:
        """Its name in files."""
        return self.metric.key

    @property
    def heading(self) -> str:
        """Its heading for people."""
        return f"{self.metric.heading}, {self.unit}" if self.unit else self.metric.heading

    def value(self, comparison: Comparison, clock: float | None = None) -> Cell:
        """Return the value in base units; "" if there is none. Times and powers need the `clock` in Hz."""
        value = self.metric.value(Simulated(comparison.policy, comparison.baseline, clock))
        return "" if value is None else value

    def text(self, comparison: Comparison, clock: float | None = None) -> str:
        """Return the value as people read it."""
        return self.shown(self.value(comparison, clock))

    def shown(self, value: Value) -> str:
        """Write a value in base units as people read it."""
        return self.metric.text(value, self.scale, self.format or self.metric.format)

    def fitted(self, values: Iterable[Value]) -> Column:
        """Choose the unit of a count, an energy or a time in which the largest of `values` takes few digits."""
        counts = self.metric.kind is int
        if not counts and self.metric.base_unit not in ("pJ", "ns"):
            return self
        largest = max((abs(value) for value in values if isinstance(value, (int, float))), default=0.0)
        units = _PREFIXES["" if counts else self.metric.base_unit]
        unit, scale = next((one for one in units if largest < _LONGEST * one[1]), units[-1])
        return replace(self, unit=unit, scale=scale, format=",d" if counts and scale == 1 else ",.1f")


COLUMNS: tuple[Column, ...] = (
    Column(METRICS["macs"], "M", 1e6, ",.1f"),
    Column(METRICS["skippable_share"]),
    Column(METRICS["mac_saving"]),
    Column(METRICS["cycle_saving"]),
    Column(METRICS["energy_saving"]),
    Column(METRICS["baseline_cycles"], "k", 1e3, ",.0f"),
    Column(METRICS["cycles"], "k", 1e3, ",.0f"),
    Column(METRICS["stalled_share"]),
    Column(METRICS["speedup"], "×"),
    Column(METRICS["baseline_energy"], "µJ", 1e6, ",.1f"),
    Column(METRICS["energy"], "µJ", 1e6, ",.1f"),
    Column(METRICS["predictor_share"]),
    Column(METRICS["bound"]),
)
"""Columns of the layer table; the three savings stand side by side because they differ."""

FILE_COLUMNS: tuple[Column, ...] = (
    *COLUMNS,
    Column(METRICS["structural_loss"]),
    Column(METRICS["imbalance_ratio"], "×"),
)
"""Columns of CSV and JSON: also what the array's rigidity and the wait for the busiest PE cost."""

IMAGE_COLUMNS: tuple[Column, ...] = (
    Column(METRICS["macs_skipped"], "M", 1e6, ",.1f"),
    *(column for column in FILE_COLUMNS if column.key not in {"bound", "macs"}),
)
"""Columns that differ from one image to the next."""

BY_NAME: Final[dict[str, Column]] = {column.metric.name: column for column in FILE_COLUMNS} | {
    metric.name: Column(metric, metric.unit, metric.scale)
    for metric in METRICS.values()
    if metric.function is not None and metric.known in (Known.FROM_RUN, Known.FROM_BASELINE)
    if metric.name not in {"utilisation", *(column.metric.name for column in FILE_COLUMNS)}
}
"""All columns that a run's table can show; a run does not hold the number of MAC units that `utilisation` needs."""

ALIASES: Final[dict[str, str]] = {
    alias: name for name, column in BY_NAME.items() for alias in (column.metric.key, column.metric.column)
}
"""Names of columns by their names in files."""

DEFAULT: Final[tuple[str, ...]] = (
    "macs", "skippable_share", "mac_saving", "cycle_saving", "energy_saving", "cycles", "stalled_share", "energy",
    "bound",
)  # fmt: skip
"""Names of the columns that the table shows unless others are asked for; the three savings stand side by side."""

DISPENSABLE: Final[tuple[str, ...]] = ("stalled_share", "macs", "skippable_share", "bound", "cycles", "energy")
"""Those of the default columns that are left out, in this order, for long names of layers to find place."""
