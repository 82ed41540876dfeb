"""What is measured of a design: the names that objectives and constraints use, and the columns of the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Comparison, Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS
from zapsim.exploration.expression import Value


class Stage(IntEnum):
    """When a metric is known: each stage costs more than the one before."""

    DESIGN = 0
    """From the design's choices alone (its operating point's quality)."""
    ARCH = 1
    """From the checked architecture."""
    RUN = 2
    """From a simulation."""
    BASELINE = 3
    """From a simulation of the policy's baseline beside it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a design's metrics are taken from; `baseline` is None unless a metric asks for it."""

    arch: ArchSpec
    outcome: Outcome
    baseline: Outcome | None

    @property
    def comparison(self) -> Comparison:
        """The outcome beside its baseline."""
        assert self.baseline is not None
        return Comparison(self.baseline, self.outcome)

    @property
    def seconds(self) -> float:
        """Time of the run on the accelerator."""
        return self.outcome.cycles.total / self.arch.clock


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes
    ----------
    name
        In expressions, in base units.
    column
        In results, with its unit.
    scale
        Base units in one unit of the column.
    what
        In words.
    stage
        When it is known.
    of
        Its value in base units, from a run (None: :mod:`zapsim.exploration.quality` or the architecture knows it).
    unit
        As quantities are written (``mJ``), if a number without one could be misread; else "".
    """

    name: str
    column: str
    scale: float
    what: str
    stage: Stage
    of: Callable[[Run], Value] | None = None
    unit: str = ""

    @property
    def whole(self) -> bool:
        """Whether it counts something."""
        return self.name in {"cycles", "mac_units", "macs_skipped", "stalled"} or self.name.startswith(
            ("cycles.", "counts.")
        )


def _run(name: str, column: str, scale: float, what: str, of: Callable[[Run], Value], unit: str = "") -> Metric:
    return Metric(name, column, scale, what, Stage.RUN, of, unit)


def _of_outcome(name: str, what: str) -> Metric:
    return _run(name, name, 1, what, lambda run: getattr(run.outcome, name))


def _of_cycles(name: str, what: str) -> Metric:
    return _run(name, name, 1, what, lambda run: getattr(run.outcome.cycles, name))


def _of_counts(name: str, what: str) -> Metric:
    return _run(name, name, 1, what, lambda run: getattr(run.outcome.counts, name))


def _saving(name: str, what: str) -> Metric:
    return Metric(name, name, 1, what, Stage.BASELINE, lambda run: getattr(run.comparison, name))


def _edp(run: Run) -> float:
    return run.outcome.total_energy_pj * run.seconds * 1e9


def _power(run: Run) -> float | None:
    return run.outcome.total_energy_pj / run.seconds * 1e-9 if run.seconds else None


def _utilisation(run: Run) -> float | None:
    slots = run.outcome.cycles.total * mac_units(run.arch)
    return run.outcome.counts.macs_executed / slots if slots else None


_MAIN: Final = (
    Metric("accuracy", "accuracy", 1, "top-1 accuracy, share of 1", Stage.DESIGN),
    Metric("accuracy_drop", "accuracy_drop", 1, "percentage points of top-1 accuracy lost", Stage.DESIGN),
    Metric("agreement", "agreement", 1, "share of pictures classified as by the unmodified network", Stage.DESIGN),
    Metric("output_error", "output_error", 1, "norm of the output's change over the output's norm", Stage.DESIGN),
    Metric("mac_units", "mac_units", 1, "MACs that the array can do in a cycle", Stage.ARCH),
    Metric("area", "area_mm2", 1e6, "area of the core", Stage.ARCH, unit="mm2"),
    _run("cycles", "cycles", 1, "cycles of the network", lambda run: run.outcome.cycles.total),
    _run("latency", "latency_ms", 1e6, "time of the network", lambda run: run.seconds * 1e9, "ms"),
    _run("energy", "energy_mj", 1e9, "energy of the network", lambda run: run.outcome.total_energy_pj, "mJ"),
    _run("edp", "edp_mj_ms", 1e15, "energy × time", _edp),
    _run("power", "power_mw", 1, "energy over time, in mW", _power),
    _run("utilisation", "utilisation", 1, "MACs that switch over cycles × MAC units", _utilisation),
    _of_counts("macs_skipped", "MACs that take no time"),
    _of_counts("structural_loss", "share of the skippable MACs that the array computes all the same"),
    _of_cycles("imbalance_ratio", "work of the slowest PE over the mean of the array"),
    _of_cycles("stalled", "cycles in which the array does nothing, for DRAM, buffer or predictor"),
    _of_outcome("predictor_share", "the predictor's share of the energy"),
    _saving("mac_saving", "share of the baseline's MACs saved"),
    _saving("cycle_saving", "share of the baseline's cycles saved"),
    _saving("energy_saving", "share of the baseline's energy saved"),
    _saving("speedup", "baseline cycles over cycles"),
)


def _count(name: str) -> Metric:
    return _run(
        f"counts.{name}", f"counts.{name}", 1, f"actions: {name}", lambda run: getattr(run.outcome.counts, name)
    )


def _cycles(name: str) -> Metric:
    return _run(f"cycles.{name}", f"cycles.{name}", 1, f"cycles: {name}", lambda run: getattr(run.outcome.cycles, name))


def _energy(part: str) -> Metric:
    name, column = f"energy.{part}", f"energy_mj.{part}"
    return _run(name, column, 1e9, f"energy: {part}", lambda run: run.outcome.energy_pj.get(part, 0.0), "mJ")


_PARTS: Final = (*map(_cycles, Cycles().as_dict()), *map(_energy, COMPONENTS))
_COUNTS: Final = tuple(map(_count, Counts().as_dict()))

METRICS: Final[dict[str, Metric]] = {one.name: one for one in (*_MAIN, *_PARTS, *_COUNTS)}
"""All metrics by name."""

STANDARD: Final[tuple[str, ...]] = tuple(one.name for one in (*_MAIN, *_PARTS) if one.stage < Stage.BASELINE)
"""What every result has: all but the single counts, and what needs a second simulation."""

BY_COLUMN: Final[dict[str, Metric]] = {one.column: one for one in METRICS.values()}
"""All metrics by column."""


_MEASURED: Final = (
    ("accuracy", "top1_accuracy"),
    ("agreement", "top1_agreement"),
    ("output_error", "relative_output_error"),
)
"""Metrics that an operating point's quality gives, and what traces call them."""


def mac_units(arch: ArchSpec) -> int:
    """Return the MACs that the array of `arch` can do in a cycle."""
    return arch.array.mac_units


def quality_metrics(quality: Mapping[str, float], policy: Policy) -> dict[str, float]:
    """Return what is known of the network's quality, by metric name; empty where it was not measured.

    A policy that leaves no output out but true zeros changes nothing: it loses no accuracy, whatever the operating
    point.
    """
    before = quality.get("top1_accuracy_unmodified")
    if policy.outputs not in {"gate", "skip"} or policy.knowledge != "predictor":
        known = {"accuracy_drop": 0.0, "agreement": 1.0, "output_error": 0.0}
        return known if before is None else known | {"accuracy": before}
    found = {name: quality[key] for name, key in _MEASURED if key in quality}
    if before is not None and "accuracy" in found:
        found["accuracy_drop"] = round(100 * (before - found["accuracy"]), 9)  # 0.2, not 0.20000000000000018
    return found
