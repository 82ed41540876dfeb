"""Plots of a result (needs the ``report`` extra: matplotlib)."""

from __future__ import annotations

from pathlib import Path

from zapsim.errors import ZapsimError
from zapsim.report.rows import headline
from zapsim.results import RunResult

_SAVINGS = (("MACs", "mac_saving"), ("cycles", "cycle_saving"), ("energy", "energy_saving"))
_KINDS = (".png", ".svg", ".pdf")


def plot_savings(result: RunResult, path: Path) -> None:
    """Draw MAC, cycle and energy savings of every layer and of the total as bars, side by side.

    Raises
    ------
    ZapsimError
        If matplotlib is missing or the file's ending is not one of png, svg, pdf.
    """
    if path.suffix not in _KINDS:
        raise ZapsimError(f"{path}: a plot's name must end in one of {', '.join(_KINDS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ZapsimError("plots need matplotlib: pip install 'zapsim[report]'") from None
    bars = [*((layer.shape.name, layer.comparison) for layer in result.layers), ("total", result.total)]
    figure = Figure(figsize=(max(6.0, 0.8 * len(bars)), 4.0), layout="constrained")
    axes = figure.subplots()
    for offset, (label, attribute) in zip((-0.27, 0.0, 0.27), _SAVINGS, strict=True):
        heights = [100 * getattr(comparison, attribute) for _, comparison in bars]
        axes.bar([place + offset for place in range(len(bars))], heights, width=0.27, label=f"{label} saved")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(bars)), [name for name, _ in bars], rotation=45, ha="right")
    axes.set_ylabel("% of the baseline")
    axes.set_title(headline(result), fontsize=7, wrap=True)
    axes.legend()
    metadata = {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    partial = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(partial, format=path.suffix[1:], metadata=metadata)
        partial.replace(path)
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)
