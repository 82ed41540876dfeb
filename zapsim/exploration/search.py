"""Multi-objective search: evaluate what may be on the front, by a model of the costs that learns from every result.

Small spaces are ranked whole. Of large ones, those designs are ranked that Optuna's NSGA-II proposes, the neighbours of
the front found so far, and some at random. No design is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zapsim.exploration import model
from zapsim.exploration.front import front
from zapsim.exploration.lattice import Design, Lattice
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Admission, Costs

_START = 2.5
"""Generations that are drawn at random before anything is ranked."""

_RANKED_WHOLE = 5000
"""Spaces up to this size are ranked whole."""

_POOL, _NEIGHBOURS = 1500, 750
"""Designs of a larger space that are ranked at a time, and neighbours of the front among them, at most."""

_TRIES = 20_000
"""Designs drawn for those that are new among them."""

_NEAR, _OTHERS = 400, 200
"""Designs that the model learns from, at most: the nearest to the front, and an even choice of the others."""

_OPTIMISM = 2.0
"""Standard deviations by which costs may be less than expected when designs are ranked."""

_GROWTH = 12
"""A generation is at least one in so many of the designs known: a long search takes larger steps."""


class Search:
    """Proposes what is most likely to be on the front."""

    adaptive = True

    def __init__(self, space: Space) -> None:
        self._lattice, self._size = space.lattice, space.strategy.population
        self._model = model.Costs(space.lattice, len(space.objectives))
        self._admit = Admission(space)
        self.excluded = self._admit.excluded
        self._known: dict[int, Costs] = {}
        small = space.lattice.size <= _RANKED_WHOLE
        self._source: _Source = _Whole(space, self._admit) if small else _Sampled(space, self._admit)

    def propose(self) -> list[int]:
        """Return the next generation of new designs; none if the space is used up."""
        size = max(self._size, len(self._known) // _GROWTH)
        valid = {number: costs for number, costs in self._known.items() if costs}
        first = round(_START * self._size)
        if len(self._known) < first or len(valid) < 2:
            chosen = list(islice(self._source.at_random(), max(size, first - len(self._known))))
        else:
            pool = self._source.pool(valid)
            ranking = self._ranking(valid, list(pool.values())) if pool else []
            numbers = list(pool)
            chosen = [numbers[index] for index in ranking[:size]]
        for number in chosen:
            self._admit.take(number)
        return chosen

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take the results of the last generation."""
        self._known |= results
        self._source.tell(results)

    def _ranking(self, valid: Mapping[int, Costs], pool: Sequence[Design]) -> list[int]:
        """Return the places of the pool's designs, the most promising first.

        Promising is what is dominated least, or not at all, if it costs as little as it may; what is most like designs
        that are no candidates comes last.
        """
        lessons = _lessons(valid)
        known = [self._lattice.design(number) for number in lessons]
        mean, deviation, scaled = self._model.predict(known, [valid[number] for number in lessons], pool)
        margin = margins(mean - _OPTIMISM * deviation, scaled[front(scaled)])
        return [int(place) for place in np.lexsort((margin, self._doubtful(valid, pool)))]

    def _doubtful(self, valid: Mapping[int, Costs], pool: Sequence[Design]) -> NDArray[np.bool_]:
        """Return whether the known design that is most like each of the pool's is no candidate."""
        if len(valid) == len(self._known):
            return np.zeros(len(pool), dtype=np.bool_)
        some = list(self._known)[-_NEAR - _OTHERS :]
        failed = np.array([not self._known[number] for number in some])
        likeness = self._model.likeness(pool, [self._lattice.design(number) for number in some])
        return np.asarray(failed[likeness.argmax(axis=1)])


def margins(costs: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each design is dominated by the front: float64 (designs,), below 0 if it is not.

    Parameters
    ----------
    costs
        float64 (designs, objectives).
    best
        float64 (front, objectives).
    """
    found = np.full(len(costs), -np.inf)
    for member in best:
        np.maximum(found, (costs - member).min(axis=1), out=found)
    return found


def _lessons(valid: Mapping[int, Costs]) -> list[int]:
    """Return the designs that the model learns from."""
    numbers = list(valid)
    if len(numbers) <= _NEAR + _OTHERS:
        return numbers
    costs = np.asarray(list(valid.values()), dtype=np.float64)
    costs = (costs - costs.min(axis=0)) / np.maximum(np.ptp(costs, axis=0), 1e-300)
    order = np.argsort(margins(costs, costs[front(costs)]), kind="stable")
    others = order[_NEAR:][:: -(-(len(order) - _NEAR) // _OTHERS)]
    return [numbers[index] for index in (*order[:_NEAR], *others)]


class _Source(Protocol):
    """Where new designs come from: admitted ones, that are not taken yet."""

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""

    def pool(self, valid: Mapping[int, Costs]) -> dict[int, Design]:
        """Return designs to rank, by number, given what is known."""

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take results."""


class _Whole:
    """All of a small space."""

    def __init__(self, space: Space, admit: Admission) -> None:
        rng = np.random.default_rng(space.strategy.seed)
        admitted = ((admit.allows(design), design) for design in space.lattice.walk())
        self._all = {number: design for number, design in admitted if number is not None}
        numbers = list(self._all)
        self._shuffled = (numbers[index] for index in rng.permutation(len(numbers)))

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""
        return self._shuffled

    def pool(self, _valid: Mapping[int, Costs]) -> dict[int, Design]:
        """Return what is left."""
        return self._all

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Strike out what is known now."""
        for number in results:
            self._all.pop(number, None)


class _Sampled:
    """A part of a large space: bred designs, neighbours of the front, and random ones."""

    def __init__(self, space: Space, admit: Admission) -> None:
        from zapsim.exploration.breeding import Breeder

        self._lattice, self._admit, self._size = space.lattice, admit, space.strategy.population
        self._breeder = Breeder(space)
        self._rng = np.random.default_rng(space.strategy.seed)

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""
        return (number for number, _ in self._new(_draws(self._lattice, self._rng, _TRIES)))

    def pool(self, valid: Mapping[int, Costs]) -> dict[int, Design]:
        """Return designs of all three kinds."""
        numbers = list(valid)
        best = [numbers[index] for index in front(list(valid.values()))]
        found = dict(self._new(self._breeder.offspring(2 * self._size)))
        found |= islice(self._new(_neighbours(self._lattice, best)), _NEIGHBOURS)
        draws = self._new(_draws(self._lattice, self._rng, _TRIES))
        return found | dict(islice(draws, max(_POOL - len(found), 0)))

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Let the breeder learn."""
        self._breeder.tell(results)

    def _new(self, designs: Iterable[Design]) -> Iterator[tuple[int, Design]]:
        for design in designs:
            number = self._admit.allows(design)
            if number is not None:
                yield number, design


def _neighbours(lattice: Lattice, numbers: Sequence[int]) -> Iterator[Design]:
    """Yield the neighbours of some designs, one of each in turn."""
    for round_ in zip_longest(*(lattice.neighbours(lattice.design(number)) for number in numbers)):
        yield from (design for design in round_ if design is not None)


def _draws(lattice: Lattice, rng: np.random.Generator, tries: int) -> Iterator[Design]:
    """Yield designs at random, the same again perhaps."""
    sizes = np.array([axis.size for axis in lattice.axes])
    for _ in range(tries):
        yield lattice.canonical([int(choice) for choice in rng.integers(sizes)])
