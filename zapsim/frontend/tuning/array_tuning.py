"""Thresholds for an array, from its goal to operating points: units, curves, costs, choice, expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError, FrontendError, did_you_mean
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.pooling import UnitScorer
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.tuning.array_cost import measure_array_costs, run_points, skipping_policy
from zapsim.frontend.tuning.array_points import MINIMISE, ArrayTradeOff, Minimise, settings_to_simulate, with_expected
from zapsim.frontend.tuning.array_units import units_of
from zapsim.frontend.tuning.budgets import Budgets
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.sensitivity import weighted
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.records import OperatingPoint

CROPS = 8
"""Images that are simulated, if no other number is given and there are as many."""


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
    """

    arch: ArchSpec
    minimise: Minimise = "cycles"
    unit: str = "auto"
    crops: int | None = None

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


def tune_for_array(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    curves: Curves,
    layer_weights: Mapping[str, float] | None,
    images: ImageSet,
    budgets: Budgets,
    goal: ArrayGoal,
) -> tuple[OperatingPoint, ...]:
    """Choose operating points for an array.

    Parameters
    ----------
    model, graph
        The network, which comes back unchanged.
    scorers
        Predictors by layer.
    curves
        Of single outputs, measured on `images` and weighed by `layer_weights`.
    layer_weights
        Weights of the layers' errors; None: all alike.
    images
        What errors are measured on, and the first of which are simulated.
    budgets
        What is asked for; savings are shares of the array's cost.
    goal
        The array, and what of it is to be saved.

    Raises
    ------
    ZapsimError
        If the array cannot run the network, there are too few images, or a budget cannot be met.
    """
    sample = goal.sample(images)
    units = units_of(goal.arch, goal.unit)
    unit_curves = {
        unit: curves if unit is None else _unit_curves(model, graph, scorers, unit, images, curves, layer_weights)
        for unit in units
    }
    points: tuple[OperatingPoint, ...] = ()
    if budgets.errors or budgets.savings:
        most = max(float(layer.error[-1]) for network in unit_curves.values() for layer in network.layers)
        if not budgets.savings:
            most = min(most, max(budgets.errors))
        settings = settings_to_simulate(unit_curves, most)
        costs = measure_array_costs(model, graph, scorers, settings, goal.arch, sample)
        options = ArrayTradeOff(unit_curves, costs, goal.minimise)
        points = (*map(options.for_error, budgets.errors), *map(options.for_saving, budgets.savings))
    points += tuple(_in_units(point, units[0]) for point in budgets.uniform_points(unit_curves[units[0]]))
    runs = run_points(model, graph, scorers, points, goal.arch, sample)
    note = f"expected on {goal.arch.name} with all predictors at work on {sample.description}; sums {curves.note}"
    return tuple(with_expected(point, run, note) for point, run in zip(points, runs, strict=True))


def _unit_curves(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    unit: DecisionUnit,
    images: ImageSet,
    like: Curves,
    layer_weights: Mapping[str, float] | None,
) -> Curves:
    """Measure the curves of the scores of a unit, with as many thresholds as the curves of single outputs."""
    pooled = {layer.name: UnitScorer(scorers[layer.name], unit, layer.shape.groups) for layer in like.layers}
    curves = measure_curves(model, graph, pooled, images, bins=len(like.layers[0].thresholds) - 1)
    return curves if layer_weights is None else weighted(curves, layer_weights)


def _in_units(point: OperatingPoint, unit: DecisionUnit | None) -> OperatingPoint:
    """Return a point whose settings decide on units."""
    settings = {name: setting.model_copy(update={"unit": unit}) for name, setting in point.predictors.items()}
    return point.model_copy(update={"predictors": settings})
