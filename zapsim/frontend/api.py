"""The public functions of the frontend: train predictors, choose operating points, evaluate them, trace a network.

They do what the commands of the same names do, with objects in the place of files where that is handier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zapsim.arch.spec import ArchSpec
from zapsim.frontend import inputs
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.inputs import ImagesInput, NetworkInput, PredictorsInput
from zapsim.frontend.measurement import evaluate, trace
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.training.predictor import PredictorSet, save_predictors
from zapsim.frontend.training.training import Recipe, TrainingOptions, train_predictors
from zapsim.frontend.tuning.array_points import Minimise
from zapsim.frontend.tuning.array_tuning import ArrayGoal, tune_for_array
from zapsim.frontend.tuning.budgets import Budgets
from zapsim.frontend.tuning.curves import BINS, Curves, measure_curves
from zapsim.frontend.tuning.operating_points import save_points
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted
from zapsim.tracefile.records import OperatingPoint

__all__ = ["TrainingResult", "TuningResult", "evaluate", "trace", "train", "tune"]

MOST_WEIGHING_IMAGES = 1000
"""Images that the layers' weights are measured on at most: they are means, and take a forward pass per layer."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """Trained predictors, and how their training went.

    Attributes
    ----------
    predictors
        What :func:`tune`, :func:`evaluate` and :func:`trace` take.
    graph
        The network's convolutions; those without a predictor say why.
    losses
        Each layer's mean loss in every epoch.
    savings
        Share of each layer's outputs that threshold 0 would have skipped in the last batch.
    """

    predictors: PredictorSet
    graph: Graph
    losses: dict[str, tuple[float, ...]]
    savings: dict[str, float]


def train(  # noqa: PLR0913 (options, by name)
    network: NetworkInput,
    images: ImagesInput,
    *,
    pattern: str = "1/2",
    layer_patterns: Mapping[str, str] | None = None,
    crops: int = 200,
    epochs: int = 5,
    batch: int = 8,
    lr: float | None = None,
    recipe: Recipe = "weighted",
    seed: int = 0,
    weights: str | Path | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    checkpoint: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train predictors for all layers that can have one, in the same forward passes, without labels.

    Parameters
    ----------
    network
        ``package.module:factory``, an ``nn.Module`` or a :class:`~zapsim.frontend.network.Network`. It comes back
        unchanged.
    images
        What to learn from: pictures, folders of pictures, one idx or npz file, or a set of images.
    pattern
        The outputs that are computed first.
    layer_patterns
        Patterns of the layers that have another one.
    crops
        Random crops of the pictures (or images drawn from a file); a set of images is taken as it is.
    epochs, batch, lr
        Passes over the crops, crops per step, and Adam's learning rate (default: 0.03; the paper's recipe: 0.01).
    recipe
        ``weighted``: start as the neighbour rule, large activations count more, the rate falls to 0. ``paper``: start
        at random, all outputs count alike, constant rate.
    seed
        Of crops, training, and the weights of a network that is made here.
    weights
        State dict for a network that is named: ``.safetensors``, or ``.pth`` (weights only).
    device
        ``auto``, ``cpu`` or ``cuda``, for a network that is named; a module stays where it is.
    out
        Predictor file to write (default: none).
    checkpoint
        File that keeps the state of an unfinished run (default: ``out`` with ``.checkpoint`` behind it, if there is an
        ``out``). The same call goes on from it.
    provenance
        Entries that replace those of the file's provenance.

    Raises
    ------
    ZapsimError
        If network, images or options cannot be used, or a file cannot be written.
    """
    call = inputs.call("zapsim.train", locals())
    images = inputs.as_paths(images)
    out, checkpoint_path = inputs.as_path(out), inputs.as_path(checkpoint)
    if checkpoint_path is None and out is not None:
        checkpoint_path = out.with_name(f"{out.name}.checkpoint")
    for path in (out, checkpoint_path):
        inputs.check_output(path)
    options = TrainingOptions(pattern, epochs, batch, lr, recipe, seed, dict(layer_patterns or {}))
    model, graph = inputs.open_network(network, weights, device, seed, images)
    crop_set = images if isinstance(images, ImageSet) else load_crops(images, model.preprocessing, crops, seed)
    trained = train_predictors(model.model, graph, crop_set, options, checkpoint=checkpoint_path)
    recorded = {
        **call,
        "versions": inputs.versions(),
        "data": inputs.describe(crop_set),
        "preprocessing": inputs.describe_preprocessing(model.preprocessing),
        "losses": {name: list(losses) for name, losses in trained.losses.items()},
        **(provenance or {}),
    }
    predictors = save_predictors(out, model.name, model.weights_sha256, trained.predictors, recorded)
    if checkpoint_path is not None:
        checkpoint_path.unlink(missing_ok=True)
    inputs.warn_of_undecoded(crop_set)
    return TrainingResult(predictors, graph, trained.losses, trained.savings)


@dataclass(frozen=True, slots=True, eq=False)
class TuningResult:
    """Operating points, and the curves that they were chosen from.

    `weights` holds the layers' weights if their errors were weighed, else None.
    """

    points: tuple[OperatingPoint, ...]
    curves: Curves
    weights: dict[str, float] | None


def tune(  # noqa: PLR0913 (options, by name)
    network: NetworkInput,
    predictors: PredictorsInput,
    images: ImagesInput,
    *,
    error: float | Sequence[float] = (),
    saving: float | Sequence[float] = (),
    uniform: float | Sequence[float] = (),
    threshold: float | Sequence[float] = (),
    weigh: bool = False,
    arch: ArchSpec | str | Path | None = None,
    overrides: Mapping[str, object] | Sequence[str] | None = None,
    minimise: Minimise | None = None,
    unit: str | None = None,
    array_crops: int | None = None,
    crops: int = 64,
    bins: int = BINS,
    seed: int = 0,
    weights: str | Path | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> TuningResult:
    """Choose thresholds per layer for error budgets or savings of MACs or of an array, from curves measured on images.

    Parameters
    ----------
    network, weights, device
        As for :func:`~zapsim.frontend.api.train`.
    predictors
        A predictor file, or the ``predictors`` that :func:`~zapsim.frontend.api.train` returned.
    images
        What to measure on; preferably not the images of the training.
    error
        Budgets of summed error: save the most MACs within each (points ``e0.2`` and so on), or the most of the array.
    saving
        Shares of the MACs to save, net of the predictors' own, or of the array's cost, with least summed error
        (``s0.2``).
    uniform
        Budgets of summed error for the highest threshold that all layers share (``u0.2``).
    threshold
        Thresholds for all layers (``t0.2``).
    weigh
        Whether a layer's error counts as much as skipping in this layer alone hurts the network's output.
    arch, overrides
        An architecture, its file, or the name of a shipped one, and values that replace its own: the cost of a layer
        is then what it takes on this array, by the array's own engine, and points say what is expected of them there.
        What is approximated, :mod:`zapsim.frontend.tuning.array_cost` says.
    minimise
        What of the array is to be saved: ``cycles`` (default), ``energy`` or ``edp``.
    unit
        What is decided on together: ``auto`` (default: what the array can leave out together, or single outputs,
        whichever pays in a layer), ``output``, ``filters``, ``pixels`` or ``quota``
        (:func:`~zapsim.frontend.tuning.array_units.units_of`).
    array_crops
        How many of the images are simulated (default: 8, or all if there are fewer).
    crops
        Random crops of the pictures (or images drawn from a file); a set of images is taken as it is.
    bins
        Steps of the curves from -1 to 1, a power of two.
    seed
        Of the crops, and of the weights of a network that is made here.
    out
        File of operating points to write (default: none).
    provenance
        Entries that replace those of the file's provenance.

    Raises
    ------
    ZapsimError
        If there is nothing to tune for, a budget cannot be met, or an input cannot be used.
    """
    call = inputs.call("zapsim.tune", locals())
    images, out = inputs.as_paths(images), inputs.as_path(out)
    budgets = Budgets.of(error, saving, uniform, threshold)
    goal = ArrayGoal.of(arch, overrides, minimise, unit, array_crops)
    inputs.check_output(out)
    model, graph = inputs.open_network(network, weights, device, seed, images)
    predictor_set = inputs.open_predictors(predictors, model, graph)
    # Another stream of random numbers than training's, should both use the same pictures.
    crop_set = images if isinstance(images, ImageSet) else load_crops(images, model.preprocessing, crops, seed + 2)
    if goal is not None:
        goal.check(graph, crop_set)
    scorers = predictor_set.predictors
    curves = measure_curves(model.model, graph, scorers, crop_set, bins=bins)
    layer_weights: dict[str, float] | None = None
    if weigh:
        sample = crop_set.first(min(len(crop_set), MOST_WEIGHING_IMAGES))
        layer_weights = measure_sensitivities(model.model, graph, scorers, curves, sample)
        curves = weighted(curves, layer_weights)
    if goal is None:
        points = budgets.points(curves)
    else:
        points = tune_for_array(model.model, graph, scorers, curves, layer_weights, crop_set, budgets, goal)
    if out is not None:
        recorded = {
            **call,
            "versions": inputs.versions(),
            "data": inputs.describe(crop_set),
            **({} if layer_weights is None else {"weights": layer_weights}),
            **({} if goal is None else {"array": goal.record()}),
            **(provenance or {}),
        }
        save_points(out, points, predictor_set, recorded)
    inputs.warn_of_undecoded(crop_set)
    return TuningResult(points, curves, layer_weights)
