"""Run a network at operating points, and measure what they cost and save: what ``zapsim eval`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend import inputs
from zapsim.frontend.baselines import Baseline, baseline_methods, random_like
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_images
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.evaluation_table import EvaluationTable
from zapsim.frontend.inputs import ImagesInput, NetworkInput, PointInput, PredictorsInput
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.unsimulated import not_simulated
from zapsim.frontend.skipping import predicting
from zapsim.frontend.splits import check_enough, warn_of_overlap
from zapsim.frontend.training.adapted_weights import AdaptedWeights, load_adapted
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.tracefile.records import OperatingPoint


def evaluate(  # noqa: PLR0913 (options, by name)
    network: NetworkInput,
    predictors: PredictorsInput,
    images: ImagesInput,
    *,
    points: PointInput | Sequence[PointInput] = (),
    adapted: Sequence[str | Path | AdaptedWeights] = (),
    labels: str | Path | None = None,
    count: int | None = None,
    baselines: Sequence[Baseline] = ("perfect",),
    method: str | None = None,
    reference: str | None = None,
    seed: int = 0,
    weights: str | Path | None = None,
    device: str = "auto",
    provenance: Mapping[str, Any] | None = None,
) -> EvaluationTable:
    """Measure what operating points cost and save, beside baselines, with all predictors at work.

    Parameters
    ----------
    network, weights, device
        As for :func:`~zapsim.frontend.api.train`.
    predictors
        A predictor file, or the ``predictors`` that :func:`~zapsim.frontend.api.train` returned.
    images
        What to measure on.
    points
        Operating points, files of them, or thresholds for all layers.
    adapted
        Files of ``zapsim adapt``: operating points with weights of their own.
    labels
        An idx file of the classes, for an idx file of images.
    count
        Only the first images (default: all).
    baselines
        ``perfect`` is never wrong, ``random`` skips at every point's rates, ``neighbours`` skips where all computed
        neighbours are zero.
    method
        Prediction method of `points` that are thresholds (default: the first of the predictors' file).
    reference
        Name of the method to which the others' differences are taken (default: the first operating point).
    seed
        Of skipping at random, and of the weights of a network that is made here.
    provenance
        Entries that replace those of the result's provenance.

    Raises
    ------
    ZapsimError
        If there is no operating point, an input cannot be used, or images are of too few photographs to say anything.
    """
    call = inputs.call("zapsim.evaluate", locals())
    images = inputs.as_paths(images)
    model, graph = inputs.open_network(network, weights, device, seed, images)
    predictor_set = inputs.open_predictors(predictors, model, graph)
    common, own_weights = open_points(points, adapted, predictor_set, method)
    scorers = predictor_set.select()
    if isinstance(images, ImageSet):
        measured = images if count is None else images.first(count)
    else:
        measured = load_images(images, model.preprocessing, inputs.as_path(labels), count)
    check_enough(measured, "measure on")
    points_by_name = {point.name: point for point in (*common, *(own.point for own in own_weights))}
    reference = _reference(reference, list(points_by_name), baselines, common)
    patterns = {layer: predictor.pattern for layer, predictor in predictor_set.predictors.items()}
    methods = [
        *baseline_methods(baselines, patterns),
        *(predicting(scorers, point) for point in common),
    ]
    evaluations = list(run_methods(model.model, graph, methods, measured)) if methods else []
    if "random" in baselines and common:
        at_points = evaluations[-len(common) :]
        likes = [random_like(like, patterns, seed, f"random {like.name}") for like in at_points]
        evaluations += run_methods(model.model, graph, likes, measured)
    evaluations += _evaluate_adapted(model, graph, predictor_set, own_weights, measured)
    recorded = {
        "command": call["command"],
        "network": model.name,
        "predictors_sha256": predictor_set.sha256,
        "arguments": call["arguments"],
        "versions": inputs.versions(),
        "data": inputs.describe(measured),
        **not_simulated(graph.unsimulated, graph.macs),
        **(provenance or {}),
    }
    inputs.warn_of_undecoded(measured)
    warn_of_overlap("to measure on", [measured], predictor_set, points_by_name.values())
    return EvaluationTable(tuple(evaluations), recorded, points_by_name, reference)


def _reference(
    name: str | None, points: Sequence[str], baselines: Sequence[Baseline], common: Sequence[OperatingPoint]
) -> str:
    """Return the name of the method to which differences are taken."""
    names = [*points, *(baseline for baseline in ("perfect", "neighbours") if baseline in baselines)]
    names += [f"random {point.name}" for point in common] if "random" in baselines else []
    if name is not None and name not in names:
        raise FrontendError(f"reference '{name}' is not evaluated{did_you_mean(name, names)}: {', '.join(names)}")
    return name or points[0]


def open_points(
    points: PointInput | Sequence[PointInput],
    adapted: Sequence[str | Path | AdaptedWeights],
    predictors: PredictorSet,
    method: str | None,
) -> tuple[tuple[OperatingPoint, ...], tuple[AdaptedWeights, ...]]:
    """Return the operating points, and those with weights of their own."""
    opened = inputs.open_points(points, predictors, method)
    own_weights: list[AdaptedWeights] = []
    for source in adapted:
        own_weights += [source] if isinstance(source, AdaptedWeights) else load_adapted(Path(source), predictors)
    if not (opened or own_weights):
        raise FrontendError("no operating point: give points or adapted weights")
    inputs.check_names([*opened, *(own.point for own in own_weights)])
    return opened, tuple(own_weights)


def _evaluate_adapted(
    network: Network, graph: Graph, predictors: PredictorSet, adapted: Sequence[AdaptedWeights], images: ImageSet
) -> list[Evaluation]:
    """Evaluate the points with weights of their own; they are compared with the network as it was."""
    evaluations: list[Evaluation] = []
    for own in adapted:
        method = predicting(own.scorers(predictors.select()), own.point)
        evaluations += run_methods(own.model(network.model), graph, [method], images, reference=network.model)
    return evaluations
