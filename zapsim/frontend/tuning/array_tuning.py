"""Thresholds for an array, from its goal to operating points: units, curves, costs, choice, expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError, FrontendError, did_you_mean
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.channels import trace_channels
from zapsim.frontend.network.forward import device_of
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.pooling import UnitScorer
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import scorer_key, scorers_of
from zapsim.frontend.tuning.array_cost import measure_array_costs, run_points, skipping_policy
from zapsim.frontend.tuning.array_points import (
    MINIMISE,
    THRESHOLDS,
    ArrayTradeOff,
    Minimise,
    settings_to_simulate,
    with_expected,
)
from zapsim.frontend.tuning.array_units import units_of
from zapsim.frontend.tuning.budgets import Budgets, reached
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.operating_points import best_threshold
from zapsim.frontend.tuning.ordering import learn_order, measure_shares
from zapsim.frontend.tuning.sensitivity import weighted
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.order import FilterOrder, Rule
from zapsim.tracefile.records import OperatingPoint

CROPS = 8
"""Images that are simulated, if no other number is given and there are as many."""

ORDER_ERROR = 0.02
"""Share of activation that layers lose on average at the threshold at which filters are ordered by their density."""


@dataclass(frozen=True, slots=True)
class ArrayGoal:
    """The array that thresholds are chosen for.

    Attributes
    ----------
    arch
        The architecture.
    minimise
        What is to be saved.
    unit
        Name of the unit of decision (:func:`zapsim.frontend.tuning.array_units.units_of`).
    crops
        How many of the images are simulated; None: :data:`CROPS`, or all if there are fewer.
    thresholds
        At how many thresholds each layer is simulated, for each unit.
    """

    arch: ArchSpec
    minimise: Minimise = "cycles"
    unit: str = "auto"
    crops: int | None = None
    thresholds: int = THRESHOLDS

    @classmethod
    def of(
        cls,
        arch: ArchSpec | str | Path | None,
        overrides: Mapping[str, object] | Sequence[str] | None,
        minimise: Minimise | None,
        unit: str | None,
        crops: int | None,
    ) -> ArrayGoal | None:
        """Load the architecture and check the other options; None without an architecture.

        Raises
        ------
        FrontendError
            If an option is unknown, not for this array, or needs an architecture.
        ConfigError
            If the architecture cannot be used.
        """
        options = {"minimise": minimise, "unit": unit, "array crops": crops, "changes to an architecture": overrides}
        if arch is None:
            for name, value in options.items():
                if value is not None:
                    raise FrontendError(f"{name} need an architecture: give arch (--arch), such as eyeriss")
            return None
        if minimise not in {None, *MINIMISE}:
            hint = did_you_mean(str(minimise), MINIMISE)
            raise FrontendError(f"unknown cost '{minimise}' to minimise{hint}; known: {', '.join(MINIMISE)}")
        if crops is not None and crops < 1:
            raise FrontendError(f"at least one crop must be simulated, got {crops}")
        if isinstance(arch, ArchSpec):
            if overrides:
                raise ConfigError(f"{arch.name}: overrides need the name or path of an architecture, got an ArchSpec")
            spec = arch
        else:
            spec = load_arch(arch, overrides or ())
        units_of(spec, unit or "auto")
        return cls(spec, minimise or "cycles", unit or "auto", crops)

    def check(self, graph: Graph, images: ImageSet) -> None:
        """Make sure, before anything is measured, that the array can run the network, and that there are images.

        Raises
        ------
        ZapsimError
            Saying what cannot be done.
        """
        skipping_policy(self.arch, graph)
        self.sample(images)

    def sample(self, images: ImageSet) -> ImageSet:
        """Return the images that are simulated.

        Raises
        ------
        FrontendError
            If there are fewer than wanted.
        """
        if self.crops is not None and self.crops > len(images):
            raise FrontendError(f"{self.crops} crops are to be simulated, but there are only {len(images)} (--crops)")
        return images.first(min(self.crops or CROPS, len(images)))

    def record(self) -> dict[str, Any]:
        """Return what a file says of the goal."""
        return {"arch": self.arch.name, "arch_sha256": self.arch.hash, "minimise": self.minimise, "unit": self.unit}


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What thresholds are chosen from.

    Attributes
    ----------
    model, graph
        The network, which comes back unchanged.
    scorers
        Predictors by layer, as for :func:`~zapsim.frontend.skipping.predicting`.
    images
        What errors are measured on, and the first of which are simulated.
    curves
        Of single outputs, measured on `images` and weighed by `layer_weights`.
    layer_weights
        Weights of the layers' errors; None: all alike.
    """

    model: nn.Module
    graph: Graph
    scorers: Mapping[str, Scorer]
    images: ImageSet
    curves: Curves
    layer_weights: Mapping[str, float] | None = None

    def curves_of(self, unit: DecisionUnit | None, order: FilterOrder | None) -> Curves:
        """Return the curves of the scores of a unit, at as many thresholds as those of single outputs."""
        if unit is None:
            return self.curves
        pooled = {}
        for site in self.graph.sites:
            filters = None if order is None else order.filters.get(site.name)
            for number, scorer in enumerate(scorers_of(self.scorers, site.name)):
                key = scorer_key(site.name, scorer.method) if number else site.name
                pooled[key] = UnitScorer(scorer, unit, site.shape.groups, filters)
        bins = len(self.curves.layers[0].thresholds) - 1
        curves = measure_curves(self.model, self.graph, pooled, self.images, bins=bins)
        return curves if self.layer_weights is None else weighted(curves, self.layer_weights)


def tune_for_array(
    calibration: Calibration, budgets: Budgets, goal: ArrayGoal, rules: Sequence[Rule] = ()
) -> tuple[OperatingPoint, ...]:
    """Choose operating points for an array.

    Parameters
    ----------
    calibration
        The network, its predictors, and what was measured of them.
    budgets
        What is asked for; savings are shares of the array's cost.
    goal
        The array, and what of it is to be saved.
    rules
        Orders of filters in which all points are chosen once more (point ``e0.2-density``). The densities are those of
        the common threshold at which layers lose :data:`ORDER_ERROR` on average.

    Raises
    ------
    ZapsimError
        If the array cannot run the network, there are too few images, or a budget cannot be met.
    """
    points = _points(calibration, budgets, goal, None)
    if not rules:
        return points
    model, graph, images = calibration.model, calibration.graph, calibration.images
    channels = trace_channels(model, graph, images.tensor([0]).to(device_of(model)))
    first = {layer.name: layer for layer in reversed(calibration.curves.layers)}  # of several methods, the first
    like = best_threshold(replace(calibration.curves, layers=tuple(first.values())), ORDER_ERROR * len(first))
    shares = measure_shares(model, graph, calibration.scorers, like, images)
    for rule in rules:
        order = learn_order(graph, channels, shares, rule, f"on {images.description}")
        for point in _points(calibration, budgets, goal, order):
            points += (point.model_copy(update={"name": f"{point.name}-{rule}"}),)
    return points


def _points(
    calibration: Calibration, budgets: Budgets, goal: ArrayGoal, order: FilterOrder | None
) -> tuple[OperatingPoint, ...]:
    """Choose the points of one order of filters."""
    sample = goal.sample(calibration.images)
    units = units_of(goal.arch, goal.unit)
    curves = {unit: calibration.curves_of(unit, order) for unit in units}
    network = calibration.model, calibration.graph, calibration.scorers
    points: tuple[OperatingPoint, ...] = ()
    if budgets.errors or budgets.savings:
        most = max(float(layer.error[-1]) for of_unit in curves.values() for layer in of_unit.layers)
        if not budgets.savings:
            most = min(most, max(budgets.errors))
        settings = settings_to_simulate(curves, most, goal.thresholds)
        costs = measure_array_costs(*network, settings, goal.arch, sample, order=order)
        options = ArrayTradeOff(curves, costs, goal.minimise)
        kinds = (budgets.errors, options.for_error), (budgets.savings, options.for_saving)
        points = reached(partial(choose, value) for values, choose in kinds for value in values)
    points += tuple(_in_units(point, units[0]) for point in budgets.uniform_points(curves[units[0]]))
    points = tuple(point.model_copy(update={"order": order}) for point in points)
    runs = run_points(*network, points, goal.arch, sample)
    note = f"expected on {goal.arch.name} with all predictors at work on {sample.description}"
    return tuple(with_expected(point, run, note) for point, run in zip(points, runs, strict=True))


def _in_units(point: OperatingPoint, unit: DecisionUnit | None) -> OperatingPoint:
    """Return a point whose settings decide on units."""
    settings = {name: setting.model_copy(update={"unit": unit}) for name, setting in point.predictors.items()}
    return point.model_copy(update={"predictors": settings})
