"""Every named quantity of a result, declared once: for tables, files, comparisons, objectives and constraints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final, TypeAlias

from zapsim.comparison import Comparison, Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS

Value: TypeAlias = float | int | str | bool | None
"""Value of a metric, a parameter or a choice; None: the design has none."""


class Known(IntEnum):
    """When a metric is known: each step costs more than the one before."""

    FROM_CHOICES = 0
    """The operating point's measured quality tells."""
    FROM_ARCH = 1
    """The checked architecture tells."""
    FROM_RUN = 2
    """It takes a simulation."""
    FROM_BASELINE = 3
    """It takes a simulation of the policy's baseline, too."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What metrics are taken from: a layer or a network under a policy, and under its baseline.

    `baseline`, `clock` (Hz) and `mac_units` are None where no metric that is asked for needs them.
    """

    outcome: Outcome
    baseline: Outcome | None = None
    clock: float | None = None
    mac_units: int | None = None

    @property
    def comparison(self) -> Comparison:
        """The outcome beside its baseline."""
        assert self.baseline is not None
        return Comparison(self.baseline, self.outcome)

    @property
    def seconds(self) -> float:
        """Time that it takes on the accelerator."""
        assert self.clock is not None
        return self.outcome.cycles.total / self.clock


@dataclass(frozen=True, slots=True)
class Metric:
    """A named quantity of a result.

    Attributes
    ----------
    name
        In expressions, where it stands for its value in base units.
    heading
        In tables; without the unit.
    meaning
        In words.
    known
        When it is known.
    function
        Its value in base units; None: from the operating point's quality or the architecture alone.
    kind
        Type of the value.
    format
        Format specification of the value in `unit`, for people.
    base_unit
        Unit of the value that `function` returns; "" for counts and shares.
    unit
        Unit in which tables and explorations have it; "" for counts and shares.
    scale
        Base units in one `unit`.
    """

    name: str
    heading: str
    meaning: str
    known: Known
    function: Callable[[Simulated], Value] | None = None
    kind: type[int] | type[float] | type[str] = float
    format: str = ""
    base_unit: str = ""
    unit: str = ""
    scale: float = 1.0

    @property
    def key(self) -> str:
        """Its key in files that hold base units, as ``energy_pj``."""
        return _with_unit(self.name, self.base_unit)

    @property
    def column(self) -> str:
        """Its column in explorations and comparisons, as ``energy_mj``."""
        return _with_unit(self.name, self.unit)

    def value(self, simulated: Simulated) -> Value:
        """Return the value in base units."""
        assert self.function is not None, f"{self.name} is not of a simulation"
        return self.function(simulated)

    def scaled(self, value: Value) -> Value:
        """Convert a value in base units to :attr:`unit`; counts, shares and text stay as they are."""
        return value / self.scale if isinstance(value, (int, float)) and self.scale != 1 else value

    def text(self, value: Value, scale: float | None = None, form: str | None = None) -> str:
        """Format a value in base units for people.

        Parameters
        ----------
        value
            The value in base units.
        scale, form
            Base units in one unit of the table, and its format specification (None: :attr:`scale` and :attr:`format`).
        """
        if value is None or isinstance(value, str):
            return "–" if value is None else value
        divisor = self.scale if scale is None else scale
        return format(value if divisor == 1 else value / divisor, self.format if form is None else form)


@cache
def _with_unit(name: str, unit: str) -> str:
    """Return ``energy_mj.dram`` for ``energy.dram`` and mJ."""
    first, dot, part = name.partition(".")
    suffix = unit.lower().replace(" ", "_")
    return f"{first}{'_' if suffix else ''}{suffix}{dot}{part}"


def _energy_delay_product(simulated: Simulated) -> float:
    return simulated.outcome.total_energy_pj * simulated.seconds * 1e9


def _power(simulated: Simulated) -> float | None:
    return simulated.outcome.total_energy_pj / simulated.seconds * 1e-9 if simulated.seconds else None


def _utilisation(simulated: Simulated) -> float | None:
    assert simulated.mac_units is not None
    possible_macs = simulated.outcome.cycles.total * simulated.mac_units
    return simulated.outcome.counts.macs_executed / possible_macs if possible_macs else None


def _skippable_share(simulated: Simulated) -> float:
    return 1 - simulated.outcome.demanded_macs / simulated.outcome.counts.macs_dense


def _stalled_share(simulated: Simulated) -> float:
    cycles = simulated.outcome.cycles
    return cycles.stalled / cycles.total if cycles.total else 0.0


def _dram_words(simulated: Simulated) -> int:
    return simulated.outcome.counts.dram_reads + simulated.outcome.counts.dram_writes


_QUALITY: Final = (
    Metric("accuracy", "accuracy", "top-1 accuracy, as a share of 1", Known.FROM_CHOICES, format=".2%"),
    Metric("accuracy_drop", "accuracy lost", "percentage points of top-1 accuracy lost", Known.FROM_CHOICES,
           format=".2f"),
    Metric("agreement", "agreement", "share of pictures classified as by the unmodified network", Known.FROM_CHOICES,
           format=".2%"),
    Metric("output_error", "output error", "norm of the output's change over the output's norm", Known.FROM_CHOICES,
           format=".2%"),
)  # fmt: skip

_ARCH: Final = (
    Metric("mac_units", "MAC units", "MACs that the array can do per cycle", Known.FROM_ARCH, kind=int, format=",d"),
    Metric("area", "area", "area of the core", Known.FROM_ARCH, base_unit="um2", unit="mm2", scale=1e6, format=".2f"),
)

_RUN: Final = (
    Metric("macs", "MACs", "MACs of the network, whatever becomes of them", Known.FROM_RUN,
           lambda run: run.outcome.counts.macs_dense, kind=int, format=",d"),
    Metric("skippable_share", "skippable",
           "share of the MACs whose output the mask leaves out, whether or not the array can save it", Known.FROM_RUN,
           _skippable_share, format=".1%"),
    Metric("macs_skipped", "MACs skipped", "MACs that take neither time nor switching energy", Known.FROM_RUN,
           lambda run: run.outcome.counts.macs_skipped, kind=int, format=",d"),
    Metric("cycles", "cycles", "cycles of the network", Known.FROM_RUN, lambda run: run.outcome.cycles.total,
           kind=int, format=",d"),
    Metric("latency", "time", "time of the network", Known.FROM_RUN, lambda run: run.seconds * 1e9,
           base_unit="ns", unit="ms", scale=1e6, format=".3f"),
    Metric("energy", "energy", "energy of the network", Known.FROM_RUN, lambda run: run.outcome.total_energy_pj,
           base_unit="pJ", unit="mJ", scale=1e9, format=".4f"),
    Metric("edp", "EDP", "energy × time", Known.FROM_RUN, _energy_delay_product,
           base_unit="pJ ns", unit="mJ ms", scale=1e15, format=".4g"),
    Metric("power", "power", "energy over time", Known.FROM_RUN, _power, base_unit="mW", unit="mW", format=".4g"),
    Metric("dram_words", "DRAM words", "words read from and written to DRAM", Known.FROM_RUN, _dram_words,
           kind=int, format=",d"),
    Metric("bound", "bound by", "what most cycles go to", Known.FROM_RUN, lambda run: run.outcome.cycles.bound,
           kind=str),
    Metric("stalled", "stalled cycles", "cycles in which the array waits for DRAM, buffer or predictor",
           Known.FROM_RUN, lambda run: run.outcome.cycles.stalled, kind=int, format=",d"),
    Metric("stalled_share", "stalled", "share of the cycles in which the array waits for DRAM, buffer or predictor",
           Known.FROM_RUN, _stalled_share, format=".1%"),
    Metric("utilisation", "utilisation", "executed MACs over cycles × MAC units", Known.FROM_RUN, _utilisation,
           format=".1%"),
    Metric("structural_loss", "structural loss", "share of the skippable MACs that the array executes all the same",
           Known.FROM_RUN, lambda run: run.outcome.counts.structural_loss, format=".1%"),
    Metric("imbalance_ratio", "imbalance", "work of the slowest PE over the mean of the array", Known.FROM_RUN,
           lambda run: run.outcome.cycles.imbalance_ratio, format=".2f"),
    Metric("predictor_share", "predictor", "the predictor's share of the energy", Known.FROM_RUN,
           lambda run: run.outcome.predictor_share, format=".1%"),
)  # fmt: skip

_BASELINE: Final = (
    Metric("baseline_cycles", "base cycles", "cycles of the baseline", Known.FROM_BASELINE,
           lambda run: run.comparison.baseline.cycles.total, kind=int, format=",d"),
    Metric("baseline_energy", "base energy", "energy of the baseline", Known.FROM_BASELINE,
           lambda run: run.comparison.baseline.total_energy_pj,
           base_unit="pJ", unit="mJ", scale=1e9, format=".4f"),
    Metric("mac_saving", "MACs saved", "share of the baseline's MACs saved", Known.FROM_BASELINE,
           lambda run: run.comparison.mac_saving, format=".1%"),
    Metric("cycle_saving", "cycles saved", "share of the baseline's cycles saved", Known.FROM_BASELINE,
           lambda run: run.comparison.cycle_saving, format=".1%"),
    Metric("energy_saving", "energy saved", "share of the baseline's energy saved", Known.FROM_BASELINE,
           lambda run: run.comparison.energy_saving, format=".1%"),
    Metric("speedup", "speedup", "baseline cycles over cycles", Known.FROM_BASELINE,
           lambda run: run.comparison.speedup, format=".2f"),
)  # fmt: skip


def _cycles(part: str) -> Metric:
    words = part.replace("_", " ")
    return Metric(f"cycles.{part}", words, f"cycles: {words}", Known.FROM_RUN,
                  lambda run: getattr(run.outcome.cycles, part), kind=int, format=",d")  # fmt: skip


def _energy(component: str) -> Metric:
    return Metric(f"energy.{component}", component, f"energy: {component}", Known.FROM_RUN,
                  lambda run: run.outcome.energy_pj.get(component, 0.0),
                  base_unit="pJ", unit="mJ", scale=1e9, format=".4f")  # fmt: skip


def _count(action: str) -> Metric:
    words = action.replace("_", " ")
    return Metric(f"counts.{action}", words, f"actions: {words}", Known.FROM_RUN,
                  lambda run: getattr(run.outcome.counts, action), kind=int, format=",d")  # fmt: skip


_PARTS: Final = (*map(_cycles, Cycles().as_dict()), *map(_energy, COMPONENTS))
_COUNTS: Final = tuple(map(_count, Counts().as_dict()))

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric for metric in (*_QUALITY, *_ARCH, *_RUN, *_BASELINE, *_PARTS, *_COUNTS)
}
"""All metrics by name."""

BY_COLUMN: Final[dict[str, Metric]] = {metric.column: metric for metric in METRICS.values()}
"""All metrics by column."""

STANDARD: Final[tuple[str, ...]] = tuple(metric.name for metric in (*_QUALITY, *_ARCH, *_RUN, *_PARTS))
"""Metrics that every exploration records: all but single counts, and those that need a second simulation."""


def metric_named(name: str) -> Metric | None:
    """Return the metric of a name or of a column."""
    return METRICS.get(name) or BY_COLUMN.get(name)
