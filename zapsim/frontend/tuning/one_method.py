"""Check a choice among methods, layer by layer, against every method for all layers, with all predictors at work.

Curves look at one layer at a time, so that a mixture that looks better on them may be worse when the whole network
skips. So each method alone is asked for the saving of the mixture, all are run on the images that thresholds are chosen
on, and the one that changes the network's output least is kept: on these images, several methods are never worse than
each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting
from zapsim.frontend.tuning.achieved import MOST_IMAGES
from zapsim.frontend.tuning.curves import Curves, LayerCurve
from zapsim.frontend.tuning.operating_points import UnreachableError, for_saving
from zapsim.tracefile.records import OperatingPoint


def mixture_or_one_method(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    images: ImageSet,
    curves: Curves,
    point: OperatingPoint,
) -> OperatingPoint:
    """Return a point of several methods, or that of one of them that saves as much and errs less.

    Parameters
    ----------
    model, graph, scorers
        The network and its predictors, those of further methods under :func:`~zapsim.frontend.skipping.scorer_key`.
    images
        Those that thresholds are chosen on; the first 1,000 are run, once for each method and once for the mixture.
    curves
        What thresholds are chosen from.
    point
        Chosen from them. Its name and what it was asked for stay; ``summed_error``, which curves expect, may come to
        lie above the budget that was asked for, where they are wrong about it.

    Notes
    -----
    Savings with all predictors at work differ a little from those that the curves expect. The error is compared per
    share of MACs saved, as if it grew in proportion: from saving to saving it grows faster, so that the one that saves
    less is flattered, in the second order of a small difference.
    """
    methods = tuple(dict.fromkeys(map(_method, curves.layers)))
    if len(methods) == 1 or point.quality["macs_saved"] <= 0:
        return point
    candidates = [point]
    for method in methods:
        alone = replace(curves, layers=tuple(curve for curve in curves.layers if _method(curve) == method))
        try:
            candidates.append(for_saving(alone, point.quality["macs_saved"]))
        except UnreachableError:
            continue
    run = images.first(min(len(images), MOST_IMAGES))
    evaluations = run_methods(model, graph, [predicting(scorers, candidate) for candidate in candidates], run)
    errors = [
        each.figures["relative_output_error"].value / each.macs_saved if each.macs_saved > 0 else float("inf")
        for each in evaluations
    ]
    best = candidates[errors.index(min(errors))]
    if best is point:
        return point
    kept = {name: value for name, value in point.quality.items() if name not in ("macs_saved", "summed_error")}
    expected = {name: best.quality[name] for name in ("macs_saved", "summed_error")}
    return best.model_copy(update={"name": point.name, "quality": expected | kept})


def _method(curve: LayerCurve) -> str:
    return curve.setting(float(curve.thresholds[0])).method
