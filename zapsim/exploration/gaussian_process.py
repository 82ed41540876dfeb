"""The costs of designs that were not evaluated, predicted by one Gaussian process per objective over the lattice.

The covariance of two designs is the product of their likeness along each axis, so that parameters may interact. Along
an ordered axis (sizes), likeness is a Matérn 3/2 function of the steps between two choices; along others it is the same
for all unequal choices. The reach of likeness along each axis is chosen by maximum likelihood. Source: Rasmussen and
Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, chapters 2, 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zapsim.exploration.lattice import Design, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOISE = 1e-6
"""Variance that is added to each value, as a share of the signal's: it keeps the matrices invertible."""

_REACHES = (0.3, 60.0)
"""The least and the largest reach of likeness along an axis, in steps."""

_FACTORS = (0.4, 0.7, 1.5, 2.5)
_ROUNDS = 2
_FITTED_TO = 200
"""Designs from which reaches are chosen, at most: the time grows with their third power."""


class CostModel:
    """Predicts the costs of designs from those of others.

    Parameters
    ----------
    lattice
        The lattice of the designs.
    objectives
        Number of costs per design.
    """

    def __init__(self, lattice: Lattice, objectives: int) -> None:
        self._axes = [index for index, axis in enumerate(lattice.axes) if axis.size > 1]
        self._ordered = [lattice.axes[index].ordered for index in self._axes]
        self._reaches = [np.full(len(self._axes), 4.0) for _ in range(objectives)]
        self._fitted_with = 0

    def predict(
        self, known: Sequence[Design], costs: Sequence[Sequence[float]], unknown: Sequence[Design]
    ) -> tuple[Floats, Floats, Floats]:
        """Predict mean and standard deviation of the costs of designs, and scale the known costs alike.

        Parameters
        ----------
        known, costs
            Evaluated designs, at least two, and their costs.
        unknown
            Designs to predict.

        Returns
        -------
        mean, deviation, scaled
            float64 (unknown, objectives) twice, and (known, objectives); costs that are all positive as logarithms.
        """
        scaled = _scaled(np.asarray(costs, dtype=np.float64))
        at_known, at_unknown = self._choices(known), self._choices(unknown)
        if len(known) > 1.25 * self._fitted_with:
            self._fit(at_known, scaled)
        mean, deviation = (np.empty((len(at_unknown), scaled.shape[1])) for _ in range(2))
        for objective, reaches in enumerate(self._reaches):
            centre = scaled[:, objective].mean()
            inverse = np.linalg.inv(self._likeness(at_known, at_known, reaches) + _NOISE * np.eye(len(at_known)))
            weights = inverse @ (scaled[:, objective] - centre)
            signal = max(float((scaled[:, objective] - centre) @ weights) / len(at_known), 0.0)
            to_known = self._likeness(at_unknown, at_known, reaches)
            unexplained = np.maximum(1 - ((to_known @ inverse) * to_known).sum(axis=1), 0.0)
            mean[:, objective] = to_known @ weights + centre
            deviation[:, objective] = np.sqrt(unexplained * signal)
        return mean, deviation, scaled

    def likeness(self, some: Sequence[Design], others: Sequence[Design]) -> Floats:
        """Return the likeness of designs, 0 to 1, with the reaches of the first objective: float64 (some, others)."""
        return self._likeness(self._choices(some), self._choices(others), self._reaches[0])

    def _choices(self, designs: Sequence[Design]) -> Ints:
        return np.asarray(designs, dtype=np.int64).reshape(len(designs), -1)[:, self._axes]

    def _fit(self, known: Ints, scaled: Floats) -> None:
        """Choose the reach along each axis in turn, from a few multiples of the present one."""
        self._fitted_with = len(known)
        sample = np.linspace(0, len(known) - 1, min(len(known), _FITTED_TO)).astype(np.int64)
        for objective in range(len(self._reaches)):
            reaches = self._reaches[objective]
            values = scaled[sample, objective] - scaled[sample, objective].mean()
            best = self._misfit(known[sample], values, reaches)
            for axis in list(range(len(self._axes))) * _ROUNDS:
                for factor in _FACTORS:
                    tried = reaches.copy()
                    tried[axis] = np.clip(tried[axis] * factor, *_REACHES)
                    misfit = self._misfit(known[sample], values, tried)
                    if misfit < best:
                        best, reaches = misfit, tried
            self._reaches[objective] = reaches

    def _misfit(self, known: Ints, values: Floats, reaches: Floats) -> float:
        """Return the negative log likelihood of `values`, up to a constant, with the best signal variance."""
        root = np.linalg.cholesky(self._likeness(known, known, reaches) + _NOISE * np.eye(len(known)))
        whitened = np.linalg.solve(root, values)
        signal = max(float(whitened @ whitened) / len(known), 1e-300)
        return float(len(known) * np.log(signal) / 2 + np.log(np.diag(root)).sum())

    def _likeness(self, some: Ints, others: Ints, reaches: Floats) -> Floats:
        likeness = np.ones((len(some), len(others)))
        for axis, (ordered, reach) in enumerate(zip(self._ordered, reaches, strict=True)):
            distance = np.abs(some[:, axis, np.newaxis] - others[np.newaxis, :, axis]) / reach
            unequal = np.exp(-1 / reach)
            likeness *= (1 + distance) * np.exp(-distance) if ordered else np.where(distance > 0, unequal, 1.0)
        return likeness


def _scaled(costs: Floats) -> Floats:
    """Return the logarithms of an objective's costs if all are positive, else the costs over their range."""
    extent = np.ptp(costs, axis=0)
    plain = costs / np.where(extent > 0, extent, 1.0)
    positive = (costs > 0).all(axis=0)
    return np.where(positive, np.log(np.where(positive, costs, 1.0)), plain)
