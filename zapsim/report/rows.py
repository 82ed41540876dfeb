"""The layer table: its columns, defined once for every format, and the line above it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from zapsim.results import Comparison, RunResult
from zapsim.spread import Spread, spread

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


def _not_asked(found: Comparison) -> float:
    """Share of MACs whose output nobody asked for, whether the array could save them or not."""
    return 1 - found.policy.demanded_macs / found.policy.counts.macs_dense


def _stalled(found: Comparison) -> float:
    """Share of the policy's cycles in which the array does nothing, for DRAM, a full buffer or the predictor."""
    cycles = found.policy.cycles
    return cycles.stalled / cycles.total if cycles.total else 0.0


COLUMNS: tuple[Column, ...] = (
    Column("macs", "MACs, M", lambda c: c.policy.counts.macs_dense, ",.1f", 1e6),
    Column("not_asked_share", "not asked", _not_asked, ".1%"),
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

_NOTED = ("cycle_saving", "energy_saving", "mac_saving", "cycles", "energy_pj")


def spreads(result: RunResult) -> dict[str, Spread]:
    """Return mean, deviation and interval over images by column, where at least two images ran one by one."""
    if len(result.each_image) < 2:
        return {}
    found = {}
    for column in SPREAD_COLUMNS:
        values = [float(column.value(one)) for one in result.each_image]
        if all(map(math.isfinite, values)):
            found[column.key] = spread(values)
    return found


def _spread_note(result: RunResult) -> list[str]:
    """Return one line on how much the images differ."""
    found = spreads(result)
    columns = {column.key: column for column in SPREAD_COLUMNS}
    parts = []
    for column, of in ((columns[key], found[key]) for key in _NOTED if key in found):
        show = column.show if column.show.endswith("%") else ",.4g"
        mean, deviation, low, high = (
            format(value / column.unit, show) for value in (of.mean, of.deviation, of.low, of.high)
        )
        parts.append(f"{column.heading} {mean} ± {deviation} (95 %: {low} to {high})")
    return [f"Over {len(result.each_image)} images, one by one: {'; '.join(parts)}."] if parts else []


def headline(result: RunResult) -> str:
    """Return the one line that says what a table is about."""
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
    """Return the thresholds in words; where each layer has its own, their range and the operating point's name."""
    least, most = min(result.thresholds, default=0.0), max(result.thresholds, default=0.0)
    if not result.thresholds:
        return []
    if least == most:
        return [f"threshold {least:g}"]
    return [f"thresholds {least:g} to {most:g} ({result.operating_point})"]


def notes(result: RunResult) -> list[str]:
    """Return the lines that belong under a table: quality's origin, how images differ, provenance and the like."""
    unpredicted = [f"{one.shape.name} ({one.setting})" for one in result.layers if one.setting.startswith("not")]
    lines = [f"Quality: {result.quality_note}"] if result.quality_note else []
    lines += _spread_note(result)
    if unpredicted:
        lines.append("Layers " + ", ".join(unpredicted) + ".")
    lines.append(", ".join(f"{name} {_plain(value)}" for name, value in result.provenance.items()))
    return lines


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {inner}" for name, inner in value.items()) + ")"
    return str(value)
