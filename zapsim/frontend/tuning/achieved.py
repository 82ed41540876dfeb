"""What operating points achieve: their error and savings with all predictors at work, beside what was asked for.

Curves look at one layer at a time, on activations that no other layer has changed, and on the very images on which the
thresholds are chosen. Both make them hopeful. So every point is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting
from zapsim.tracefile.records import OperatingPoint

MOST_IMAGES = 1000
"""Images that points are run on at most: every point takes a forward pass of its own."""

_FIGURES = ("relative_output_error", "top1_agreement", "top1_lost")


def with_achieved(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    images: ImageSet,
    of_output: bool = False,
) -> tuple[OperatingPoint, ...]:
    """Run every point and return the points with what they achieve added to their quality.

    ``achieved_macs_saved`` and ``achieved_summed_error`` are the figures that the curves expected (the latter is the
    relative error of the network's output if curves are `of_output`, else of the activation lost); the rest is the
    network's: ``achieved_relative_output_error``, of a classifier ``achieved_top1_agreement``, with labels
    ``achieved_top1_lost``, each with the bounds ``_low`` and ``_high`` of its 95 % interval over photographs.
    """
    run = images.first(min(len(images), MOST_IMAGES))
    evaluations = run_methods(model, graph, [predicting(scorers, point) for point in points], run)
    measured = []
    for point, evaluation in zip(points, evaluations, strict=True):
        quality = {
            "achieved_macs_saved": evaluation.macs_saved,
            "achieved_summed_error": evaluation.figures["relative_output_error"].value
            if of_output
            else evaluation.summed_error(point.error_weights),
        }
        for name in _FIGURES:
            if name in evaluation.figures:
                figure = evaluation.figures[name]
                quality |= {
                    f"achieved_{name}": figure.value,
                    f"achieved_{name}_low": figure.low,
                    f"achieved_{name}_high": figure.high,
                }
        note = "; ".join(text for text in (point.quality_note, f"achieved {evaluation.note}") if text)
        measured.append(point.model_copy(update={"quality": point.quality | quality, "quality_note": note}))
    return tuple(measured)
