"""Two explorations by their whole fronts: the hypervolume that each dominates, and how much each attains of the other.

With costs c to be minimised, a front F and a reference point r, the hypervolume is the volume of all points that some
design of F dominates and that r bounds,

    HV(F, r) = volume of the union of the boxes [c, r] over all designs c of F.

Goals have units of their own, so each is scaled to 0 at the best value on either front (the ideal point) and 1 at the
reference point: a hypervolume is a share of that box. A front *attains* a point if one of its designs is at least as
good in every goal; what A attains and B does not is the hypervolume of both fronts together less B's. Volumes are exact
(moocore).

Sources: E. Zitzler and L. Thiele, "Multiobjective Optimization Using Evolutionary Algorithms — A Comparative Case
Study", PPSN V, 1998 (hypervolume, coverage of two sets); V. Grunert da Fonseca, C. M. Fonseca and A. O. Hall,
"Inferential Performance Assessment of Stochastic Optimisers and the Attainment Function", EMO 2001. One run of each
exploration is compared: nothing is said about other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ConfigError
from zapsim.exploration.pareto import Front, Goal, Row, pareto_front

Costs: TypeAlias = NDArray[np.float64]
"""Costs (designs, goals), all to be minimised."""

_MARGIN: Final = 0.1
"""How far the reference point lies beyond the worst value on either front, as a share of the range of the fronts."""

_STEPS: Final = 40
"""Points of the course of a hypervolume, at most."""


@dataclass(frozen=True, slots=True)
class FrontComparison:
    """Two fronts in the same goals.

    Attributes
    ----------
    goals
        What is compared.
    ideal, reference
        Best value of each goal on either front, and the reference point, in the goals' units.
    volumes
        Hypervolume of A's and B's front, as a share of the box from `ideal` to `reference`.
    alone
        The part of the box that only A attains, and that only B attains.
    attained
        Share of the designs on B's front that A attains, and of those on A's that B attains.
    courses
        Of A and B: number of designs evaluated, and the hypervolume of the best among these.
    """

    goals: tuple[Goal, ...]
    ideal: tuple[float, ...]
    reference: tuple[float, ...]
    volumes: tuple[float, float]
    alone: tuple[float, float]
    attained: tuple[float, float]
    courses: tuple[tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]


def compare_fronts(a: Front, b: Front, reference: Sequence[float] = ()) -> FrontComparison:
    """Compare the fronts of two explorations.

    Parameters
    ----------
    a, b
        The fronts; of the same goals, with at least one design each.
    reference
        Reference point, a value per goal in its unit; empty: beyond the worst value on either front by a tenth of the
        range of both.

    Raises
    ------
    ConfigError
        If the reference point has another number of values, or none of the designs is better in every goal.
    """
    goals = a.goals
    if reference and len(reference) != len(goals):
        names = ", ".join(goal.column for goal in goals)
        raise ConfigError(f"the reference point needs {len(goals)} values ({names}), got {len(reference)}")
    costs = [_costs(front.best, goals) for front in (a, b)]
    both = np.vstack(costs)
    low, high = both.min(axis=0), both.max(axis=0)
    signs = np.array([-1.0 if goal.maximise else 1.0 for goal in goals])
    if reference:
        end = signs * np.array(reference, dtype=np.float64)
        if not (both < end).all(axis=1).any():
            worst = ", ".join(f"{goal.column} {value:g}" for goal, value in zip(goals, signs * high, strict=True))
            raise ConfigError(
                f"no design on either front is better than the reference point in every goal; the worst values on the "
                f"fronts are {worst}"
            )
    else:
        span = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
        end = high + _MARGIN * span
    box = np.where(end > low, end - low, 1.0)
    scaled = [(one - low) / box for one in costs]
    volume_a, volume_b = map(hypervolume, scaled)
    union = hypervolume(np.vstack(scaled))
    return FrontComparison(
        goals=goals,
        ideal=tuple(map(float, signs * low)),
        reference=tuple(map(float, signs * end)),
        volumes=(volume_a, volume_b),
        alone=(max(union - volume_b, 0.0), max(union - volume_a, 0.0)),
        attained=(attained_share(costs[0], costs[1]), attained_share(costs[1], costs[0])),
        courses=(_course(a, goals, low, box), _course(b, goals, low, box)),
    )


def hypervolume(costs: Costs) -> float:
    """Return the volume that designs dominate up to 1 in every goal; designs beyond it add nothing.

    Parameters
    ----------
    costs
        Costs (designs, goals), scaled so that 1 is the reference point.
    """
    from moocore import hypervolume as volume

    inside = costs[(costs < 1).all(axis=1)]
    return float(volume(inside, ref=np.ones(costs.shape[1]))) if len(inside) else 0.0


def attained_share(costs: Costs, others: Costs) -> float:
    """Return the share of `others` to which a design in `costs` is at least as good in every goal."""
    return float(np.mean([(costs <= other).all(axis=1).any() for other in others]))


def _costs(rows: Sequence[Row], goals: Sequence[Goal]) -> Costs:
    return np.array([[goal.cost(row) for goal in goals] for row in rows], dtype=np.float64)


def _course(front: Front, goals: Sequence[Goal], low: Costs, box: Costs) -> tuple[tuple[int, float], ...]:
    """Return the hypervolume after some of the evaluations, evenly spaced on a logarithmic scale."""
    rows = sorted(front.rows, key=lambda row: (row["finished"], row["design"]))
    scaled = (_costs(rows, goals) - low) / box
    ends = np.unique(np.geomspace(1, len(rows), _STEPS).round().astype(int))
    best, course = np.empty((0, len(goals))), []
    for start, end in pairwise([0, *map(int, ends)]):
        candidates = np.vstack([best, scaled[start:end]])
        best = candidates[pareto_front(candidates)]
        course.append((end, hypervolume(best)))
    return tuple(course)
