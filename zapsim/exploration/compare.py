"""Two designs side by side, layer by layer: architectures, results of runs, or designs of an exploration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from html import escape
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Outcome
from zapsim.errors import ConfigError, ZapsimError
from zapsim.exploration import check_dependencies
from zapsim.exploration.conditions import Conditions, conditions_of, differences, quality_of
from zapsim.metrics import METRICS, Metric, Simulated, Value
from zapsim.reading.regular_file import MOST_OF_JSON, read_utf8
from zapsim.results import RunResult
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace
from zapsim.workloads.synthetic import SYNTHETIC, SYNTHETIC_NOTE

if TYPE_CHECKING:
    import pandas as pd

Comparable: TypeAlias = "str | Path | ArchSpec | RunResult"
"""An architecture or its name or file, a result or its JSON file, a folder of ``zapsim explore`` or ``FOLDER@ID``."""

COMPARED: Final[tuple[Metric, ...]] = tuple(
    METRICS[name] for name in ("latency", "energy", "cycles", "dram_words", "bound")
)
"""Metrics of every layer that are compared."""

_SHOWN: Final = tuple(METRICS[name] for name in ("latency", "energy", "dram_words", "bound"))


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two designs.

    Attributes
    ----------
    name, description
        Its name, and what it is in words.
    conditions
        What it ran under.
    layers
        Outcome of every layer by name, in the network's order.
    provenance
        What made the result; empty if it was simulated for the comparison from an exploration.
    """

    name: str
    description: str
    conditions: Conditions
    layers: Mapping[str, Outcome]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clock(self) -> float:
        """Hz of its array."""
        return self.conditions.clock_hz

    def metrics(self, metrics: Sequence[Metric] = COMPARED) -> Iterator[tuple[str, dict[str, Value]]]:
        """Yield every layer and the total with their compared metrics by name, in base units."""
        total = reduce(add, self.layers.values())
        for layer, outcome in (*self.layers.items(), ("total", total)):
            simulated = Simulated(outcome, clock=self.clock)
            yield layer, {metric.name: metric.value(simulated) for metric in metrics}


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two designs, A and B, of the same layers.

    Raises
    ------
    ZapsimError
        If they are of different networks.
    """

    a: Side
    b: Side

    def __post_init__(self) -> None:
        names_a, names_b = list(self.a.layers), list(self.b.layers)
        if names_a != names_b:
            only = [name for name in (*names_a, *names_b) if (name in names_a) != (name in names_b)]
            difference = f"layer {only[0]}" if only else "the order of their layers"
            raise ZapsimError(f"{self.a.name} and {self.b.name} are of different networks: they differ in {difference}")

    @property
    def descriptions(self) -> tuple[str, str]:
        """What A and B are, in words."""
        return f"A: {self.a.description}", f"B: {self.b.description}"

    @property
    def conditions(self) -> dict[str, tuple[str, str]]:
        """Every condition by name: A's and B's, as text."""
        of_b = self.b.conditions.rows()
        return {name: (of_a, of_b[name]) for name, of_a in self.a.conditions.rows().items()}

    @property
    def warnings(self) -> list[str]:
        """What differs besides the designs, and what that means."""
        return list(differences(self.a.conditions, self.b.conditions))

    def rows(self, metrics: Sequence[Metric] = COMPARED) -> Iterator[tuple[str, dict[str, Value], dict[str, Value]]]:
        """Yield every layer and the total: name, metrics of A and of B by name, in base units."""
        for (layer, a), (_, b) in zip(self.a.metrics(metrics), self.b.metrics(metrics), strict=True):
            yield layer, a, b

    def records(self) -> list[dict[str, Value]]:
        """List every layer and the total with all metrics by column (``latency_ms_a``), in its unit."""
        records = []
        for layer, a, b in self.rows():
            record: dict[str, Value] = {"layer": layer}
            for metric in COMPARED:
                record[f"{metric.column}_a"] = metric.scaled(a[metric.name])
                record[f"{metric.column}_b"] = metric.scaled(b[metric.name])
            records.append(record)
        return records

    def to_dataframe(self) -> pd.DataFrame:
        """Return :meth:`records` as a table, one row per layer and a total.

        Raises
        ------
        ZapsimError
            If pandas is missing.
        """
        check_dependencies("a table of a comparison", ("pandas",))
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def __str__(self) -> str:
        """Return both descriptions and a table as text."""
        table = [list(self._headings()), *(list(cells) for cells in self._cells())]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([*self.descriptions, *self._warned(), *(line.rstrip() for line in lines)])

    def _repr_html_(self) -> str:
        """Return the same as HTML, for notebooks."""
        heading = "".join(f"<th>{escape(cell)}</th>" for cell in self._headings())
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self._cells())
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        descriptions = "<br>".join(map(escape, (*self.descriptions, *self._warned())))
        return f"<p>{descriptions}</p><table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>"

    def _warned(self) -> list[str]:
        return [f"warning: {warning}" for warning in self.warnings]

    def _headings(self) -> Iterator[str]:
        yield "layer"
        for metric in _SHOWN:
            name = f"{metric.heading}, {metric.unit}" if metric.unit else metric.heading
            yield from (f"{name}: A", "B")
            if metric.kind is not str:
                yield "B / A"

    def _cells(self) -> Iterator[list[str]]:
        for layer, a, b in self.rows():
            cells = [layer]
            for metric in _SHOWN:
                cells += (metric.text(a[metric.name]), metric.text(b[metric.name]))
                if metric.kind is not str:
                    cells.append(ratio(a[metric.name], b[metric.name]))
            yield cells


def ratio(a: Value, b: Value) -> str:
    """Return b / a in three digits, or a dash if it is undefined."""
    return f"{b / a:.3g}" if isinstance(a, (int, float)) and isinstance(b, (int, float)) and a else "–"


def compare(
    a: Comparable,
    b: Comparable,
    *,
    trace: str | Path | Trace | None = None,
    point: str | None = None,
    policy: str = "zap",
    overrides_a: Sequence[str] = (),
    overrides_b: Sequence[str] = (),
) -> SideBySide:
    """Put two designs side by side: time, energy and DRAM words of every layer.

    Parameters
    ----------
    a, b
        Each an architecture, its name or file; a result, or the JSON file of one; or a folder of ``zapsim explore``,
        alone (its best design in the first objective) or as ``FOLDER@ID`` with the beginning of a design's id.
    trace
        What architectures run; needed only for these.
    point
        Operating point of the trace (None: its first).
    policy
        What architectures do with zeros.
    overrides_a, overrides_b
        Changes of an architecture that is given by its name or file, such as ``array.rows=16``.

    Raises
    ------
    ZapsimError
        If one of the two does not exist or cannot run, or if they are of different networks.
    """

    def side(design: Comparable, overrides: Sequence[str]) -> Side:
        if isinstance(design, RunResult):
            return _side_of_result(design)
        if not isinstance(design, ArchSpec):
            text = str(design)
            folder, _, beginning = text.rpartition("@")
            if folder and Path(folder).is_dir():
                return _side_of_design(Path(folder), beginning)
            if Path(text).is_dir():
                return _side_of_design(Path(text), "")
            if text.endswith(".json"):
                return _side_of_file(Path(text))
            design = load_arch(text, overrides)
        elif overrides:
            raise ConfigError(f"{design.name}: overrides need the name or the file of an architecture")
        if trace is None:
            raise ZapsimError(f"{design.name} is an architecture and needs a trace to run; set trace")
        return _side_of_arch(design, trace if isinstance(trace, Trace) else Trace(trace), point, policy, overrides)

    return SideBySide(side(a, overrides_a), side(b, overrides_b))


def _side_of_arch(arch: ArchSpec, trace: Trace, point: str | None, policy: str, overrides: Sequence[str]) -> Side:
    result = simulate(arch, trace, preset(policy, arch.inputs), point=point)
    changes = "".join(f", {change}" for change in overrides)
    return _side_of_result(result, f"{arch.name} ({result.arch_summary}{changes}), policy {policy}")


def _side_of_result(result: RunResult, description: str = "") -> Side:
    layers = {layer.shape.name: layer.comparison.policy for layer in result.layers}
    description = description or f"{result.arch} ({result.arch_summary}), policy {result.policy}"
    if result.quality_note == SYNTHETIC_NOTE:
        description += f", {SYNTHETIC} masks"
    return Side(result.arch, description, conditions_of(result), layers, result.provenance)


def _side_of_file(path: Path) -> Side:
    """Read a JSON result."""
    text = read_utf8(path, MOST_OF_JSON, "JSON result")
    try:
        return _side_of_result(RunResult.from_json(text))
    except ZapsimError as error:
        raise ZapsimError(f"{path}: {error}") from None


def _side_of_design(folder: Path, beginning: str) -> Side:
    """Evaluate a design of an exploration once more, for its layers."""
    check_dependencies()
    from zapsim.exploration.evaluate import Evaluator
    from zapsim.exploration.manifest import space_of_folder
    from zapsim.exploration.pareto import load_front

    space = space_of_folder(folder)
    front = load_front(folder)
    rows = [row for row in front.rows if str(row["id"]).startswith(beginning)] if beginning else front.best[:1]
    if len(rows) != 1:
        number = f"{len(rows)} designs whose ids begin" if rows else "no evaluated design whose id begins"
        raise ZapsimError(f"{folder}: has {number} with '{beginning}'")
    row = rows[0]
    layers, arch = Evaluator(space).outcomes(row["design"])
    choices = ", ".join(f"{name} {row[name]}" for name in front.choices if row[name] is not None)
    name = row["id"][:8]
    workload = space.workloads[space.lattice.design(row["design"])[1]]
    if workload.quality_note == SYNTHETIC_NOTE:
        choices = f"{choices or row['arch']}, {SYNTHETIC} masks"
    policy = preset(row["policy"], arch.inputs)
    conditions = Conditions(
        policy=policy.name,
        trace=f"{workload.path.name} {workload.trace_sha256[:8]}",
        point=workload.point,
        images=len(Trace(workload.path).image_indices(space.images)),
        batch=space.batch,
        **quality_of(policy.outputs, policy.knowledge, workload.quality, workload.quality_note),
        process=arch.process,
        clock_hz=arch.clock,
    )
    return Side(f"{folder.name}@{name}", f"{front.name} {name}: {choices or row['arch']}", conditions, layers)
