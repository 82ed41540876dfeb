"""Choose operating points: what ``zapsim tune`` does, with objects in the place of files where that is handier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from zapsim.arch.spec import ArchSpec
from zapsim.errors import FrontendError
from zapsim.frontend import inputs
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.inputs import ImagesInput, NetworkInput, PredictorsInput
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.unsimulated import not_simulated, summary
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.splits import check_enough, check_unseen, training_photographs, warn_of_overlap
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.frontend.tuning.achieved import with_achieved
from zapsim.frontend.tuning.array_points import Minimise
from zapsim.frontend.tuning.array_tuning import ArrayGoal, Calibration, tune_for_array
from zapsim.frontend.tuning.budgets import Budgets, reached
from zapsim.frontend.tuning.curves import BINS, Curves, measure_curves
from zapsim.frontend.tuning.harm_curves import choose_by_harm, measure_harm_curves
from zapsim.frontend.tuning.one_method import mixture_or_one_method
from zapsim.frontend.tuning.operating_points import save_points
from zapsim.frontend.tuning.ordering import check_rules, order_points
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted
from zapsim.tracefile.order import Rule
from zapsim.tracefile.records import OperatingPoint

Harm = Literal["activation", "output"]
"""What the errors of curves and the budgets of points are."""


MOST_WEIGHING_IMAGES = 1000
"""Images that the layers' weights are measured on at most: they are means, and take a forward pass per layer."""


@dataclass(frozen=True, slots=True, eq=False)
class TuningResult:
    """Operating points, and the curves that they were chosen from.

    `weights` holds the layers' weights if their errors were weighed, else None. `left_out` says which share of the
    network's MACs is not simulated; it is empty if all is.
    """

    points: tuple[OperatingPoint, ...]
    curves: Curves
    weights: dict[str, float] | None
    left_out: str = ""


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
    harm: Harm = "activation",
    method: str | Sequence[str] | None = None,
    order: Rule | Sequence[Rule] = (),
    arch: ArchSpec | str | Path | None = None,
    overrides: Mapping[str, object] | Sequence[str] | None = None,
    minimise: Minimise | None = None,
    unit: str | None = None,
    array_crops: int | None = None,
    crops: int = 64,
    check: ImagesInput | None = None,
    unseen: bool = False,
    allow_overlap: bool = False,
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
        What to measure on: other photographs than those of the training.
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
    harm
        What errors are: ``activation``, the share of a layer's activation sum that is lost, or ``output``, the relative
        error of the network's output that skipping makes, estimated from gradients at the operating point
        (:mod:`zapsim.frontend.tuning.harm_curves`). `error` and `uniform` are then budgets of that error.
    method
        Prediction method (default: the first of the predictors' file). Of several, and of all that can be used with
        ``best``, each layer gets the one that the budget is best spent on, net of its own MACs.
    order
        Static orders of filters to learn for every point, ``density`` or ``deal``: each makes one more point
        (``e0.2-density``). :mod:`zapsim.frontend.tuning.ordering` says how.
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
    check
        Other images, on which to measure what the points achieve (default: those that the thresholds are chosen on).
    unseen
        Whether to leave out the photographs of the training, wherever crops are drawn.
    allow_overlap
        Whether `images` may hold photographs of the training: then there is a warning, else they are refused.
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
        If there is nothing to tune for, a budget cannot be met, an input cannot be used, images are photographs of
        the training, or there are too few of them to say anything.
    """
    call = inputs.call("zapsim.tune", locals())
    images, out = inputs.as_paths(images), inputs.as_path(out)
    budgets = Budgets.of(error, saving, uniform, threshold)
    goal = ArrayGoal.of(arch, overrides, minimise, unit, array_crops)
    _check_harm(harm, weigh)
    rules = _rules(order)
    inputs.check_output(out)
    model, graph = inputs.open_network(network, weights, device, seed, images)
    predictor_set = inputs.open_predictors(predictors, model, graph)
    # Another stream of random numbers than training's, should both use the same pictures.
    left_out = training_photographs(predictor_set) if unseen else frozenset()
    if isinstance(images, ImageSet):
        crop_set = images.without(left_out)
    else:
        crop_set = load_crops(images, model.preprocessing, crops, seed + 2, without=left_out)
    check_enough(crop_set, "tune on")
    seen = check_unseen(crop_set, predictor_set, allowed=allow_overlap)
    checked = None if check is None else _checked_images(inputs.as_paths(check), model, crops, seed)
    methods = _methods(method, predictor_set)
    if goal is not None:
        goal.check(graph, crop_set)
        _check_for_array(harm)
    scorers = predictor_set.select(methods)
    curves, layer_weights = _measured(model, graph, scorers, crop_set, harm, weigh=weigh, bins=bins)
    if goal is not None:
        calibration = Calibration(model.model, graph, scorers, crop_set, curves, layer_weights)
        points = tune_for_array(calibration, budgets, goal, rules)
    else:
        choices = budgets.choices()
        if harm == "output":
            points = reached(
                partial(choose_by_harm, model.model, graph, scorers, crop_set, curves, choose) for choose in choices
            )
        else:
            points = reached(partial(choose, curves) for choose in choices)
        points = tuple(mixture_or_one_method(model.model, graph, scorers, crop_set, curves, point) for point in points)
    chosen = {"calibrated_on": frozenset(crop_set.photographs()), "error_weights": layer_weights or {}}
    points = tuple(point.model_copy(update=chosen) for point in points)
    all_scorers = predictor_set.select()
    points = with_achieved(model.model, graph, all_scorers, points, checked or crop_set, curves.squared)
    if goal is None:
        points += order_points(model.model, graph, all_scorers, points, crop_set, rules)
    if out is not None:
        recorded = {
            **call,
            "versions": inputs.versions(),
            "data": inputs.describe(crop_set),
            **not_simulated(graph.unsimulated, graph.macs),
            **({"photographs_of_the_training": seen} if seen else {}),
            **({} if checked is None else {"check": inputs.describe(checked)}),
            **({} if layer_weights is None else {"weights": layer_weights}),
            **({} if goal is None else {"array": goal.record()}),
            **(provenance or {}),
        }
        save_points(out, points, predictor_set, recorded)
    inputs.warn_of_undecoded(crop_set, checked)
    if checked is not None:
        warn_of_overlap("to check on", [checked], predictor_set, points)
    return TuningResult(points, curves, layer_weights, summary(graph.unsimulated, graph.macs))


def _measured(
    network: Network,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    images: ImageSet,
    harm: str,
    *,
    weigh: bool,
    bins: int,
) -> tuple[Curves, dict[str, float] | None]:
    """Measure the curves, and weigh them if that is wanted; the weights are None otherwise."""
    measure = measure_harm_curves if harm == "output" else measure_curves
    curves = measure(network.model, graph, scorers, images, bins=bins)
    if not weigh:
        return curves, None
    sample = images.first(min(len(images), MOST_WEIGHING_IMAGES))
    layer_weights = measure_sensitivities(network.model, graph, scorers, curves, sample)
    return weighted(curves, layer_weights), layer_weights


def _check_harm(harm: str, weigh: bool) -> None:
    """Refuse an unknown kind of error, and weights of errors that need none."""
    if harm not in get_args(Harm):
        raise FrontendError(f"harm must be one of {', '.join(get_args(Harm))}, got '{harm}'")
    if harm == "output" and weigh:
        raise FrontendError("errors of the output need no weights: leave out weigh, or harm 'output'")


def _rules(order: Rule | Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the orders of filters that are wanted; unknown ones are refused."""
    rules: tuple[Rule, ...] = tuple(order) if not isinstance(order, str) else (order,)
    check_rules(rules)
    return rules


def _check_for_array(harm: str) -> None:
    """Refuse what thresholds for an array are not chosen with."""
    if harm == "output":
        raise FrontendError("thresholds for an array (arch) are chosen by lost activation: leave out harm 'output'")


def _methods(method: str | Sequence[str] | None, predictors: PredictorSet) -> tuple[str, ...]:
    """Return the methods that are meant, each once."""
    if method is None:
        return predictors.header.methods[:1]
    names = (method,) if isinstance(method, str) else tuple(dict.fromkeys(method))
    return predictors.methods if inputs.BEST in names else names


def _checked_images(images: ImageSet | list[Path], network: Network, crops: int, seed: int) -> ImageSet:
    """Return what the points are run on, of enough photographs."""
    opened = images if isinstance(images, ImageSet) else load_crops(images, network.preprocessing, crops, seed + 4)
    check_enough(opened, "check on")
    return opened
