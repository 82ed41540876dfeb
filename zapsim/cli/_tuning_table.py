"""The table that ``zapsim tune`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zapsim.cli._frontend_arguments import wide_console
from zapsim.report.phrases import listed
from zapsim.report.terminal import print_in_parts
from zapsim.report.view import WIDTH, View, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from zapsim.frontend.api import TuningResult
    from zapsim.tracefile.order import FilterOrder
    from zapsim.tracefile.records import OperatingPoint, PredictorSetting


def print_tuning(tuned: TuningResult) -> None:
    """Print what was chosen, layer by layer, and what it is expected to save and to cost."""
    console = wide_console()
    # On an array, an order of filters has settings of its own.
    points = [point for point in tuned.points if point.order is None or "expected_cycle_saving" in point.quality]
    for line in wrapped([tuning_conclusion(points, _error_name(tuned))], View(), WIDTH):
        console.print(line, highlight=False, soft_wrap=True)
    print_in_parts(console, points, lambda some: _table(tuned, some), WIDTH)
    _print_notes(tuned, console)


def tuning_conclusion(points: Sequence[OperatingPoint], error_name: str) -> str:
    """Say in one sentence what the first point saves at which error, and the last if there are several.

    Parameters
    ----------
    points
        In their order; at least one.
    error_name
        What their error is called.
    """
    ends = [points[0]] if len(points) == 1 else [points[0], points[-1]]
    texts = []
    for point in ends:
        quality = point.quality
        expected = [
            f"{quality[key]:.1%} of the {noun}"
            for key, noun in (
                ("macs_saved", "MACs"), ("expected_cycle_saving", "cycles"), ("expected_energy_saving", "energy"),
            )
            if key in quality
        ]  # fmt: skip
        error = f"{'an' if error_name[0] == 'o' else 'a'} {error_name} of {quality['summed_error']:.4f}"
        texts.append(f"{point.name} is expected to save {listed(expected)}, with {error}")
    number = "" if len(points) <= 2 else f"; {len(points) - 2} more lie between or beside them"
    return f"{'; '.join(texts)}{number}."


def _table(tuned: TuningResult, points: Sequence[OperatingPoint]) -> Table:
    """Make the table of some of the points."""
    from rich.table import Table

    weights = tuned.weights
    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    if weights is not None:
        table.add_column("weight", justify="right")
    blank = () if weights is None else ("",)
    for point in points:
        table.add_column(point.name, justify="right")
    names = dict.fromkeys(curve.name for curve in tuned.curves.layers)
    several = len(names) < len(tuned.curves.layers)
    for name in names:
        settings = [point.predictors.get(name) for point in points]
        weight = () if weights is None else (f"{weights[name]:.2f}",)
        table.add_row(name, *weight, *(_setting(setting, several) for setting in settings))
    table.add_section()
    table.add_row("MACs saved", *blank, *(f"{point.quality['macs_saved']:.2%}" for point in points))
    table.add_row(
        _error_name(tuned),
        *blank,
        *(f"{point.quality['summed_error']:.4f}" for point in points),
    )
    if any(map(_bound, points)):
        table.add_row("cannot be beaten", *blank, *map(_bound, points))
    for key, heading in _EXPECTED.items():
        if any(key in point.quality for point in points):
            table.add_row(heading, *blank, *(_share(point, key) for point in points))
    table.add_section()
    for label, figure, form in _ACHIEVED:
        if figure in points[0].quality:
            table.add_row(label, *blank, *(format(point.quality[figure], form) for point in points))
    return table


def _print_notes(tuned: TuningResult, console: Console) -> None:
    """Say below the table what was measured on which images."""
    points = tuned.points
    console.print(
        f"MACs saved: expected, net of the predictors' own; measured {tuned.curves.note}, "
        f"{'at the point' if tuned.curves.squared else 'one layer at a time'}; off: the layer computes everything",
        highlight=False,
    )
    expected, _, achieved = points[0].quality_note.rpartition("; achieved ")
    if "expected_cycle_saving" in points[0].quality:
        console.print(f"cycles, energy and what comes below: {expected}", highlight=False)
    console.print(f"achieved: with all predictors at work, {achieved}", highlight=False)
    for point in tuned.points:
        if point.order is not None:
            console.print(_ordered(point.name, point.order), highlight=False)
    if tuned.left_out:
        console.print(tuned.left_out, highlight=False)


_EXPECTED = {
    "layerwise_cycle_saving": "cycles saved, layers alone",
    "layerwise_energy_saving": "energy saved, layers alone",
    "expected_cycle_saving": "cycles saved",
    "expected_energy_saving": "energy saved",
    "relative_output_error": "output error",
    "top1_agreement": "top-1 agreement",
    "top1_accuracy": "top-1 accuracy",
}
"""Rows of the table for what is expected on an array, by the name in a point's quality."""

_ACHIEVED = (
    ("achieved: MACs saved", "achieved_macs_saved", ".2%"),
    ("achieved: error", "achieved_summed_error", ".4f"),
    ("achieved: output error", "achieved_relative_output_error", ".2%"),
    ("achieved: same top-1", "achieved_top1_agreement", ".2%"),
    ("achieved: top-1 lost", "achieved_top1_lost", ".2%"),
)
"""Rows of what the points achieve: label, name in their quality, format."""


def _share(point: OperatingPoint, key: str) -> str:
    return f"{point.quality[key]:.2%}" if key in point.quality else ""


def _error_name(tuned: TuningResult) -> str:
    if tuned.curves.squared:
        return "output error"
    return "summed error" if tuned.weights is None else "weighted error"


def _setting(setting: PredictorSetting | None, several: bool) -> str:
    """Return a threshold, with its method if there are several, and with its unit of decision."""
    if setting is None:
        return "off"
    threshold = f"{setting.method if several else ''} {setting.threshold:.4f}".strip()
    return threshold if setting.unit is None else f"{threshold} by {setting.unit}"


def _ordered(name: str, order: FilterOrder) -> str:
    """Say which layers have another order at a point, and why others keep their own."""
    kept = "; ".join(f"{layer} keeps its own ({reason})" for layer, reason in order.kept.items())
    return f"{name}: {len(order.filters)} layers in order of {order.rule}, learnt {order.note}{kept and f'; {kept}'}"


def _bound(point: OperatingPoint) -> str:
    """Return what no thresholds can beat: MACs saved for an error budget, summed error for a saving."""
    if "most_macs_saved" in point.quality:
        return f"{point.quality['most_macs_saved']:.2%}"
    error = point.quality.get("least_summed_error")
    return "" if error is None else f"{error:.4f}"
