"""Curves: what is lost in quality over what is saved, from operating points or from an evaluation of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zapsim.errors import ZapsimError
from zapsim.report.style import Layout, add_legend, grid, legend_handles, line_look, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAVED: Final = (
    ("macs_saved", "MACs saved, net of the predictors' own, %"),
    ("expected_cycle_saving", "cycles saved, expected, %"),
    ("expected_energy_saving", "energy saved, expected, %"),
)
"""What can be on the horizontal axis, and its label."""

_LOST: Final = (
    ("top1_accuracy", "top-1 error, %", -1.0),
    ("top1_agreement", "pictures classified otherwise, %", -1.0),
    ("relative_output_error", "output error, %", 1.0),
    ("summed_error", "error, summed over layers", 1.0),
)
"""What can be on the vertical axis: key, label, and whether more is worse (1) or better (-1)."""

_BASELINES = ("perfect", "random", "neighbours")


@dataclass(frozen=True, slots=True)
class Curve:
    """Operating points that belong together.

    Attributes
    ----------
    name
        In the legend.
    points
        What was measured of each: shares of 1 by the names of the files. An interval is ``_low`` and ``_high``.
    """

    name: str
    points: tuple[Mapping[str, float], ...]


def evaluated_curves(records: Sequence[Mapping[str, Any]], prefix: str = "") -> list[Curve]:
    """Sort the methods of an evaluation (its records ``networks``) into curves: predictors, baselines, adapted weights.

    Parameters
    ----------
    records
        Of :func:`zapsim.frontend.evaluation_table.network_record`, also as JSON holds them.
    prefix
        Stands before each name, to tell evaluations apart.
    """
    families: dict[str, list[Mapping[str, float]]] = {}
    for record in records:
        families.setdefault(prefix + _family(str(record["method"])), []).append(_numbers(record))
    return [Curve(name, tuple(points)) for name, points in families.items()]


def point_curve(name: str, qualities: Sequence[Mapping[str, Any]]) -> Curve:
    """Make a curve of the qualities of operating points."""
    return Curve(name, tuple(_numbers(quality) for quality in qualities))


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in record.items() if isinstance(value, (int, float))}


def _family(method: str) -> str:
    """Return the curve that a method belongs to."""
    first, _, adapted = method.split(maxsplit=1)[0].partition("-")
    if first in _BASELINES:
        return first
    return f"predictors, {adapted}" if adapted in ("recalibrated", "finetuned") else "predictors"


@styled
def draw_curves(curves: Sequence[Curve], layout: Layout, names: Mapping[str, str] | None = None) -> Figure:
    """Draw each curve: one panel per quantity that is saved and known of all points.

    Parameters
    ----------
    curves
        At least one.
    layout
        Width and title; panels stand side by side on a page.
    names
        Labels that replace the usual ones, by key: what ``summed_error`` sums, for instance.

    Raises
    ------
    ZapsimError
        If the points have no measure of quality in common, or none of what is saved.
    """
    every = [point for curve in curves for point in curve.points]
    lost = next((found for found in _LOST if all(found[0] in point for point in every)), None)
    saved = [found for found in _SAVED if all(found[0] in point for point in every)]
    if lost is None or not saved:
        what = "measure of quality" if lost is None else "measure of what is saved"
        raise ZapsimError(f"the operating points have no {what} in common; draw files of one kind (zapsim eval)")
    across = min(len(saved), 3) if layout.is_wide else 1
    down = -(-len(saved) // across)
    figure = new_figure(layout, 2.0 * down)
    panels = figure.subplots(down, across, squeeze=False, sharey="row")
    for axes, (key, label) in zip(panels.ravel(), saved, strict=False):
        for index, curve in enumerate(curves):
            _draw(axes, curve, key, lost, index)
        if unmodified := [point[f"{lost[0]}_unmodified"] for point in every if f"{lost[0]}_unmodified" in point]:
            axes.axhline(_worse(unmodified[0], lost[2]), color="black", linewidth=0.8, linestyle=":",
                         label="unmodified network")  # fmt: skip
        axes.set_xlabel((names or {}).get(key, label))
        grid(axes, "both")
    for row in panels:
        row[0].set_ylabel((names or {}).get(lost[0], lost[1]))
    for axes in panels.ravel()[len(saved) :]:
        axes.set_axis_off()
    handles = legend_handles(panels[0, 0])
    if len(handles) > 1:
        add_legend(figure, handles, 4 if layout.is_wide else 2)
    return figure


def _draw(axes: Any, curve: Curve, key: str, lost: tuple[str, str, float], index: int) -> None:
    """Draw one curve in the order of what is saved, with intervals where they are known."""
    name, _, direction = lost
    points = sorted(curve.points, key=lambda point: point[key])
    across = [100 * point[key] for point in points]
    scale = 1.0 if name == "summed_error" else 100.0
    up = [_worse(point[name], direction, scale) for point in points]
    axes.plot(across, up, label=curve.name, **line_look(index))
    if all(f"{name}_low" in point and f"{name}_high" in point for point in points):
        ends = [sorted(_worse(point[f"{name}_{end}"], direction, scale) for end in ("low", "high")) for point in points]
        reach = [[value - low for value, (low, _) in zip(up, ends, strict=True)],
                 [high - value for value, (_, high) in zip(up, ends, strict=True)]]  # fmt: skip
        axes.errorbar(across, up, yerr=reach, fmt="none", ecolor=line_look(index)["color"], elinewidth=0.7, capsize=1.5)


def _worse(value: float, direction: float, scale: float = 100.0) -> float:
    """Return a quality as what is lost: in percent, or as it is."""
    return scale * (value if direction > 0 else 1 - value)
