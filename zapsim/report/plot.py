"""Plots of a result (needs the ``report`` extra: matplotlib)."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.errors import ZapsimError
from zapsim.files import check_writable, write_atomically
from zapsim.report.layer_table import headline
from zapsim.results import RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAVINGS = (("MACs", "mac_saving"), ("cycles", "cycle_saving"), ("energy", "energy_saving"))
_KINDS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Refuse what cannot be drawn, before there is anything to draw.

    Raises
    ------
    ZapsimError
        If the file's ending is not one of png, svg, pdf, or it cannot be written, or matplotlib is missing.
    """
    if path.suffix not in _KINDS:
        raise ZapsimError(f"{path}: a plot's name must end in one of {', '.join(_KINDS)}")
    check_writable(path)
    if find_spec("matplotlib") is None:
        raise ZapsimError("plots need matplotlib: pip install 'zapsim[report]'")


def plot_savings(result: RunResult, path: Path) -> None:
    """Draw MAC, cycle and energy savings of every layer and of the total as bars, side by side.

    Raises
    ------
    ZapsimError
        As :func:`check_plot`.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    bars = [*((layer.shape.name, layer.comparison) for layer in result.layers), ("total", result.total)]
    figure = Figure(figsize=(max(6.0, 0.8 * len(bars)), 4.0), layout="constrained")
    axes = figure.subplots()
    for offset, (label, attribute) in zip((-0.27, 0.0, 0.27), _SAVINGS, strict=True):
        heights = [100 * getattr(comparison, attribute) for _, comparison in bars]
        axes.bar([place + offset for place in range(len(bars))], heights, width=0.27, label=f"{label} saved")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(bars)), [name for name, _ in bars], rotation=45, ha="right", parse_math=False)
    axes.set_ylabel("% of the baseline")
    axes.set_title(headline(result), fontsize=7, wrap=True, parse_math=False)
    axes.legend()
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file of a kind that :func:`check_plot` lets pass; the same figure gives the same bytes."""
    from matplotlib import rc_context

    metadata = {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    image = BytesIO()
    with rc_context({"svg.hashsalt": "zapsim"}):  # else the names of clip paths are drawn by lot
        figure.savefig(image, format=path.suffix[1:], metadata=metadata)
    write_atomically(path, image.getvalue())
