"""A trace described for people: what was traced, how, and what its masks say layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.trace.model import LayerTrace, OperatingPoint
from zapsim.trace.reader import Trace


@dataclass(frozen=True, slots=True)
class MaskSummary:
    """What one layer's masks say, as shares of 1; those that need a mask are None where there is no predictor.

    Attributes
    ----------
    ifmap_zeros, ofmap_zeros
        Share of zeros in the ifmap, and in the ofmap after the ReLU (None: no ReLU).
    skipped
        Share of all outputs that is skipped.
    zeros_found
        Of the zeros outside the pattern, the share that is skipped.
    nonzeros_lost
        Of the non-zero outputs, the share that is skipped by mistake.
    """

    ifmap_zeros: float
    ofmap_zeros: float | None
    skipped: float | None
    zeros_found: float | None
    nonzeros_lost: float | None


def summarise(layer: LayerTrace) -> MaskSummary:
    """Return the summary of one layer over its images."""
    shape, mask, nonzero = layer.shape, layer.mask, layer.ofmap_nonzero
    ifmap_zeros = 1 - layer.ifmap_nonzero.count() / shape.ifmap_words
    ofmap_zeros = None if nonzero is None else 1 - nonzero.count() / shape.outputs
    if mask is None or nonzero is None:
        return MaskSummary(ifmap_zeros, ofmap_zeros, None, None, None)
    lost = nonzero.without(mask).count()
    skipped = shape.outputs - mask.count()
    skippable = shape.outputs - (nonzero | layer.pattern_outputs()).count()
    return MaskSummary(
        ifmap_zeros,
        ofmap_zeros,
        skipped / shape.outputs,
        (skipped - lost) / skippable if skippable else None,
        lost / nonzero.count() if nonzero.count() else None,
    )


def print_trace_info(trace: Trace, point: str | None, console: Console) -> None:
    """Print header and layer table of `trace` at operating point `point` (None: the first)."""
    header, chosen = trace.header, trace.operating_point(point)
    facts = [
        (
            "file",
            f"{trace.path.name}, {trace.path.stat().st_size / 1e6:.1f} MB, format version {header.version}",
        ),
        ("trace sha256", trace.hash),
        ("network", f"{header.network.name}: {header.network.source}"),
        ("weights sha256", header.network.weights_sha256),
        *((f"image {index}", f"{image.name}: {image.source}") for index, image in enumerate(header.images)),
        *(_point_fact(one) for one in header.operating_points),
        *((name, str(value)) for name, value in header.provenance.items()),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    layers = _layer_table(trace, chosen)  # reads every map: a damaged one is found before anything is printed
    console.print(table)
    console.print(layers)


def _point_fact(point: OperatingPoint) -> tuple[str, str]:
    quality = ", ".join(f"{name.replace('_', ' ')} {value:.2%}" for name, value in point.quality.items())
    parts = (f"{len(point.predictors)} predictors", quality, point.quality_note)
    return f"point '{point.name}'", "; ".join(part for part in parts if part)


def _layer_table(trace: Trace, point: OperatingPoint) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"operating point '{point.name}'", title_justify="left")
    for heading in ("layer", "C×H×W", "K×R×S", "stride", "groups", "predictor"):
        table.add_column(heading)
    for heading in ("ifmap zeros", "ofmap zeros", "skipped", "zeros found", "non-zeros lost"):
        table.add_column(heading, justify="right")
    for traced, layer in zip(trace.header.layers, trace.layers(point.name), strict=True):
        shape, setting, found = layer.shape, layer.setting, summarise(layer)
        shares = (found.ifmap_zeros, found.ofmap_zeros, found.skipped, found.zeros_found, found.nonzeros_lost)
        table.add_row(
            shape.name,
            f"{shape.C}×{shape.H}×{shape.W}",
            f"{shape.K}×{shape.R}×{shape.S}",
            "×".join(map(str, shape.stride)),
            str(shape.groups),
            f"{setting.pattern}, t = {setting.threshold:g}" if setting else f"none: {traced.unpredicted or 'off'}",
            *("–" if share is None else f"{share:.1%}" for share in shares),
        )
    return table
