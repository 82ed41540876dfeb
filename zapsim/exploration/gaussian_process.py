"""The costs of designs that were not evaluated, predicted by one Gaussian process per objective over the lattice.

The covariance of two designs is the product of their likeness along each axis, so that parameters may interact. Along
an ordered axis (sizes), likeness is a Matérn 3/2 function of the steps between two choices; along others it is the same
for all unequal choices. The reach of likeness along each axis is chosen by maximum likelihood. Source: Rasmussen and
Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, chapters 2, 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from zapsim.exploration.lattice import Design, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOISE = 1e-6
"""Variance that is added to each value, as a share of the signal's: it keeps the matrices invertible."""

_REACHES = (0.3, 60.0)
"""The least and the largest reach of likeness along an axis, in steps."""

_FACTORS = (0.6, 1.7)
_MOST_STEPS = 3
_GROWTH = 1.35
"""Growth of the number of designs, as a factor, after which reaches are fitted again."""

_FITTED_TO = 200
"""Designs from which reaches are chosen, at most: the time grows with their third power."""


@dataclass(frozen=True, slots=True)
class _Process:
    """One objective's process, given the known designs.

    Attributes
    ----------
    tables
        The likeness of any two choices along each axis: float64 (size, size).
    root
        Lower Cholesky factor of the known designs' likeness.
    whitened
        The known values about their mean, solved by `root`.
    centre, signal
        Mean of the known values, and the variance of the process.
    """

    tables: tuple[Floats, ...]
    root: Floats
    whitened: Floats
    centre: float
    signal: float


class CostModel:
    """Predicts the costs of designs from those of others.

    Parameters
    ----------
    lattice
        The lattice of the designs.
    objectives
        Number of costs per design.

    Attributes
    ----------
    scaled
        What the model learnt from: float64 (known, objectives); costs that are all positive as logarithms, others as
        shares of their range.
    """

    def __init__(self, lattice: Lattice, objectives: int) -> None:
        self._axes = [index for index, axis in enumerate(lattice.axes) if axis.size > 1]
        self._sizes = [lattice.axes[index].size for index in self._axes]
        self._ordered = [lattice.axes[index].ordered for index in self._axes]
        self._reaches = [np.full(len(self._axes), 4.0) for _ in range(objectives)]
        self._fitted_with = 0
        self._known: Ints = np.empty((0, len(self._axes)), dtype=np.int64)
        self._processes: list[_Process] = []
        self.scaled: Floats = np.empty((0, objectives))

    def learn(self, known: Sequence[Design], costs: Sequence[Sequence[float]]) -> None:
        """Learn from evaluated designs, at least two, and their costs; what was learnt before is forgotten."""
        self._known, self.scaled = self._choices(known), _scaled(np.asarray(costs, dtype=np.float64))
        if len(known) > _GROWTH * self._fitted_with:
            self._fit()
        self._processes = [
            self._process(self._known, self.scaled[:, objective], reaches)
            for objective, reaches in enumerate(self._reaches)
        ]

    def predict(self, unknown: Sequence[Design]) -> tuple[Floats, Floats]:
        """Predict mean and standard deviation of the scaled costs of designs: float64 (unknown, objectives) each."""
        at_unknown = self._choices(unknown)
        mean, deviation = (np.empty((len(at_unknown), len(self._processes))) for _ in range(2))
        for objective, process in enumerate(self._processes):
            explained = self._explained(process, at_unknown)
            mean[:, objective] = explained.T @ process.whitened + process.centre
            unexplained = np.maximum(1 - np.einsum("ij,ij->j", explained, explained), 0.0)
            deviation[:, objective] = np.sqrt(unexplained * process.signal)
        return mean, deviation

    def draw(self, unknown: Sequence[Design], count: int, rng: np.random.Generator, spread: float = 1.0) -> Floats:
        """Draw scaled costs of designs, likely together: float64 (count, unknown, objectives).

        Parameters
        ----------
        unknown, count, rng
            Designs, number of draws, and the source of randomness.
        spread
            Deviations from the expected costs, as multiples of those that the model has.
        """
        at_unknown = self._choices(unknown)
        drawn = np.empty((count, len(at_unknown), len(self._processes)))
        for objective, process in enumerate(self._processes):
            explained = self._explained(process, at_unknown)
            left = _likeness(at_unknown, at_unknown, process.tables) - explained.T @ explained
            left[np.diag_indices(len(left))] += _NOISE
            root = np.linalg.cholesky(left) * (spread * np.sqrt(process.signal))
            mean = explained.T @ process.whitened + process.centre
            drawn[:, :, objective] = mean + rng.standard_normal((count, len(root))) @ root.T
        return drawn

    def likeness(self, some: Sequence[Design], others: Sequence[Design]) -> Floats:
        """Return the likeness of designs, 0 to 1, with the reaches of the first objective: float64 (some, others)."""
        return _likeness(self._choices(some), self._choices(others), self._tables(self._reaches[0]))

    def _choices(self, designs: Sequence[Design]) -> Ints:
        return np.asarray(designs, dtype=np.int64).reshape(len(designs), -1)[:, self._axes]

    def _tables(self, reaches: Floats) -> tuple[Floats, ...]:
        return tuple(map(_table, self._sizes, self._ordered, reaches.tolist()))

    def _process(self, known: Ints, values: Floats, reaches: Floats) -> _Process:
        tables = self._tables(reaches)
        root, whitened, signal = _solved(_likeness(known, known, tables), values - values.mean())
        return _Process(tables, root, whitened, float(values.mean()), signal)

    def _explained(self, process: _Process, at_unknown: Ints) -> Floats:
        """Return the part of designs' variance that the known ones explain, as columns: float64 (known, unknown)."""
        shared = _likeness(self._known, at_unknown, process.tables)
        solved: Floats = solve_triangular(process.root, shared, lower=True, check_finite=False, overwrite_b=True)
        return solved

    def _fit(self) -> None:
        """Choose the reach along each axis in turn: multiples of the present one, as long as they fit better."""
        self._fitted_with = len(self._known)
        sample = np.linspace(0, len(self._known) - 1, min(len(self._known), _FITTED_TO)).astype(np.int64)
        known = self._known[sample]
        for objective, reaches in enumerate(self._reaches):
            values = self.scaled[sample, objective] - self.scaled[sample, objective].mean()
            if not values.any():
                continue
            for axis in range(len(self._axes)):
                self._fit_axis(known, values, reaches, axis)

    def _fit_axis(self, known: Ints, values: Floats, reaches: Floats, axis: int) -> None:
        """Replace the reach along one axis by a better one."""
        tables = list(self._tables(reaches))
        tables[axis] = np.ones_like(tables[axis])
        others, choices = _likeness(known, known, tables), known[:, axis]

        def misfit(reach: float) -> float:
            table = _table(self._sizes[axis], self._ordered[axis], reach)
            return _misfit(others * table[choices][:, choices], values)

        best = misfit(float(reaches[axis]))
        for factor in _FACTORS:
            for _ in range(_MOST_STEPS):
                reach = float(np.clip(reaches[axis] * factor, *_REACHES))
                misfit_of_reach = misfit(reach)
                if misfit_of_reach >= best:
                    break
                best, reaches[axis] = misfit_of_reach, reach


def _table(size: int, ordered: bool, reach: float) -> Floats:
    """Return the likeness of any two choices along an axis: float64 (size, size)."""
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / reach
    if ordered:
        return (1 + distance) * np.exp(-distance)
    return np.where(distance > 0, np.exp(-1 / reach), 1.0)


def _likeness(some: Ints, others: Ints, tables: Sequence[Floats]) -> Floats:
    """Multiply the likeness along all axes: float64 (some, others)."""
    factors = (table[some[:, axis]][:, others[:, axis]] for axis, table in enumerate(tables))
    return reduce(lambda product, factor: np.multiply(product, factor, out=product), factors)


def _solved(likeness: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Return the Cholesky factor, the values solved by it, and the most likely variance of the signal."""
    likeness[np.diag_indices(len(likeness))] += _NOISE
    root = np.asarray(np.linalg.cholesky(likeness), dtype=np.float64)
    whitened: Floats = solve_triangular(root, values, lower=True, check_finite=False)
    return root, whitened, float(whitened @ whitened) / len(values)


def _misfit(likeness: Floats, values: Floats) -> float:
    """Return the negative log likelihood of `values`, up to a constant, with the best signal variance."""
    root, _, signal = _solved(likeness, values)
    return float(len(values) * np.log(max(signal, 1e-300)) / 2 + np.log(np.diag(root)).sum())


def _scaled(costs: Floats) -> Floats:
    """Return the logarithms of an objective's costs if all are positive, else the costs over their range."""
    extent = np.ptp(costs, axis=0)
    plain = costs / np.where(extent > 0, extent, 1.0)
    positive = (costs > 0).all(axis=0)
    return np.where(positive, np.log(np.where(positive, costs, 1.0)), plain)
