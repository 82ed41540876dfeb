"""Multi-objective search: a model of the costs, which learns from every result, ranks designs by their promise.

Small spaces are ranked as a whole; of large ones, a sample is ranked (:mod:`zapsim.exploration.candidates`). No design
is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

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
"""Standard deviations below the expected costs at which designs are ranked."""

_GROWTH = 12
"""A generation has at least one design per this many known ones, so that a long search takes larger steps."""


class Search:
    """Proposes the designs that are most likely to be on the front."""

    adaptive = True

    def __init__(self, space: Space) -> None:
        self._lattice, self._size = space.lattice, space.strategy.population
        self._model = CostModel(space.lattice, len(space.objectives))
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

        A design is promising if the front dominates its optimistic costs little or not at all; designs that resemble
        invalid or infeasible ones come last.
        """
        examples = _examples(valid)
        designs = [self._lattice.design(number) for number in examples]
        mean, deviation, scaled = self._model.predict(designs, [valid[number] for number in examples], pool)
        margin = margins(mean - _OPTIMISM * deviation, scaled[pareto_front(scaled)])
        return [int(index) for index in np.lexsort((margin, self._doubtful(valid, pool)))]

    def _doubtful(self, valid: Mapping[int, Costs], pool: Sequence[Design]) -> NDArray[np.bool_]:
        """Tell whether the known design most like each of the pool's is invalid or infeasible."""
        if len(valid) == len(self._known):
            return np.zeros(len(pool), dtype=np.bool_)
        latest = list(self._known)[-_NEAR - _OTHERS :]
        failed = np.array([not self._known[number] for number in latest])
        likeness = self._model.likeness(pool, [self._lattice.design(number) for number in latest])
        return np.asarray(failed[likeness.argmax(axis=1)])


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
