"""Published figures compared with ours: dense layers, measured as the paper of a chip or simulator measured them.

A validation is one YAML and one CSV. The YAML says what is compared and how large an error may be. The CSV has one row
per layer: its shape, the shares of zeros that coding needs, keys of the architecture, and the published figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zapsim.arch.faults import known_keys, translate
from zapsim.arch.load import load_arch
from zapsim.arch.section import Prose
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import WHOLE_LAYER, Demand, StageResult
from zapsim.arrays.engines import ENGINES
from zapsim.arrays.gating import expected_window_nonzero
from zapsim.csvfile import TableRow, read_table
from zapsim.energy.model import energy_by_component
from zapsim.errors import ConfigError, WorkloadError, did_you_mean, shown
from zapsim.reading.text import Line
from zapsim.reading.yaml_text import read_mapping
from zapsim.shipped import find_file, shipped_names
from zapsim.timing.combination import LayerTiming, combine_stages
from zapsim.timing.dram import expected_coded_words
from zapsim.timing.predictor import PredictorResult
from zapsim.timing.residency import operand_loads
from zapsim.workload import ConvShape

_ZEROS = ("ifmap_zeros", "ofmap_zeros")


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A dense layer on an architecture, as the model times it; `ofmap_words` are those of the coded ofmap in DRAM."""

    shape: ConvShape
    arch: ArchSpec
    result: StageResult
    ofmap_words: int

    @property
    def processing_ms(self) -> float:
        """Time of the array alone, in ms."""
        return self.result.cycles.total / self.arch.clock * 1e3

    @property
    def timing(self) -> LayerTiming:
        """The layer on the array and the DRAM channel, which overlap as far as the architecture prefetches."""
        loads, _ = operand_loads(self.arch, [self.result.tiles])
        return combine_stages(
            self.arch, self.shape, [self.result], loads, PredictorResult(), self.ofmap_words, self.shape.macs
        )

    @property
    def total_ms(self) -> float:
        """Time of the layer with DRAM, in ms."""
        return self.timing.cycles.total / self.arch.clock * 1e3

    @property
    def chip_energy_mj(self) -> float:
        """Energy of the chip in :attr:`total_ms`, without DRAM, in mJ."""
        timing = self.timing
        parts = energy_by_component(self.arch, timing.counts, timing.cycles.total)
        return math.fsum(pj for part, pj in parts.items() if part != "dram") * 1e-9


def _megabytes(layer: DenseLayer, words: int) -> float:
    return words * layer.arch.word_bytes / 1e6


PUBLISHED_METRICS: dict[str, Callable[[DenseLayer], float]] = {
    "cycles": lambda layer: layer.result.cycles.total,
    "processing_ms": lambda layer: layer.processing_ms,
    "total_ms": lambda layer: layer.total_ms,
    "mmac": lambda layer: layer.shape.macs / 1e6,
    "active_pes": lambda layer: layer.result.active_pes,
    "glb_mb": lambda layer: _megabytes(layer, layer.result.counts.glb_reads + layer.result.counts.glb_writes),
    "power_mw": lambda layer: layer.chip_energy_mj / layer.total_ms * 1e3,
    "energy_mj": lambda layer: layer.chip_energy_mj,
    "dram_mb": lambda layer: _megabytes(layer, layer.timing.counts.dram_reads + layer.timing.counts.dram_writes),
}
"""What the columns of a CSV can hold, and how we compute the same. MB are 1e6 bytes; times and energies are those of
the whole batch."""


Accepted = Annotated[float, Field(ge=0, le=1e6, strict=True, allow_inf_nan=False)]


class Target(BaseModel):
    """Largest errors that a validation accepts, as shares of 1: of each layer, on average, and of the layers' sum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: Accepted | None = None
    mean: Accepted | None = None
    sum: Accepted | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any target; a metric without one is shown all the same."""
        return any(most is not None for most in (self.layer, self.mean, self.sum))


class ValidationSpec(BaseModel):
    """Contents of a validation's YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Prose
    source: Prose
    arch: Line
    figures: Line
    targets: dict[str, Target] = Field(min_length=1)
    notes: Prose = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of one layer: our value and the published one."""

    layer: str
    ours: float
    published: float

    @property
    def error(self) -> float:
        """Signed error of our value, relative to the published one."""
        return self.ours / self.published - 1 if self.published else float(self.ours != 0)


@dataclass(frozen=True, slots=True)
class MetricErrors:
    """A metric's errors over all layers, with the target."""

    metric: str
    figures: tuple[Figure, ...]
    target: Target

    @property
    def largest(self) -> float:
        """Largest absolute error of a layer."""
        return max(abs(figure.error) for figure in self.figures)

    @property
    def mean(self) -> float:
        """Mean absolute error of the layers."""
        return math.fsum(abs(figure.error) for figure in self.figures) / len(self.figures)

    @property
    def of_sum(self) -> float:
        """Signed error of the sum over all layers."""
        ours, published = (
            math.fsum(getattr(figure, side) for figure in self.figures) for side in ("ours", "published")
        )
        return ours / published - 1

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        errors = ((self.target.layer, self.largest), (self.target.mean, self.mean), (self.target.sum, abs(self.of_sum)))
        return all(error <= most for most, error in errors if most is not None)


@dataclass(frozen=True, slots=True)
class Validation:
    """A validation with its errors, metric by metric."""

    spec: ValidationSpec
    metrics: tuple[MetricErrors, ...]

    @property
    def met(self) -> bool:
        """Whether every target of every metric is met."""
        return all(errors.met for errors in self.metrics)


def known_validations() -> list[str]:
    """List the names of the shipped validations; there is at least one."""
    return shipped_names("validation", ".yaml")


def validate(name_or_path: str) -> Validation:
    """Run a shipped validation by name, or one of the user's by path.

    Raises
    ------
    ConfigError
        For an unknown name, or a YAML or CSV that is not as described above.
    """
    path = _find(name_or_path)
    spec = _read_spec(path)
    table = path.parent / spec.figures
    rows = read_table(table, ("layer", "C", "H", "W", "K", "R", "S", *spec.targets))
    published = {metric: [_published(row, metric) for row in rows] for metric in spec.targets}
    layers = [_time_layer(spec, row) for row in rows]
    metrics = []
    for metric, target in spec.targets.items():
        compute = PUBLISHED_METRICS[metric]
        figures = [
            Figure(layer.shape.name, compute(layer), figure)
            for layer, figure in zip(layers, published[metric], strict=True)
            if figure is not None
        ]
        if not figures:
            raise ConfigError(f"{table.name}: column {metric}: expected at least one published figure, got none")
        metrics.append(MetricErrors(metric, tuple(figures), target))
    return Validation(spec, tuple(metrics))


def _find(name_or_path: str) -> Path:
    path = find_file(name_or_path, "validation", ".yaml")
    if path is not None:
        return path
    known = known_validations()
    hint = did_you_mean(name_or_path, known)
    raise ConfigError(f"{name_or_path}: no such validation{hint}; expected a file, or one of: {', '.join(known)}")


def _read_spec(path: Path) -> ValidationSpec:
    tree = read_mapping(path)
    try:
        spec = ValidationSpec.model_validate(tree)
    except ValidationError as error:
        faults = translate(error, ValidationSpec, known_keys(ValidationSpec))
        raise ConfigError(f"{path.name}: {'.'.join(place)}: {fault}" for place, fault in faults) from None
    if Path(spec.figures).name != spec.figures:
        raise ConfigError(f"{path.name}: figures: expected the name of a CSV file beside it, got {shown(spec.figures)}")
    unknown = [metric for metric in spec.targets if metric not in PUBLISHED_METRICS]
    if unknown:
        hint, known = did_you_mean(unknown[0], PUBLISHED_METRICS), ", ".join(PUBLISHED_METRICS)
        raise ConfigError(f"{path.name}: targets.{unknown[0]}: unknown metric{hint}; known: {known}")
    return spec


def _published(row: TableRow, metric: str) -> float | None:
    """Read a published figure; None for an empty cell."""
    if not row.cells[metric]:
        return None
    value = row.number(metric)
    if value <= 0:
        raise ConfigError(f"{row.where}, column {metric}: a published figure must be above 0, got {value:g}")
    return value


def _time_layer(spec: ValidationSpec, row: TableRow) -> DenseLayer:
    """Time the dense layer of one row; columns with a dot in their name are keys of the architecture."""
    arch = _arch(spec.arch, tuple(f"{key}={value}" for key, value in row.cells.items() if "." in key))
    shape = _shape(row)
    ifmap_zeros, ofmap_zeros = (row.share(column) for column in _ZEROS)
    coded = expected_coded_words(arch, shape.ifmap_words, ifmap_zeros)
    engine = ENGINES[arch.array.dataflow]
    gated = arch.inputs == "gate" and ifmap_zeros > 0
    demand = Demand(
        ifmap_coded_words=None if arch.dram.compression == "none" else coded,
        window_nonzero=expected_window_nonzero(shape, ifmap_zeros) if gated else None,
    )
    mapping = engine.map_stages(shape, arch, WHOLE_LAYER, coded / shape.ifmap_words)[0]
    result = engine.time_stage(shape, arch, mapping, demand)
    return DenseLayer(shape, arch, result, expected_coded_words(arch, shape.outputs, ofmap_zeros))


@cache
def _arch(name: str, changes: tuple[str, ...]) -> ArchSpec:
    return load_arch(name, changes)


def _shape(row: TableRow) -> ConvShape:
    """Read the layer of one row; without their columns, batch, stride and groups are 1 and padding is 0."""
    C, H, W, K, R, S = (row.whole(dim) for dim in ("C", "H", "W", "K", "R", "S"))
    batch, stride, groups = (row.whole(dim, default=1) for dim in ("N", "stride", "groups"))
    pad = row.whole("padding", least=0, default=0)
    try:
        return ConvShape(
            row.cells["layer"], C, H, W, K, R, S, N=batch, stride=(stride, stride), padding=(pad, pad, pad, pad),
            groups=groups,
        )  # fmt: skip
    except WorkloadError as error:
        raise ConfigError(f"{row.where}: {error}") from None
