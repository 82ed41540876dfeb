"""Plot of quality over MACs saved (needs the ``report`` extra: matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zapsim.frontend.evaluation import Evaluation
from zapsim.report.plot import save_figure

_SHOWN = ("top1_accuracy", "top1_agreement", "relative_output_error")


def plot_evaluations(evaluations: Sequence[Evaluation], path: Path, title: str) -> None:
    """Draw every method as a point with its interval: top-1 if known, else agreement, else output error."""
    from matplotlib.figure import Figure

    figures = evaluations[0].figures
    name = next(one for one in _SHOWN if one in figures)
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for family in dict.fromkeys(_family(one) for one in evaluations):
        members = sorted((one for one in evaluations if _family(one) == family), key=lambda one: one.macs_saved)
        found = [one.figures[name] for one in members]
        reach = [[100 * (one.value - one.low) for one in found], [100 * (one.high - one.value) for one in found]]
        across = [100 * one.macs_saved for one in members]
        heights = [100 * one.value for one in found]
        axes.errorbar(across, heights, yerr=reach, fmt="o-", markersize=4, linewidth=1, capsize=2, label=family)
        for one, x, y in zip(members, across, heights, strict=True):
            axes.annotate(one.name, (x, y), textcoords="offset points", xytext=(4, 4), fontsize=6)
    if "top1_accuracy_unmodified" in figures and name == "top1_accuracy":
        axes.axhline(100 * figures["top1_accuracy_unmodified"].value, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("MACs saved, net of the predictors' own, %")
    axes.set_ylabel(f"{name.replace('_', ' ')}, %")
    axes.set_title(title, fontsize=7, wrap=True, parse_math=False)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def _family(evaluation: Evaluation) -> str:
    """Return which line a method belongs to: the predictors' own, adapted weights, or a baseline."""
    first, _, adapted = evaluation.name.split()[0].partition("-")
    if first in ("perfect", "random", "neighbours"):
        return first
    return f"predictors, {adapted}" if adapted in ("recalibrated", "finetuned") else "predictors"
