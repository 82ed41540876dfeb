"""Multi-objective search: Optuna's NSGA-II proposes, and the neighbours of the front found so far are looked at.

NSGA-II finds the front's region; walking along the front finds all of it, because designs that differ by one step of
one parameter are mostly alike. No design is evaluated twice: what NSGA-II proposes again is answered from memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import optuna

from zapsim.explore.front import front
from zapsim.explore.lattice import Design
from zapsim.explore.space import Space
from zapsim.explore.strategies import Admission, Costs

_START = 4
"""Populations drawn at random before anything is bred."""

_TRIES = 8
"""Times its share that NSGA-II may propose what is known already, before neighbours and chance take over."""

_DRAWS = 10_000
"""Random designs looked at for one that is new."""


class Search:
    """NSGA-II and the neighbours of the front, half and half; chance where these have no new design to offer."""

    adaptive = True

    def __init__(self, space: Space) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._size = space.strategy.population
        self._rng = np.random.default_rng(space.strategy.seed)
        sampler = optuna.samplers.NSGAIISampler(population_size=self._size, seed=space.strategy.seed)
        self._study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=sampler)
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            str(index): optuna.distributions.IntDistribution(0, axis.size - 1)
            if axis.ordered
            else optuna.distributions.CategoricalDistribution(tuple(range(axis.size)))
            for index, axis in enumerate(space.lattice.axes)
        }
        self._admit = Admission(space)
        self.excluded = self._admit.excluded
        self._known: dict[int, Costs] = {}
        self._asked: list[tuple[optuna.trial.Trial, int]] = []
        self._first = iter(self._random_designs())
        self._shown: Counter[int] = Counter()

    def propose(self) -> list[int]:
        """Return the next generation of new designs; none if the space is used up."""
        if len(self._known) < _START * self._size // 2:
            return self._drawn(_START * self._size // 2)
        bred = self._bred(self._size // 2)
        near = self._near_front(self._size - len(bred))
        return bred + near + self._drawn(self._size - len(bred) - len(near))

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take the results of the last generation."""
        self._known |= results
        for trial, number in self._asked:
            self._answer(trial, number)
        asked = {number for _, number in self._asked}
        self._asked = []
        for number in results:
            if number not in asked:
                self._teach(number)

    def _bred(self, most: int) -> list[int]:
        """Return up to `most` new designs that NSGA-II proposes."""
        new: list[int] = []
        for _ in range(_TRIES * most):
            trial = self._study.ask(self._distributions)
            design = self._space.lattice.canonical(
                [int(trial.params[str(index)]) for index in range(len(trial.params))]
            )
            number = self._admit(design)
            if number is not None:
                new.append(number)
                self._asked.append((trial, number))
            else:
                self._answer(trial, self._space.lattice.number(design))
            if len(new) == most:
                break
        return new

    def _answer(self, trial: optuna.trial.Trial, number: int) -> None:
        """Tell NSGA-II what a design costs; one that is no candidate counts as failed."""
        costs = self._known.get(number)
        if costs:
            self._study.tell(trial, costs)
        else:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _teach(self, number: int) -> None:
        """Tell NSGA-II of a design that it did not propose."""
        costs = self._known[number]
        if costs:
            params = {str(index): choice for index, choice in enumerate(self._space.lattice.design(number))}
            self._study.add_trial(
                optuna.trial.create_trial(params=params, distributions=self._distributions, values=costs)
            )

    def _near_front(self, most: int) -> list[int]:
        """Return up to `most` new neighbours of the front, one of each of its designs in turn."""
        candidates = [number for number, costs in self._known.items() if costs]
        best = [candidates[index] for index in front([self._known[number] for number in candidates])]
        best.sort(key=lambda number: self._shown[number])
        ways = {number: self._new_neighbours(number) for number in best}
        new: list[int] = []
        while ways and len(new) < most:
            for number in list(ways):
                found = next(ways[number], None)
                if found is None:
                    del ways[number]
                    continue
                self._shown[number] += 1
                new.append(found)
                if len(new) == most:
                    break
        return new

    def _new_neighbours(self, number: int) -> Iterator[int]:
        lattice = self._space.lattice
        for design in lattice.neighbours(lattice.design(number)):
            found = self._admit(design)
            if found is not None:
                yield found

    def _drawn(self, most: int) -> list[int]:
        """Return up to `most` new designs drawn at random."""
        new: list[int] = []
        while len(new) < most:
            design = next(self._first, None)
            if design is None:
                break
            number = self._admit(design)
            if number is not None:
                new.append(number)
        return new

    def _random_designs(self) -> Iterator[Design]:
        """Yield designs in random order until new ones are hardly found any more."""
        lattice = self._space.lattice
        if lattice.size <= _DRAWS:
            designs = list(lattice.walk())
            yield from (designs[index] for index in self._rng.permutation(len(designs)))
            return
        sizes = np.array([axis.size for axis in lattice.axes])
        for _ in range(_DRAWS * 100):
            yield lattice.canonical([int(choice) for choice in self._rng.integers(sizes)])
