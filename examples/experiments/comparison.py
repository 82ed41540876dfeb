"""Predictors beside their baselines on one network: what is measured of every method, from every seed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from zapsim.frontend.baselines import perfect, random_like
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.frontend.training.adaptation import recalibrate
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.operating_points import trade_off
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted

NO_SEED = -1
"""Of what is not trained."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What stays the same over all patterns and seeds.

    On `calibration` images thresholds are set and the rows of the table are chosen; `test` images measure what they
    cost; no photograph is in both. `recalibrated` adds the predictors with batch normalisation measured again on the
    calibration images. `figure` is what is lost: ``top1_lost`` or ``relative_output_error``.
    """

    network: Network
    graph: Graph
    calibration: ImageSet
    test: ImageSet
    budgets: tuple[float, ...]
    random_budgets: tuple[float, ...]
    recalibrated: bool = False
    figure: str = "top1_lost"


@dataclass(frozen=True, slots=True)
class Row:
    """One method at one operating point, from one training, on both sets of images."""

    pattern: str
    method: str
    budget: str
    seed: int
    calibrate: Evaluation
    test: Evaluation


def rules(experiment: Experiment, pattern: str, layers: Iterable[str]) -> list[Row]:
    """Measure what is not trained, for one pattern: the perfect predictor first, the neighbour rule."""
    layers = list(layers)
    scorers = {name: NeighbourRule(pattern) for name in layers}
    methods = [perfect(dict.fromkeys(layers, pattern)), *points(experiment, scorers, "neighbours")]
    # As published: zero where all computed neighbours are zero, nothing to tune.
    methods.append(predicting(scorers, operating_point("rule", scorers, dict.fromkeys(scorers, 0.0))))
    return _rows(experiment, pattern, NO_SEED, methods)


def trained(experiment: Experiment, pattern: str, seed: int, predictors: Mapping[str, ZapPredictor]) -> list[Row]:
    """Measure predictors of one pattern and seed, and skipping at random at their rates."""
    patterns = dict.fromkeys(predictors, pattern)
    methods = points(experiment, predictors, "ZAP")
    rows = _rows(experiment, pattern, seed, methods)
    chance = [
        random_like(row.test, patterns, seed, f"random {row.budget}")
        for row in rows
        if float(row.budget) in experiment.random_budgets
    ]
    rows += _rows(experiment, pattern, seed, chance)
    for method in methods if experiment.recalibrated else ():
        state = recalibrate(experiment.network.model, experiment.graph, method, experiment.calibration)
        rows += adapted(experiment, pattern, seed, state, method, "ZAP, recalibrated")
    return rows


def _rows(experiment: Experiment, pattern: str, seed: int, methods: Sequence[Method]) -> list[Row]:
    model, graph = experiment.network.model, experiment.graph
    if not methods:
        return []
    both = (run_methods(model, graph, methods, images) for images in (experiment.calibration, experiment.test))
    return [
        Row(pattern, method.name.partition(" ")[0], method.name.partition(" ")[2], seed, calibrate, test)
        for method, calibrate, test in zip(methods, *both, strict=True)
    ]


def adapted(
    experiment: Experiment, pattern: str, seed: int, state: Mapping[str, torch.Tensor], method: Method, name: str
) -> list[Row]:
    """Measure `method` in the network with other weights, compared with the network as it is."""
    model = copy.deepcopy(experiment.network.model)
    model.load_state_dict(state)
    calibrate, test = (
        run_methods(model, experiment.graph, [method], images, reference=experiment.network.model)[0]
        for images in (experiment.calibration, experiment.test)
    )
    return [Row(pattern, name, method.name.partition(" ")[2], seed, calibrate, test)]


def weighted_curves(experiment: Experiment, scorers: Mapping[str, Scorer]) -> Curves:
    """Return the curves of `scorers` on the calibration images, their errors weighed by what they do to the output."""
    model, graph, images = experiment.network.model, experiment.graph, experiment.calibration
    curves = measure_curves(model, graph, scorers, images)
    few = images.first(min(len(images), 1000))
    return weighted(curves, measure_sensitivities(model, graph, scorers, curves, few))


def points(experiment: Experiment, scorers: Mapping[str, Scorer], name: str) -> list[Method]:
    """Return `scorers` at the best thresholds for every budget, named after it."""
    tuned = trade_off(weighted_curves(experiment, scorers), experiment.budgets)
    return [
        predicting(scorers, point, f"{name} {budget:g}")
        for point, budget in zip(tuned, experiment.budgets, strict=True)
    ]
