"""What operating points are asked for: budgets of error, savings and thresholds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from zapsim.errors import FrontendError
from zapsim.frontend.tuning.curves import Curves
from zapsim.frontend.tuning.operating_points import (
    UnreachableError,
    UnreachableWarning,
    best_threshold,
    for_error,
    for_saving,
    for_threshold,
)
from zapsim.tracefile.records import OperatingPoint


@dataclass(frozen=True, slots=True)
class Budgets:
    """Budgets, each of which becomes an operating point.

    Attributes
    ----------
    errors, savings
        Summed errors and shares to save, with thresholds per layer.
    uniforms, thresholds
        Summed errors, and thresholds, with one threshold for all layers.
    """

    errors: tuple[float, ...] = ()
    savings: tuple[float, ...] = ()
    uniforms: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        error: float | Sequence[float],
        saving: float | Sequence[float],
        uniform: float | Sequence[float],
        threshold: float | Sequence[float],
    ) -> Budgets:
        """Take one value or several of each, without repetitions.

        Raises
        ------
        FrontendError
            If there is none.
        """
        budgets = cls(*(_values(values) for values in (error, saving, uniform, threshold)))
        if budgets == cls():
            raise FrontendError("nothing to tune for: give error, saving, uniform or threshold")
        return budgets

    def choices(self) -> list[Callable[[Curves], OperatingPoint]]:
        """List what chooses each point from curves: those that save the most MACs, then those of one threshold."""
        kinds = (
            (self.errors, for_error), (self.savings, for_saving), (self.uniforms, best_threshold),
            (self.thresholds, for_threshold),
        )  # fmt: skip
        return [partial(_choose, choose, value) for values, choose in kinds for value in values]

    def uniform_points(self, curves: Curves) -> tuple[OperatingPoint, ...]:
        """Return the points that have one threshold for all layers."""
        kinds = (self.uniforms, best_threshold), (self.thresholds, for_threshold)
        return tuple(choose(curves, value) for values, choose in kinds for value in values)


def reached(choices: Iterable[Callable[[], OperatingPoint]]) -> tuple[OperatingPoint, ...]:
    """Choose the points that can be reached, and warn of the others.

    Raises
    ------
    UnreachableError
        If there are choices, and none can be reached.
    """
    points, faults = [], []
    for choose in choices:
        try:
            points.append(choose())
        except UnreachableError as error:
            faults.append(error)
    if faults and not points:
        raise faults[0]
    for fault in faults:
        warnings.warn(f"{fault}; the other points are kept", UnreachableWarning, stacklevel=3)
    return tuple(points)


def _choose(choose: Callable[[Curves, float], OperatingPoint], value: float, curves: Curves) -> OperatingPoint:
    return choose(curves, value)


def _values(values: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(dict.fromkeys(values)) if isinstance(values, Sequence) else (values,)
