"""Columns of the layer table: metrics, with the units that people read."""

from __future__ import annotations

from dataclasses import dataclass

from zapsim.comparison import Comparison
from zapsim.metrics import METRICS, Metric, Simulated

Cell = str | int | float


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

    def value(self, comparison: Comparison) -> Cell:
        """Return the value in base units."""
        value = self.metric.value(Simulated(comparison.policy, comparison.baseline))
        assert value is not None
        return value

    def text(self, comparison: Comparison) -> str:
        """Return the value as people read it."""
        return self.metric.text(self.value(comparison), self.scale, self.format or self.metric.format)


COLUMNS: tuple[Column, ...] = (
    Column(METRICS["macs"], "M", 1e6, ",.1f"),
    Column(METRICS["skippable_share"]),
    Column(METRICS["mac_saving"]),
    Column(METRICS["cycle_saving"]),
    Column(METRICS["energy_saving"]),
    Column(METRICS["baseline_cycles"], "k", 1e3, ",.0f"),
    Column(METRICS["cycles"], "k", 1e3, ",.0f"),
    Column(METRICS["stalled_share"]),
    Column(METRICS["speedup"]),
    Column(METRICS["baseline_energy"], "µJ", 1e6, ",.1f"),
    Column(METRICS["energy"], "µJ", 1e6, ",.1f"),
    Column(METRICS["predictor_share"]),
    Column(METRICS["bound"]),
)
"""Columns of the layer table; the three savings stand side by side because they differ."""

FILE_COLUMNS: tuple[Column, ...] = (
    *COLUMNS,
    Column(METRICS["structural_loss"]),
    Column(METRICS["imbalance_ratio"]),
)
"""Columns of CSV and JSON: also what the array's rigidity and the wait for the busiest PE cost."""

IMAGE_COLUMNS: tuple[Column, ...] = (
    Column(METRICS["macs_skipped"], "M", 1e6, ",.1f"),
    *(column for column in FILE_COLUMNS if column.key not in {"bound", "macs"}),
)
"""Columns that differ from one image to the next."""
