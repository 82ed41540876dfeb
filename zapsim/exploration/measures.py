"""From runs to the figures of a row: metrics by name and by column, and constraints on them."""

from __future__ import annotations

from collections.abc import Iterable

from zapsim.arch.spec import ArchSpec
from zapsim.energy.area import total_area
from zapsim.exploration.expression import Names, Value
from zapsim.exploration.metrics import METRICS, Run, Stage, mac_units
from zapsim.exploration.space import Constraint


def arch_metrics(arch: ArchSpec) -> dict[str, Value]:
    """Return what is known of an architecture before anything runs on it, by metric name, in base units."""
    area = None if arch.area is None else total_area(arch) * METRICS["area"].scale
    return {"mac_units": mac_units(arch), "area": area}


def run_metrics(run: Run, record: Iterable[str]) -> dict[str, Value]:
    """Return the metrics of `record` that come from a simulation, by name, in base units."""
    chosen = (METRICS[name] for name in record)
    return {one.name: one.of(run) for one in chosen if one.of is not None}


def columns(record: Iterable[str], names: dict[str, Value]) -> dict[str, Value]:
    """Return the values of metrics by column, in its unit, and make them known to expressions by that name too."""
    found: dict[str, Value] = {}
    for name in record:
        metric, value = METRICS[name], names.get(name)
        scaled = value / metric.scale if isinstance(value, (int, float)) and metric.scale != 1 else value
        found[metric.column] = scaled
    names.update(found)
    return found


def layer_row(name: str, run: Run) -> dict[str, Value]:
    """Return the metrics of one layer by column."""
    names = [one.name for one in METRICS.values() if one.stage == Stage.RUN]
    return {"layer": name, **columns(names, dict(run_metrics(run, names)))}


def broken(constraints: Iterable[Constraint], names: Names, stage: Stage) -> str | None:
    """Return the first constraint, of those known at `stage`, that does not hold."""
    early = (one for one in constraints if one.stage <= stage)
    return next((one.expression.text for one in early if one.expression.value(names) is False), None)
