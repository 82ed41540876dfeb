"""The result of a run: every layer's comparison, and all that is needed to run it again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from html import escape
from operator import add
from typing import TYPE_CHECKING, Any

from zapsim.columns import COLUMNS, FILE_COLUMNS, IMAGE_COLUMNS, Cell
from zapsim.comparison import Comparison, Outcome
from zapsim.confidence import OverImages, over_images
from zapsim.errors import ZapsimError, check_extra, shown
from zapsim.reading.json_text import parse_json
from zapsim.reading.regular_file import os_fault
from zapsim.tracefile.quality import described
from zapsim.version import __version__
from zapsim.workload import ConvShape

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "urn:zapsim:schema:result"
"""What a JSON result names as its schema (``zapsim schema result`` prints it)."""

_NOT_PREDICTED = "not predicted: "
_NOTED = ("cycle_saving", "energy_saving", "mac_saving", "cycles", "energy_pj")
_COLUMN = {column.key: column for column in IMAGE_COLUMNS}


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer's comparison, summed over the images.

    `predictor` is the predictor's pattern and threshold in words, or ``not predicted:`` and the reason.
    """

    shape: ConvShape
    predictor: str
    comparison: Comparison

    @property
    def is_predicted(self) -> bool:
        """Whether the layer has a predictor."""
        return not self.predictor.startswith(_NOT_PREDICTED)


_NOTES = ("not_simulated", "pooling")
"""Names in the provenance that have a line of their own."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A network on an accelerator, layer by layer.

    Attributes
    ----------
    network, images, operating_point
        What ran.
    patterns, thresholds
        Those of the predictors, each once, in the order of the layers.
    quality, quality_note
        How good the network still is (figures by name), and on what that was measured.
    arch, policy, baseline
        Names; `arch_summary` describes the array in words.
    clock_hz
        Clock of the architecture.
    energy_note
        What a reader must know of the energies (scaled, without DRAM); empty if nothing.
    layers
        In the network's order.
    provenance
        Versions, seed and hashes: everything that a result file must say to be traced back.
    each_image
        The total of each image if images ran one by one; else empty.
    filter_order, order_note
        The rule of the static order in which the filters are, and what must be known of it; empty without one.
    """

    network: str
    images: tuple[str, ...]
    operating_point: str
    patterns: tuple[str, ...]
    thresholds: tuple[float, ...]
    quality: dict[str, float]
    quality_note: str
    arch: str
    arch_summary: str
    clock_hz: float
    energy_note: str
    policy: str
    baseline: str
    layers: tuple[LayerResult, ...]
    provenance: dict[str, Any]
    each_image: tuple[Comparison, ...] = ()
    filter_order: str = ""
    order_note: str = ""

    @property
    def total(self) -> Comparison:
        """The whole network: all layers, one after the other."""
        return reduce(add, (layer.comparison for layer in self.layers))

    @property
    def rows(self) -> list[tuple[str, Comparison]]:
        """Rows of the layer table: every layer by name, then the total."""
        return [*((layer.shape.name, layer.comparison) for layer in self.layers), ("total", self.total)]

    @property
    def image_statistics(self) -> dict[str, OverImages]:
        """Mean, deviation and interval over images by column; empty unless at least two images ran one by one."""
        if len(self.each_image) < 2:
            return {}
        values = {column.key: [float(column.value(image)) for image in self.each_image] for column in IMAGE_COLUMNS}
        return {key: over_images(figures) for key, figures in values.items() if all(map(math.isfinite, figures))}

    @property
    def headline(self) -> str:
        """One line that says what the table is about."""
        seconds = self.total.policy.cycles.total / self.clock_hz
        parts = [
            f"{self.network} on {', '.join(dict.fromkeys(self.images))}",
            f"pattern {', '.join(self.patterns)}" if self.patterns else "no predictors",
            *self._thresholds(),
            *([f"filters in order of {self.filter_order}"] if self.filter_order else []),
            *described(self.quality),
            f"{self.arch} ({self.arch_summary})",
            f"policy {self.policy} against {self.baseline}",
            f"{seconds * 1e3:.1f} ms",
            *([self.energy_note] if self.energy_note else []),
        ]
        return " · ".join(parts)

    def _thresholds(self) -> list[str]:
        """Describe the thresholds: the common one, or their range and the name of the operating point."""
        if not self.thresholds:
            return []
        least, most = min(self.thresholds), max(self.thresholds)
        if least == most:
            return [f"threshold {least:g}"]
        return [f"thresholds {least:g} to {most:g} ({self.operating_point})"]

    @property
    def notes(self) -> list[str]:
        """Lines under the table: what quality was measured on, how images differ, unpredicted layers, provenance."""
        unpredicted = [
            f"{layer.shape.name} ({layer.predictor.removeprefix(_NOT_PREDICTED)})"
            for layer in self.layers
            if not layer.is_predicted
        ]
        return [
            *([f"Quality measured on: {self.quality_note.removeprefix('on ')}"] if self.quality_note else []),
            *self._image_note(),
            *([f"Order of filters: {self.order_note}."] if self.order_note else []),
            *([f"Not predicted: {_all_alike(self.layers) or ', '.join(unpredicted)}."] if unpredicted else []),
            *([f"{left_out[0].upper()}{left_out[1:]}."] if (left_out := self.provenance.get("not_simulated")) else []),
            *([f"Pooling: {pooling}."] if (pooling := self.provenance.get("pooling")) else []),
            ", ".join(f"{name} {_plain(value)}" for name, value in self.provenance.items() if name not in _NOTES),
        ]

    def _image_note(self) -> list[str]:
        """Describe in one line how much the images differ."""
        statistics, parts = self.image_statistics, []
        for key in _NOTED:
            if key in statistics:
                column, over = _COLUMN[key], statistics[key]
                form = column.metric.format if column.metric.format.endswith("%") else ",.4g"
                mean, deviation, low, high = (
                    format(value / column.scale, form) for value in (over.mean, over.deviation, over.low, over.high)
                )
                parts.append(f"{column.heading} {mean} ± {deviation} (95 %: {low} to {high})")
        return [f"Over {len(self.each_image)} images, one by one: {'; '.join(parts)}."] if parts else []

    def to_json(self) -> str:
        """Return everything as JSON, also what follows from it: columns, totals, statistics over the images."""
        record = {
            "$schema": SCHEMA,
            "headline": self.headline,
            "network": self.network,
            "images": self.images,
            "operating_point": self.operating_point,
            "patterns": self.patterns,
            "thresholds": self.thresholds,
            "quality": self.quality,
            "quality_note": self.quality_note,
            "arch": self.arch,
            "arch_summary": self.arch_summary,
            "clock_hz": self.clock_hz,
            "energy_note": self.energy_note,
            "policy": self.policy,
            "baseline": self.baseline,
            "provenance": self.provenance,
            **({"filter_order": self.filter_order, "order_note": self.order_note} if self.filter_order else {}),
            "layers": [
                {"shape": asdict(layer.shape), "predictor": layer.predictor, **_record(layer.comparison)}
                for layer in self.layers
            ],
            "total": _record(self.total),
            "over_images": {key: asdict(over) for key, over in self.image_statistics.items()},
            "each_image": [_record(image) for image in self.each_image],
        }
        return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunResult:
        """Rebuild a result from its JSON; ``RunResult.from_json(result.to_json()) == result``.

        Raises
        ------
        ZapsimError
            If the text is not what :meth:`to_json` returns.
        """
        try:
            record = parse_json(text)
            record = {"filter_order": "", "order_note": "", **record}
            fields: dict[str, Any] = {name: record[name] for name in FIELD_TYPES}
            if wrong := [name for name, value in fields.items() if not isinstance(value, FIELD_TYPES[name])]:
                raise TypeError(f"{wrong[0]} is not of its type")
            layers = tuple(
                LayerResult(ConvShape(**_tuples(layer["shape"])), str(layer["predictor"]), _comparison(layer))
                for layer in record["layers"]
            )
            result = cls(**_tuples(fields), layers=layers, each_image=tuple(map(_comparison, record["each_image"])))
            _ = result.headline, result.notes, result.to_json()  # what cannot be shown is no result
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, ZapsimError) as error:
            fault = f"{os_fault(error)} is missing" if isinstance(error, KeyError) else os_fault(error)
        else:
            return result
        raise ZapsimError(f"not a result of `zapsim run --format json` ({fault}){_version_note(text)}")

    def to_dataframe(self) -> pd.DataFrame:
        """Return the layer table as a data frame: one row per layer and a total, plain values as in CSV.

        Raises
        ------
        ZapsimError
            If pandas is not installed.
        """
        check_extra("data frames need", "explore", "pandas")
        import pandas as pd

        names, comparisons = zip(*self.rows, strict=True)
        columns = {column.key: [column.value(comparison) for comparison in comparisons] for column in FILE_COLUMNS}
        return pd.DataFrame({"layer": names, **columns})

    def _repr_html_(self) -> str:
        """Return the layer table as HTML, which notebooks show."""
        heads = "".join(f"<th>{escape(text)}</th>" for text in ("layer", *(column.heading for column in COLUMNS)))
        rows = []
        for name, comparison in self.rows:
            cells = (f"<td>{escape(column.text(comparison))}</td>" for column in COLUMNS)
            rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
        notes = "<br>".join(map(escape, self.notes))
        return (
            f"<p>{escape(self.headline)}</p>\n<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
            + "\n".join(rows)
            + f"\n</tbody>\n</table>\n<p><small>{notes}</small></p>\n"
        )


FIELD_TYPES: dict[str, type] = {
    **dict.fromkeys(("network", "operating_point", "quality_note", "policy", "baseline", "arch", "arch_summary"), str),
    **dict.fromkeys(("images", "patterns", "thresholds"), list),
    **dict.fromkeys(("filter_order", "order_note"), str),
    **{"energy_note": str, "clock_hz": float, "quality": dict, "provenance": dict},
}
"""Fields that JSON holds as they are, and the types that it gives them."""


def _all_alike(layers: Sequence[LayerResult]) -> str:
    """Describe why no layer is predicted if all have the same reason; else an empty text."""
    reasons = {layer.predictor for layer in layers}
    alike = len(layers) > 1 and len(reasons) == 1
    return f"all layers ({reasons.pop().removeprefix(_NOT_PREDICTED)})" if alike else ""


def _version_note(text: str) -> str:
    """Say which other version of zapsim wrote a result, as far as it can be read; else an empty text."""
    try:
        version = parse_json(text)["provenance"]["zapsim"]
    except (ValueError, KeyError, TypeError):
        return ""
    if version == __version__:
        return ""
    return f"; zapsim {shown(version)} wrote it, and this is {__version__}: run it again, or install that version"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {inner}" for name, inner in value.items()) + ")"
    return str(value)


def _record(comparison: Comparison) -> dict[str, object]:
    """Return a comparison and its columns as JSON holds them."""
    return {
        "columns": {column.key: _finite(column.value(comparison)) for column in FILE_COLUMNS},
        "baseline": comparison.baseline.as_record(),
        "policy": comparison.policy.as_record(),
    }


def _finite(value: Cell) -> Cell | None:
    """Return `value`, or None for one that JSON has no number for (the speedup of a layer that takes no cycles)."""
    return value if isinstance(value, str) or math.isfinite(value) else None


def _comparison(record: Mapping[str, Any]) -> Comparison:
    return Comparison(Outcome.from_record(record["baseline"]), Outcome.from_record(record["policy"]))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the lists that JSON made of tuples into tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
