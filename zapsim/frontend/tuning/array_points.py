"""Operating points for an array: the knapsack of operating points with the array's cost in the place of MACs.

A layer's options are its dense run and, for each unit that the array leaves out together, some thresholds. Their errors
are exact (:mod:`zapsim.frontend.tuning.curves`), their cycles and energy come from the array's engine
(:mod:`zapsim.frontend.tuning.array_cost`). The choice among them is exact.

EDP is no sum over layers. With C and E the cycles and the energy of the network, log C + log E is concave in both, so
that its tangent is above it: minimising C / C' + E / E' for the C' and E' of the last choice never raises the EDP (a
majorise-minimise step; Hunter and Lange, The American Statistician 58, 2004). It is repeated until nothing changes,
from the dense network on. For a saving S of the EDP, (C / C0 + E / E0) / 2 is kept within sqrt(1 - S), with C0 and E0
those of the dense network: the mean of two numbers is at least the root of their product.

A point's quality is what is expected of it on the images that were simulated, with all predictors at work:
``expected_cycle_saving`` and ``expected_energy_saving``. ``layerwise_cycle_saving`` and ``layerwise_energy_saving`` are
the sums that the choice was made by, and ``macs_saved`` and ``summed_error`` those of the curves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod, sqrt
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from zapsim.comparison import Comparison
from zapsim.errors import FrontendError
from zapsim.frontend.tuning.array_cost import ArrayCosts, LayerCosts
from zapsim.frontend.tuning.curves import Curves, LayerCurve
from zapsim.frontend.tuning.knapsack import Options, choose_exactly
from zapsim.frontend.tuning.operating_points import UnreachableError
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.records import OperatingPoint, PredictorSetting

Minimise: TypeAlias = Literal["cycles", "energy", "edp"]
MINIMISE: Final[tuple[Minimise, ...]] = get_args(Minimise)
UnitCurves: TypeAlias = Mapping[DecisionUnit | None, Curves]
"""The curves of the network for each unit that the layers may choose."""

THRESHOLDS = 24
"""Thresholds of a layer that are simulated for each unit."""

_MOST_STEPS = 50


def settings_to_simulate(
    curves: UnitCurves, most_error: float, count: int = THRESHOLDS
) -> dict[str, tuple[PredictorSetting, ...]]:
    """Return the settings of every layer among which points choose.

    For each unit the highest thresholds whose error is at most 0, and m · (i / count)² with i = 1 to `count`, m being
    `most_error`: small errors, which most layers get, are divided most finely.
    """
    settings: dict[str, list[PredictorSetting]] = {}
    levels = most_error * (np.arange(count + 1) / count) ** 2
    for unit, network in curves.items():
        for layer in network.layers:
            rows = sorted(set(np.searchsorted(layer.error, levels, side="right").tolist()) - {0})
            settings.setdefault(layer.name, []).extend(_setting(layer, row - 1, unit) for row in rows)
    return {name: tuple(chosen) for name, chosen in settings.items()}


def _setting(layer: LayerCurve, row: int, unit: DecisionUnit | None) -> PredictorSetting:
    return layer.setting(float(layer.thresholds[row])).model_copy(update={"unit": unit})


@dataclass(frozen=True, slots=True, eq=False)
class ArrayTradeOff:
    """What a network loses and costs at the settings of its layers: what points are chosen from.

    Attributes
    ----------
    curves
        Errors and MACs.
    costs
        Cycles and energy.
    minimise
        What is to be saved.
    """

    curves: UnitCurves
    costs: ArrayCosts
    minimise: Minimise = "cycles"

    def for_error(self, budget: float) -> OperatingPoint:
        """Return the settings that cost least with a summed error of at most `budget` (point ``e0.2`` and so on).

        Raises
        ------
        FrontendError
            If the budget is negative or not finite.
        """
        if not (isfinite(budget) and budget >= 0):
            raise FrontendError(f"an error budget must be 0 or more, got {budget}")
        errors, taken = self._errors(), (0,) * len(self.costs.layers)
        for _ in range(_MOST_STEPS):
            costs = self._costs(self._weights(taken))
            lists = [Options(cost, error) for cost, error in zip(costs, errors, strict=True)]
            choice = choose_exactly(lists, budget)
            assert choice is not None  # without predictors there is no error
            further = prod(self._sums(choice.taken)) < prod(self._sums(taken))
            if self.minimise != "edp" or further:
                taken = choice.taken
            if self.minimise != "edp" or not further:
                break
        return self._point(f"e{budget:g}", taken, {"asked_summed_error": budget})

    def for_saving(self, saving: float) -> OperatingPoint:
        """Return the settings of least summed error that save a share of the cost (point ``s0.2`` and so on).

        Raises
        ------
        UnreachableError
            If no settings save that much.
        """
        if not (isfinite(saving) and 0 <= saving <= 1):
            raise FrontendError(f"a saving must be a share from 0 to 1, got {saving}")
        costs = self._costs(self._weights((0,) * len(self.costs.layers)))
        whole = math.fsum(float(cost[0]) for cost in costs)
        left = sqrt(1 - saving) if self.minimise == "edp" else 1 - saving
        lists = [Options(error, cost) for error, cost in zip(self._errors(), costs, strict=True)]
        choice = choose_exactly(lists, left * whole * (1 + 1e-12))
        if choice is None:
            least = math.fsum(float(cost.min()) for cost in costs) / whole
            most = 1 - (least**2 if self.minimise == "edp" else least)
            raise UnreachableError(
                f"a saving of {saving:.1%} cannot be reached: no thresholds save over {most:.2%} of the {self.named}"
            )
        return self._point(f"s{saving:g}", choice.taken, {f"asked_{self.figure}_saving": saving})

    @property
    def named(self) -> str:
        """What is minimised, as a text says it."""
        return "EDP" if self.minimise == "edp" else self.minimise

    @property
    def figure(self) -> str:
        """What is minimised, as figures of a point's quality name it."""
        return "cycle" if self.minimise == "cycles" else self.minimise

    def _weights(self, taken: Sequence[int]) -> tuple[float, float]:
        """Return the weights of cycles and energy in the cost; those of EDP depend on the options that are `taken`."""
        if self.minimise == "edp":
            cycles, energy = self._sums(taken)
            return 1 / max(cycles, 1.0), 1 / max(energy, 1.0)
        return (1.0, 0.0) if self.minimise == "cycles" else (0.0, 1.0)

    def _costs(self, weights: tuple[float, float]) -> list[NDArray[np.float64]]:
        return [weights[0] * layer.cycles + weights[1] * layer.energy_pj for layer in self.costs.layers]

    def _sums(self, taken: Sequence[int]) -> tuple[float, float]:
        """Return cycles and energy of the network at an option per layer."""
        pairs = list(zip(self.costs.layers, taken, strict=True))
        return (
            math.fsum(layer.cycles[option] for layer, option in pairs),
            math.fsum(layer.energy_pj[option] for layer, option in pairs),
        )

    def _errors(self) -> list[NDArray[np.float64]]:
        return [np.array([self._lost(layer, setting)[0] for setting in layer.settings]) for layer in self.costs.layers]

    def _lost(self, layer: LayerCosts, setting: PredictorSetting | None) -> tuple[float, float]:
        """Return error and MACs per image of a layer at one setting."""
        if setting is None:
            return 0.0, float(layer.site.shape.macs)
        curve = self._curve(layer.site.name, setting)
        row = curve.index(setting.threshold)
        return float(curve.error[row]), float(curve.macs[row])

    def _curve(self, layer: str, setting: PredictorSetting) -> LayerCurve:
        """Return the curve of a layer's method and unit."""
        curves = (curve for curve in self.curves[setting.unit].layers if curve.name == layer)
        return next(curve for curve in curves if curve.setting(setting.threshold).method == setting.method)

    def _point(self, name: str, taken: Sequence[int], asked: Mapping[str, float]) -> OperatingPoint:
        chosen = [(layer, layer.settings[option]) for layer, option in zip(self.costs.layers, taken, strict=True)]
        lost = [self._lost(layer, setting) for layer, setting in chosen]
        cycles, energy = self._sums(taken)
        dense_macs = sum(layer.site.shape.macs for layer in self.costs.layers)
        quality = {
            "macs_saved": 1 - math.fsum(macs for _, macs in lost) / dense_macs,
            "summed_error": math.fsum(error for error, _ in lost),
            "layerwise_cycle_saving": 1 - cycles / self.costs.dense_cycles,
            "layerwise_energy_saving": 1 - energy / self.costs.dense_energy_pj if self.costs.dense_energy_pj else 0.0,
            **asked,
        }
        settings = {layer.site.name: setting for layer, setting in chosen if setting is not None}
        return OperatingPoint(name=name, predictors=settings, quality=quality)


def with_expected(point: OperatingPoint, comparison: Comparison, note: str) -> OperatingPoint:
    """Return a point with what is expected of it on the array, with all predictors at work."""
    expected = {
        "expected_cycle_saving": comparison.cycle_saving,
        "expected_energy_saving": comparison.energy_saving,
    }
    return point.with_quality({**point.quality, **expected}, note)
