"""A description of a trace: what was traced, how, and what its masks say layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.patterns import NO_PATTERN
from zapsim.report.terminal import print_in_parts
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.quality import described
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace, OperatingPoint, PredictorSetting


@dataclass(frozen=True, slots=True)
class MaskSummary:
    """Shares of zeros and of skipped outputs in one layer; those that need a mask are None without a predictor.

    Attributes
    ----------
    ifmap_zeros, ofmap_zeros
        Share of zeros in the ifmap, and in the ofmap after the ReLU (None: no ReLU).
    skipped
        Share of the outputs that the mask skips.
    zeros_skipped
        Share of the zeros outside the pattern that the mask skips.
    nonzeros_skipped
        Share of the non-zero outputs that the mask skips by mistake.
    """

    ifmap_zeros: float
    ofmap_zeros: float | None
    skipped: float | None
    zeros_skipped: float | None
    nonzeros_skipped: float | None


def summarise(layer: LayerTrace) -> MaskSummary:
    """Count zeros and skipped outputs of one layer over its images."""
    shape, mask, nonzero = layer.shape, layer.mask, layer.ofmap_nonzero
    ifmap_zeros = 1 - layer.ifmap_nonzero.count() / shape.ifmap_words
    ofmap_zeros = None if nonzero is None else 1 - nonzero.count() / shape.outputs
    if mask is None or nonzero is None:
        return MaskSummary(ifmap_zeros, ofmap_zeros, None, None, None)
    skipped, nonzeros_skipped = shape.outputs - mask.count(), nonzero.without(mask).count()
    predictable_zeros = shape.outputs - (nonzero | layer.pattern_outputs()).count()
    return MaskSummary(
        ifmap_zeros,
        ofmap_zeros,
        skipped / shape.outputs,
        (skipped - nonzeros_skipped) / predictable_zeros if predictable_zeros else None,
        nonzeros_skipped / nonzero.count() if nonzero.count() else None,
    )


def print_trace_info(trace: Trace, point: str | None, console: Console) -> None:
    """Print the header of `trace`, and its layer table at operating point `point` (None: the first)."""
    header, table_point = trace.header, trace.operating_point(point)
    facts = [
        (
            "file",
            f"{trace.path.name}, {trace.path.stat().st_size / 1e6:.1f} MB, format version {header.version}",
        ),
        ("trace sha256", trace.hash),
        ("network", f"{header.network.name}: {header.network.source}"),
        ("weights sha256", header.network.weights_sha256),
        *((f"image {index}", f"{image.name}: {image.source}") for index, image in enumerate(header.images)),
        *(_point_fact(each) for each in header.operating_points),
        *_method_facts(header.operating_points),
        *(_order_fact(each.name, each.order) for each in header.operating_points if each.order is not None),
        *_flat(header.provenance),
    ]
    layers = _layer_rows(trace, table_point)  # reads every map, so that a damaged one stops the command here
    for name, value in facts:
        console.print(f"{name:14}  {value}", soft_wrap=True)
    console.print(f"\noperating point '{table_point.name}'", style="bold")
    print_in_parts(console, range(len(_HEADINGS)), lambda columns: _layer_table(layers, columns))


_LONGEST_DIGESTS = 80
"""Shown of the digests of all photographs, which may be thousands."""


def _flat(provenance: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value with the path of its key, such as ``predictors.training.seed``."""
    for name, value in provenance.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            digests = name == "digests" and len(text) > _LONGEST_DIGESTS
            yield f"{prefix}{name}", f"{text[:_LONGEST_DIGESTS]}… ({len(text)} characters)" if digests else text


def _point_fact(point: OperatingPoint) -> tuple[str, str]:
    quality = ", ".join(described(point.quality))
    count = len(point.predictors)
    maps = "" if point.maps is None else f"maps of point '{point.maps}'"
    parts = (f"{count} predictor{'' if count == 1 else 's'}", quality, point.quality_note, maps)
    return f"point '{point.name}'", "; ".join(part for part in parts if part)


def _method_facts(points: Sequence[OperatingPoint]) -> list[tuple[str, str]]:
    """Say what the hardware does for each method that is not ZAP."""
    settings = [setting for point in points for setting in point.predictors.values() if setting.method != "zap"]
    texts = dict.fromkeys((setting.method, setting.work.text) for setting in settings)
    return [(f"method '{method}'", text) for method, text in texts]


def _order_fact(point: str, order: FilterOrder) -> tuple[str, str]:
    kept = ", ".join(f"{layer} keeps its own ({reason})" for layer, reason in order.kept.items())
    layers = f"filters of {len(order.filters)} layers by {order.rule}"
    return f"order '{point}'", "; ".join(part for part in (layers, f"learnt {order.note}", kept) if part)


_HEADINGS = ("C×H×W", "K×R×S", "stride", "groups", "predictor",
             "ifmap zeros", "ofmap zeros", "skipped", "zeros skipped", "non-zeros skipped")  # fmt: skip
_TEXT_COLUMNS = 5
"""Columns before the shares."""


def _layer_rows(trace: Trace, point: OperatingPoint) -> list[tuple[str, list[str]]]:
    """List every layer's name with its cells, one for each of :data:`_HEADINGS`."""
    rows = []
    for traced, layer in zip(trace.header.layers, trace.layers(point.name), strict=True):
        shape, setting = layer.shape, layer.setting
        cells = [
            f"{shape.C}×{shape.H}×{shape.W}",
            f"{shape.K}×{shape.R}×{shape.S}",
            "×".join(map(str, shape.stride)),
            str(shape.groups),
            _predictor(setting) if setting else f"none: {traced.unpredicted or 'off'}",
            *("–" if share is None else f"{share:.1%}" for share in astuple(summarise(layer))),
        ]
        rows.append((shape.name, cells))
    return rows


def _predictor(setting: PredictorSetting) -> str:
    """Return pattern and threshold, with the method unless it is ZAP."""
    if setting.pattern == NO_PATTERN:
        return "masks from elsewhere"
    method = "" if setting.method == "zap" else f"{setting.method} "
    return f"{method}{setting.pattern}, t = {setting.threshold:g}"


def _layer_table(rows: Sequence[tuple[str, list[str]]], columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for column in columns:
        table.add_column(_HEADINGS[column], justify="left" if column < _TEXT_COLUMNS else "right", no_wrap=True)
    for name, cells in rows:
        table.add_row(name, *(cells[column] for column in columns))
    return table
