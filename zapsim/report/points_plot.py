"""Plot of operating points: cycles and energy saved on an array over the error that they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zapsim.tracefile.records import OperatingPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAVINGS = (("cycles", "expected_cycle_saving"), ("energy", "expected_energy_saving"))
_QUALITIES = (("relative_output_error", "output error"), ("top1_agreement", "top-1 agreement"))


def draw_points(points: Sequence[OperatingPoint], error_name: str = "summed error") -> Figure:
    """Draw what is expected of each point: savings over the summed error, and over the network's own error.

    Parameters
    ----------
    points
        As `zapsim tune --arch` makes them: their quality holds ``expected_cycle_saving`` and so on.
    error_name
        What ``summed_error`` is called.
    """
    from matplotlib.figure import Figure

    measured = next(((key, name) for key, name in _QUALITIES if key in points[0].quality), None)
    axes = [("summed_error", error_name, 1.0), *([] if measured is None else [(*measured, 100.0)])]
    figure = Figure(figsize=(5.0 * len(axes), 3.8), layout="constrained")
    panels = figure.subplots(1, len(axes), sharey=True, squeeze=False)[0]
    for panel, (key, name, scale) in zip(panels, axes, strict=True):
        rows = sorted(points, key=lambda point: point.quality[key])
        for label, saving in _SAVINGS:
            across = [scale * point.quality[key] for point in rows]
            panel.plot(across, [100 * point.quality[saving] for point in rows], "o-", markersize=4, label=label)
        for point in rows:
            place = scale * point.quality[key], 100 * point.quality[_SAVINGS[0][1]]
            panel.annotate(point.name, place, fontsize=7, xytext=(3, 3), textcoords="offset points", parse_math=False)
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_xlabel(f"{name}, %" if scale > 1 else name)
    panels[0].set_ylabel("saved, % of the dense network")
    panels[0].legend(fontsize=8)
    return figure
