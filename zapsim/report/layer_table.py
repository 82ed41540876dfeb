"""The table of a result's layers: its columns for every format, the line above it and the lines below."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zapsim.metrics import METRICS, Metric, Simulated
from zapsim.report.confidence import OverImages, over_images
from zapsim.results import Comparison, RunResult

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

_NOTED = ("cycle_saving", "energy_saving", "mac_saving", "cycles", "energy_pj")


def image_statistics(result: RunResult) -> dict[str, OverImages]:
    """Return mean, deviation and interval over images by column, if at least two images ran one by one."""
    if len(result.each_image) < 2:
        return {}
    statistics = {}
    for column in IMAGE_COLUMNS:
        values = [float(column.value(comparison)) for comparison in result.each_image]
        if all(map(math.isfinite, values)):
            statistics[column.key] = over_images(values)
    return statistics


def _image_note(result: RunResult) -> list[str]:
    """Return one line on how much the images differ."""
    statistics = image_statistics(result)
    columns = {column.key: column for column in IMAGE_COLUMNS}
    parts = []
    for column, over in ((columns[key], statistics[key]) for key in _NOTED if key in statistics):
        form = column.metric.format if column.metric.format.endswith("%") else ",.4g"
        mean, deviation, low, high = (
            format(value / column.scale, form) for value in (over.mean, over.deviation, over.low, over.high)
        )
        parts.append(f"{column.heading} {mean} ± {deviation} (95 %: {low} to {high})")
    return [f"Over {len(result.each_image)} images, one by one: {'; '.join(parts)}."] if parts else []


def headline(result: RunResult) -> str:
    """Say in one line what a table is about."""
    seconds = result.total.policy.cycles.total / result.clock_hz
    parts = [
        f"{result.network} on {', '.join(result.images)}",
        f"pattern {', '.join(result.patterns)}" if result.patterns else "no predictors",
        *_thresholds(result),
        *(f"{name.replace('_', ' ')} {value:.2%}" for name, value in result.quality.items()),
        f"{result.arch} ({result.arch_summary})",
        f"policy {result.policy} against {result.baseline}",
        f"{seconds * 1e3:.1f} ms",
        *([result.energy_note] if result.energy_note else []),
    ]
    return " · ".join(parts)


def _thresholds(result: RunResult) -> list[str]:
    """Say the thresholds; if each layer has its own, their range and the name of the operating point."""
    least, most = min(result.thresholds, default=0.0), max(result.thresholds, default=0.0)
    if not result.thresholds:
        return []
    if least == most:
        return [f"threshold {least:g}"]
    return [f"thresholds {least:g} to {most:g} ({result.operating_point})"]


def notes(result: RunResult) -> list[str]:
    """Return the lines under a table: how quality was measured, how images differ, unpredicted layers, versions."""
    unpredicted = [f"{one.shape.name} ({one.setting})" for one in result.layers if one.setting.startswith("not")]
    lines = [f"Quality: {result.quality_note}"] if result.quality_note else []
    lines += _image_note(result)
    if unpredicted:
        lines.append("Layers " + ", ".join(unpredicted) + ".")
    lines.append(", ".join(f"{name} {_plain(value)}" for name, value in result.provenance.items()))
    return lines


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {inner}" for name, inner in value.items()) + ")"
    return str(value)
