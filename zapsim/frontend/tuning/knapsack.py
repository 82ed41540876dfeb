"""The multiple-choice knapsack: an option from every list, with the least cost within a budget of weights.

Method: Sinha and Zoltners, "The multiple-choice knapsack problem", Operations Research 27 (1979), and Dyer (1984) /
Zemel (1984): on the lower convex hull of every list's (weight, cost) points, the steps from one point to the next are
taken in order of cost saved per weight, over all lists. This is the Lagrangian solution for every multiplier at once.
Up to the last step that still fits it is optimal, and the step that does not fit, taken in part, gives a lower bound
of the cost of *any* choice (the optimum of the linear relaxation). So the cost found is above the optimum by less
than one step of one hull. What is left of the budget then goes, greedily, to any options (also such inside a hull).

Lists of few options can be solved exactly (:func:`choose_exactly`): partial choices are extended list by list, and
dropped if another one is no worse in cost and weight, or if the Lagrangian bound of what can follow is above a cost
that is reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEAR = 8
"""Steps before and behind the last one that fits, whose multipliers' bounds prune partial choices."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one list: the cost of each, and its weight in the budget."""

    cost: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice: the number of the option taken from every list, their sums, and a lower bound of the cost.

    Attributes
    ----------
    step
        Cost of the hull step that did not fit: `cost` is at most that much above the optimum (0: it is optimal).
    """

    taken: tuple[int, ...]
    cost: float
    weight: float
    bound: float
    step: float


def choose(lists: Sequence[Options], budget: float) -> Choice | None:
    """Return a choice of least cost (see the module) whose weights sum to at most `budget`; None if none does."""
    hulls = [lower_hull(options) for options in lists]
    taken = [hull[0] for hull in hulls]
    if _sum(lists, taken, "weight") > budget:
        return None
    cost = _sum(lists, taken, "cost")
    bound, step = cost, 0.0
    for _, number, place in sorted(_steps(lists, hulls)):
        options, before, after = lists[number], hulls[number][place], hulls[number][place + 1]
        saved = float(options.cost[before] - options.cost[after])
        further = [*taken[:number], after, *taken[number + 1 :]]
        if _sum(lists, further, "weight") > budget:
            unspent = budget - _sum(lists, taken, "weight")
            bound = _sum(lists, taken, "cost") - saved * unspent / float(options.weight[after] - options.weight[before])
            step = saved
            break
        taken = further
        bound = _sum(lists, taken, "cost")
    _fill(lists, taken, budget)
    cost = _sum(lists, taken, "cost")
    # Rounding must not put the bound above what was reached.
    return Choice(tuple(taken), cost, _sum(lists, taken, "weight"), min(bound, cost), step)


def choose_exactly(lists: Sequence[Options], budget: float, most: int = 200_000) -> Choice | None:
    """Return a choice of least cost whose weights sum to at most `budget`; None if none does.

    So a larger budget never costs more. If more than `most` partial choices remain, it is that of :func:`choose`, whose
    `step` then says how far it may be from the optimum.
    """
    start = choose(lists, budget)
    if start is None:
        return None
    kept = [efficient_options(options) for options in lists]
    pairs = [(options.cost[rows], options.weight[rows]) for options, rows in zip(lists, kept, strict=True)]
    multipliers = _multipliers(lists, budget)[:, np.newaxis]
    # What the lists from each on cost at least in the Lagrangian relaxation, by multiplier.
    least = np.column_stack([(cost + multipliers * weight).min(axis=1) for cost, weight in pairs])
    cost, weight, taken = np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.intp)
    for number, (more_cost, more_weight) in enumerate(pairs):
        cost, weight = np.add.outer(cost, more_cost).ravel(), np.add.outer(weight, more_weight).ravel()
        rest = least[:, number + 1 :].sum(axis=1, keepdims=True)
        bound = (cost + multipliers * (weight - budget) + rest).max(axis=0)
        # Rounding must not drop an optimum; the last line checks the budget exactly.
        fits = (bound <= start.cost + 1e-9 * (1 + abs(start.cost))) & (weight <= budget + 1e-9 * (1 + abs(budget)))
        open_choices = np.flatnonzero(fits)
        chosen = open_choices[efficient_options(Options(cost[open_choices], weight[open_choices]))]
        if len(chosen) > most:
            return start
        before, option = np.divmod(chosen, len(more_cost))
        taken = np.column_stack((taken[before], kept[number][option]))
        cost, weight = cost[chosen], weight[chosen]
    best = start
    for row in taken.tolist():
        within, total = _sum(lists, row, "weight") <= budget, _sum(lists, row, "cost")
        if within and total < best.cost:
            best = Choice(tuple(row), total, _sum(lists, row, "weight"), total, 0.0)
    return Choice(best.taken, best.cost, best.weight, best.cost, 0.0)


def efficient_options(options: Options) -> NDArray[np.intp]:
    """Return the options that cost less than all that are no heavier, the lightest first."""
    order = np.lexsort((options.cost, options.weight))
    before = np.concatenate(([np.inf], np.minimum.accumulate(options.cost[order])[:-1]))
    efficient: NDArray[np.intp] = order[options.cost[order] < before]
    return efficient


def lower_hull(options: Options) -> list[int]:
    """Return the options on the lower convex hull of (weight, cost): weights rise, costs fall ever less steeply.

    The first is the cheapest of those of least weight, the last the lightest of those of least cost.
    """
    hull: list[int] = []
    cost, weight = options.cost, options.weight
    for index in np.lexsort((cost, weight)).tolist():
        if hull and cost[index] >= cost[hull[-1]]:
            continue
        while len(hull) > 1 and _above(options, hull[-2], hull[-1], index):
            hull.pop()
        hull.append(index)
    return hull


def _multipliers(lists: Sequence[Options], budget: float) -> NDArray[np.float64]:
    """Return costs per weight of hull steps around the first one that does not fit, whose multiplier bounds best."""
    hulls = [lower_hull(options) for options in lists]
    steps = sorted(_steps(lists, hulls))
    weights = [lists[number].weight[hulls[number][place : place + 2]] for _, number, place in steps]
    spent = _sum(lists, [hull[0] for hull in hulls], "weight") + np.cumsum(
        [after - before for before, after in weights]
    )
    critical = int(np.searchsorted(spent, budget, side="right"))
    around = steps[max(critical - _NEAR, 0) : critical + _NEAR + 1]
    return np.array([0.0, *(-slope for slope, *_ in around)])


def _above(options: Options, left: int, middle: int, right: int) -> bool:
    """Return whether `middle` lies on or above the line from `left` to `right`."""
    cost, weight = options.cost, options.weight
    rise = (cost[middle] - cost[left]) * (weight[right] - weight[left])
    line = (cost[right] - cost[left]) * (weight[middle] - weight[left])
    return bool(rise >= line)


def _steps(lists: Sequence[Options], hulls: Sequence[Sequence[int]]) -> list[tuple[float, int, int]]:
    """Return every hull's steps as (slope, list, place); a list's steps come in order, as its hull is convex."""
    steps = []
    for number, (options, hull) in enumerate(zip(lists, hulls, strict=True)):
        slopes = np.diff(options.cost[hull]) / np.diff(options.weight[hull])
        # Rounding must not turn the order of two steps of one list round.
        slopes = np.maximum.accumulate(slopes) if len(slopes) else slopes
        steps += [(float(slope), number, place) for place, slope in enumerate(slopes)]
    return steps


def _fill(lists: Sequence[Options], taken: list[int], budget: float) -> None:
    """Use up the budget: repeat the change of one option that saves most and still fits, until none does."""
    while True:
        unspent = budget - _sum(lists, taken, "weight")
        best, where = 0.0, None
        for number, options in enumerate(lists):
            now = taken[number]
            saved = np.where(options.weight - options.weight[now] <= unspent, options.cost[now] - options.cost, -np.inf)
            index = int(saved.argmax())
            fits = _sum(lists, [*taken[:number], index, *taken[number + 1 :]], "weight") <= budget
            if saved[index] > best and fits:
                best, where = float(saved[index]), (number, index)
        if where is None:
            return
        taken[where[0]] = where[1]


def _sum(lists: Sequence[Options], taken: Sequence[int], what: str) -> float:
    return math.fsum(getattr(options, what)[index] for options, index in zip(lists, taken, strict=True))
