"""Multi-objective search: a model of the costs, which learns from every result, ranks designs by their promise.

Small spaces are ranked as a whole; of large ones, a sample is ranked (:mod:`zapsim.exploration.candidates`). No design
is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from moocore import is_nondominated
from numpy.typing import NDArray
from scipy.special import ndtr

from zapsim.exploration.candidates import AllDesigns, Candidates, SampledDesigns
from zapsim.exploration.gaussian_process import CostModel
from zapsim.exploration.lattice import Design
from zapsim.exploration.pareto import pareto_front
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Admission, Costs

_START = 2.5
"""Generations that are drawn at random before designs are ranked."""

_RANKED_WHOLE = 5000
"""Spaces up to this size are ranked as a whole."""

_NEAR, _OTHERS = 400, 200
"""Designs that the model learns from, at most: the nearest to the front, and an even sample of the others."""

_OPTIMISM = 2.0
"""Standard deviations by which optimistic costs lie below the expected ones."""

_DRAWN, _DRAWS = 300, 64
"""Designs whose costs are drawn together, at most, and how often."""

_CAUTION = 1.5
"""How much further draws scatter than the model says: it does not know how wrong its own covariance is."""

_IN_TURN = 3
"""Every so-many-th design is the next by optimistic costs, the others are the next by their chance."""

_GROWTH = 12
"""A generation has at least one design per this many known ones, so that a long search takes larger steps."""


class Search:
    """Proposes the designs that are most likely to be on the front."""

    adaptive = True

    def __init__(self, space: Space) -> None:
        self._lattice, self._size = space.lattice, space.strategy.population
        self._model, self._validity = CostModel(space.lattice, len(space.objectives)), CostModel(space.lattice, 1)
        self._admit = Admission(space)
        self.excluded = self._admit.excluded
        self._known: dict[int, Costs] = {}
        candidates = AllDesigns if space.lattice.size <= _RANKED_WHOLE else SampledDesigns
        self._candidates: Candidates = candidates(space, self._admit)

    def propose(self) -> list[int]:
        """Return the next generation of new designs; none if the space is used up."""
        size = max(self._size, len(self._known) // _GROWTH)
        valid = {number: costs for number, costs in self._known.items() if costs}
        first = round(_START * self._size)
        if len(self._known) < first or len(valid) < 2:
            chosen = list(islice(self._candidates.at_random(), max(size, first - len(self._known))))
        else:
            pool = self._candidates.pool(valid)
            ranking = self._ranking(valid, list(pool.values())) if pool else []
            numbers = list(pool)
            chosen = [numbers[index] for index in ranking[:size]]
        for number in chosen:
            self._admit.take(number)
        return chosen

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take the results of the last generation."""
        self._known |= results
        self._candidates.tell(results)

    def _ranking(self, valid: Mapping[int, Costs], pool: Sequence[Design]) -> list[int]:
        """Return the indices of the pool's designs, the most promising first.

        Two of three designs are those that are most often on the front in draws of all costs from the model. The third
        is the one whose optimistic costs the front dominates least: the model may be wrong where nothing is known. In
        both, designs that are probably invalid or infeasible come late.
        """
        examples = _examples(valid)
        self._model.learn([self._lattice.design(number) for number in examples], [valid[number] for number in examples])
        mean, deviation = self._model.predict(pool)
        front = self._model.scaled[pareto_front(self._model.scaled)]
        margin, sound = margins(mean - _OPTIMISM * deviation, front), self._sound(pool)
        by_margin = np.lexsort((margin, sound < 0.5))
        drawn, chance = by_margin[:_DRAWN], np.zeros(len(pool))
        rng = np.random.default_rng(len(self._known))
        chance[drawn] = on_front(self._model.draw([pool[one] for one in drawn], _DRAWS, rng, _CAUTION), front)
        # Rounded, so that what is hardly sound does not come before what is sound and was never drawn on the front.
        by_chance = np.lexsort((margin, sound < 0.5, -np.round(chance * sound, 2)))
        return _taken_in_turn(by_chance.tolist(), by_margin.tolist())

    def _sound(self, pool: Sequence[Design]) -> NDArray[np.float64]:
        """Estimate how likely designs are neither invalid nor infeasible: float64 (pool,)."""
        latest = list(self._known)[-_NEAR - _OTHERS :]
        valid = [bool(self._known[number]) for number in latest]
        if all(valid):
            return np.ones(len(pool))
        self._validity.learn([self._lattice.design(number) for number in latest], [(float(one),) for one in valid])
        mean, deviation = self._validity.predict(pool)
        return np.asarray(ndtr((mean[:, 0] - 0.5) / np.maximum(deviation[:, 0], 0.05)))


def margins(costs: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure by how much the front dominates each design: float64 (designs,), below 0 if it does not.

    Parameters
    ----------
    costs
        float64 (designs, objectives).
    front
        float64 (members, objectives).
    """
    largest = np.full(len(costs), -np.inf)
    for member in front:
        np.maximum(largest, (costs - member).min(axis=1), out=largest)
    return largest


def on_front(drawn: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return in what share of draws each design is on the front: float64 (designs,).

    Parameters
    ----------
    drawn
        Costs: float64 (draws, designs, objectives).
    front
        Costs of the evaluated designs on the front: float64 (members, objectives).
    """
    times = np.zeros(drawn.shape[1])
    for costs in drawn:
        times += is_nondominated(np.vstack([front, costs]), keep_weakly=False)[len(front) :]
    return times / len(drawn)


def _taken_in_turn(often: Sequence[int], rarely: Sequence[int]) -> list[int]:
    """Merge two orders of the same designs: every :data:`_IN_TURN`-th is the next in `rarely`, others in `often`."""
    merged: dict[int, None] = {}
    next_often, next_rarely = iter(often), iter(rarely)
    while len(merged) < len(often):
        order = next_rarely if len(merged) % _IN_TURN == _IN_TURN - 1 else next_often
        merged[next(one for one in order if one not in merged)] = None
    return list(merged)


def _examples(valid: Mapping[int, Costs]) -> list[int]:
    """Return the designs that the model learns from."""
    numbers = list(valid)
    if len(numbers) <= _NEAR + _OTHERS:
        return numbers
    costs = np.asarray(list(valid.values()), dtype=np.float64)
    costs = (costs - costs.min(axis=0)) / np.maximum(np.ptp(costs, axis=0), 1e-300)
    order = np.argsort(margins(costs, costs[pareto_front(costs)]), kind="stable")
    others = order[_NEAR:][:: -(-(len(order) - _NEAR) // _OTHERS)]
    return [numbers[index] for index in (*order[:_NEAR], *others)]
