"""What designs that were not evaluated may cost: a Gaussian process over the lattice, one for each objective.

Designs are alike in each axis by their own measure: neighbouring sizes are (Matérn 3/2 in steps), other choices are to
one degree; the product over the axes is the covariance, so that parameters may act on one another. How fast likeness
fades along each axis is chosen by likelihood. Source: Rasmussen and Williams, "Gaussian Processes for Machine
Learning", MIT Press 2006, chapters 2, 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zapsim.exploration.lattice import Design, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOISE = 1e-6
"""Variance that is added to each value, as a share of the signal's: only for the matrices' sake."""

_REACHES = (0.3, 60.0)
"""The least and the largest reach of likeness along an axis, in steps."""

_FACTORS = (0.4, 0.7, 1.5, 2.5)
_ROUNDS = 2
_FITTED_TO = 200
"""Designs by which reaches are chosen, at most: that takes time with their third power."""


class Costs:
    """Predicts the costs of designs from those of others.

    Parameters
    ----------
    lattice
        Of the designs.
    objectives
        How many costs a design has.
    """

    def __init__(self, lattice: Lattice, objectives: int) -> None:
        self._axes = [index for index, axis in enumerate(lattice.axes) if axis.size > 1]
        self._ordered = [lattice.axes[index].ordered for index in self._axes]
        self._reaches = [np.full(len(self._axes), 4.0) for _ in range(objectives)]
        self._fitted_with = 0

    def predict(
        self, known: Sequence[Design], costs: Sequence[Sequence[float]], asked: Sequence[Design]
    ) -> tuple[Floats, Floats, Floats]:
        """Return mean and standard deviation of what designs may cost, and the known costs, on the same scale.

        Parameters
        ----------
        known, costs
            Designs that were evaluated, and what each objective is to have little of: at least two.
        asked
            Designs to predict.

        Returns
        -------
        mean, deviation, scaled
            float64 (asked, objectives) twice, and (known, objectives); costs that are all positive as logarithms.
        """
        scaled = _scaled(np.asarray(costs, dtype=np.float64))
        have, want = self._choices(known), self._choices(asked)
        if len(known) > 1.25 * self._fitted_with:
            self._fit(have, scaled)
        mean, deviation = np.empty((len(want), scaled.shape[1])), np.empty((len(want), scaled.shape[1]))
        for one, reaches in enumerate(self._reaches):
            centre = scaled[:, one].mean()
            inverse = np.linalg.inv(self._likeness(have, have, reaches) + _NOISE * np.eye(len(have)))
            weights = inverse @ (scaled[:, one] - centre)
            signal = max(float((scaled[:, one] - centre) @ weights) / len(have), 0.0)
            to_known = self._likeness(want, have, reaches)
            left = np.maximum(1 - ((to_known @ inverse) * to_known).sum(axis=1), 0.0)
            mean[:, one] = to_known @ weights + centre
            deviation[:, one] = np.sqrt(left * signal)
        return mean, deviation, scaled

    def likeness(self, some: Sequence[Design], others: Sequence[Design]) -> Floats:
        """Return how alike designs are, 0 to 1, as the first objective has it: float64 (some, others)."""
        return self._likeness(self._choices(some), self._choices(others), self._reaches[0])

    def _choices(self, designs: Sequence[Design]) -> Ints:
        return np.asarray(designs, dtype=np.int64).reshape(len(designs), -1)[:, self._axes]

    def _fit(self, have: Ints, scaled: Floats) -> None:
        """Choose the reach along each axis, one after the other, from a few factors; those of before are the start."""
        self._fitted_with = len(have)
        some = np.linspace(0, len(have) - 1, min(len(have), _FITTED_TO)).astype(np.int64)
        for one in range(len(self._reaches)):
            reaches = self._reaches[one]
            values = scaled[some, one] - scaled[some, one].mean()
            best = self._misfit(have[some], values, reaches)
            for axis in list(range(len(self._axes))) * _ROUNDS:
                for factor in _FACTORS:
                    tried = reaches.copy()
                    tried[axis] = np.clip(tried[axis] * factor, *_REACHES)
                    misfit = self._misfit(have[some], values, tried)
                    if misfit < best:
                        best, reaches = misfit, tried
            self._reaches[one] = reaches

    def _misfit(self, have: Ints, values: Floats, reaches: Floats) -> float:
        """Return the negative logarithm of the likelihood of `values`, up to a constant, with the best signal."""
        root = np.linalg.cholesky(self._likeness(have, have, reaches) + _NOISE * np.eye(len(have)))
        whitened = np.linalg.solve(root, values)
        signal = max(float(whitened @ whitened) / len(have), 1e-300)
        return float(len(have) * np.log(signal) / 2 + np.log(np.diag(root)).sum())

    def _likeness(self, some: Ints, others: Ints, reaches: Floats) -> Floats:
        likeness = np.ones((len(some), len(others)))
        for axis, (ordered, reach) in enumerate(zip(self._ordered, reaches, strict=True)):
            apart = np.abs(some[:, axis, np.newaxis] - others[np.newaxis, :, axis]) / reach
            likeness *= (1 + apart) * np.exp(-apart) if ordered else np.where(apart > 0, np.exp(-1 / reach), 1.0)
        return likeness


def _scaled(costs: Floats) -> Floats:
    """Return costs as logarithms where all of an objective are positive, else over their spread."""
    spread = np.ptp(costs, axis=0)
    plain = costs / np.where(spread > 0, spread, 1.0)
    positive = (costs > 0).all(axis=0)
    return np.where(positive, np.log(np.where(positive, costs, 1.0)), plain)
