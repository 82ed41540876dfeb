"""The page of an evaluation: what operating points cost and save, beside baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zapsim.report.page.contents import Cell, Column, Figure, Page, Plot, Section, Table
from zapsim.report.page.plots import COLOURS, base_layout, plot_text, rounded
from zapsim.report.page.run import flat_texts

_NETWORK = {
    "macs_saved": "MACs saved, net",
    "macs_skipped": "MACs skipped",
    "predictor_macs_share": "predictors' own MACs",
    "perfect_macs_skipped": "perfect skips",
}
_LAYER_SHARES = {
    "skipped_share": "skipped", "perfect_share": "perfect skips", "zeros_found": "zeros found",
    "nonzeros_lost": "non-zeros lost",
}  # fmt: skip
_LAYER_COUNTS = {
    "zero_computed": "zero, computed", "zero_skipped": "zero, skipped", "nonzero_computed": "non-zero, computed",
    "nonzero_skipped": "non-zero, skipped",
}  # fmt: skip
_PLOTTED = ("top1_accuracy", "top1_agreement", "relative_output_error")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
_BASELINES = ("perfect", "random", "neighbours")


def evaluation_page(document: Mapping[str, Any], conclusion: str) -> Page:
    """Show an evaluation.

    Parameters
    ----------
    document
        What ``zapsim eval --format json`` writes.
    conclusion
        One sentence.
    """
    networks: Sequence[Mapping[str, Any]] = document["networks"]
    figures = [key.removesuffix("_low") for key in networks[0] if key.endswith("_low") and "_difference" not in key]
    provenance = flat_texts(document["provenance"])
    measured = f"Measured {document['measured']}; intervals of 95 % over photographs."
    sections = [
        Section("quality", "Quality against MACs saved", "", [_curve(networks, figures)]),
        Section("methods", "Methods", measured, [_methods(networks, figures), _differences(networks)]),
        Section("layers", "Layers", "", [_layers(document["layers"])]),
    ]
    reference = networks[0]["reference"]
    row = next(record for record in networks if record["method"] == reference)
    shown = [Figure(f"{100 * row['macs_saved']:.2f} %", f"MACs saved, net, by {reference}")]
    shown += [Figure(f"{100 * row[name]:.2f} %", name.replace("_", " ")) for name in figures[:3]]
    return Page(
        kind="zapsim eval",
        title=f"{provenance.get('network', 'network')} with predictors",
        conclusion=conclusion,
        figures=shown,
        sections=sections,
        provenance=provenance,
        notes=[f"{row['images']:,} images of {row['photographs']:,} photographs."],
    )


def _family(method: str) -> str:
    """Return the line that a method belongs to: the predictors' own, adapted weights, or a baseline."""
    first, _, adapted = method.split(maxsplit=1)[0].partition("-")
    if first in _BASELINES:
        return first
    return f"predictors, {adapted}" if adapted in {"recalibrated", "finetuned"} else "predictors"


def _curve(networks: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> Plot:
    name = next(name for name in _PLOTTED if name in figures)
    families: dict[str, list[Mapping[str, Any]]] = {}
    for record in networks:
        families.setdefault(_family(record["method"]), []).append(record)
    traces = []
    for index, (family, unsorted) in enumerate(families.items()):
        members = sorted(unsorted, key=lambda record: record["macs_saved"])
        values = [100 * record[name] for record in members]
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": plot_text(family),
            "x": rounded([100 * record["macs_saved"] for record in members]), "y": rounded(values),
            "error_y": {"type": "data", "symmetric": False, "thickness": 1.2, "width": 4,
                        "array": rounded([100 * record[f"{name}_high"] - value
                                          for record, value in zip(members, values, strict=True)]),
                        "arrayminus": rounded([value - 100 * record[f"{name}_low"]
                                               for record, value in zip(members, values, strict=True)])},
            "text": [plot_text(record["method"]) for record in members],
            "hovertemplate": "%{text}<br>%{x:.2f} % of the MACs saved<br>%{y:.2f} %<extra></extra>",
            "marker": {"color": COLOURS[index % len(COLOURS)], "symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 9},
            "line": {"color": COLOURS[index % len(COLOURS)]},
        })  # fmt: skip
    words = name.replace("_", " ")
    layout = base_layout("MACs saved, net of the predictors' own, %", f"{words}, %", hovermode="closest")
    caption = f"{words.capitalize()} against the MACs saved, with 95 % intervals over photographs."
    return Plot("quality", caption, traces, layout, 420)


def _methods(networks: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> Table:
    columns = [Column("method", is_number=False), *map(Column, _NETWORK.values())]
    columns += [Column(name.replace("_", " ")) for name in figures]
    rows = []
    for record in networks:
        cells = [Cell(record["method"], record["method"])]
        cells += [Cell(f"{100 * record[key]:.2f} %", record[key]) for key in _NETWORK]
        cells += [_interval(record, name, "") for name in figures]
        rows.append(cells)
    return Table("methods", "What each method saves, and what is left of the quality", columns, rows)


def _differences(networks: Sequence[Mapping[str, Any]]) -> Table:
    suffix = "_difference_low"
    names = list(
        dict.fromkeys(key.removesuffix("_low") for record in networks for key in record if key.endswith(suffix))
    )
    columns = [Column("method", is_number=False)]
    columns += [Column(name.removesuffix("_difference").replace("_", " ").replace("macs", "MACs")) for name in names]
    rows = [
        [Cell(record["method"], record["method"]), *(_interval(record, name, "+") for name in names)]
        for record in networks
    ]
    caption = f"Differences to {networks[0]['reference']}, paired image by image"
    return Table("differences", caption, columns, rows)


def _interval(record: Mapping[str, Any], name: str, sign: str) -> Cell:
    value, low, high = (record.get(f"{name}{bound}", "") for bound in ("", "_low", "_high"))
    if not isinstance(value, (int, float)):
        return Cell("–")
    texts = [f"{100 * one:{sign}.2f}" for one in (value, low, high)]
    return Cell(f"{texts[0]} % ({texts[1]} to {texts[2]})", value)


def _layers(layers: Sequence[Mapping[str, Any]]) -> Table:
    texts = ("layer", "method", "pattern")
    columns = [
        *(Column(name, is_number=False) for name in texts),
        *map(Column, (_LAYER_SHARES | _LAYER_COUNTS).values()),
    ]
    rows = [[*(Cell(record[name], record[name]) for name in texts), *_layer_cells(record)] for record in layers]
    return Table("layers", "Right and wrong decisions in each layer, in outputs over all images", columns, rows)


def _layer_cells(record: Mapping[str, Any]) -> Iterator[Cell]:
    for key in _LAYER_SHARES:
        yield Cell(f"{100 * record[key]:.1f} %", record[key], record[key])
    for key in _LAYER_COUNTS:
        yield Cell(f"{record[key]:,}", record[key])
