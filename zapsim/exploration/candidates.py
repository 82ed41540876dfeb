"""Candidates of the search: all designs of a small space; of a large one, bred, neighbouring and random designs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Protocol

import numpy as np
import optuna

from zapsim.exploration.lattice import Design, Lattice
from zapsim.exploration.pareto import pareto_front
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Admission, Costs

_POOL, _NEIGHBOURS = 1500, 750
"""Designs of a large space that are ranked at a time, and neighbours of the front among them, at most."""

_DRAWS = 20_000
"""Random draws per pool; those that were proposed before do not count."""

_FAILED = optuna.trial.TrialState.FAIL


class Candidates(Protocol):
    """Gives designs that may be proposed and are not taken yet."""

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""

    def pool(self, evaluated: Mapping[int, Costs]) -> dict[int, Design]:
        """Return designs to rank, by number, given the costs of evaluated ones."""

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take results."""


class AllDesigns:
    """All designs of a small space."""

    def __init__(self, space: Space, admit: Admission) -> None:
        rng = np.random.default_rng(space.strategy.seed)
        admitted = ((admit.allows(design), design) for design in space.lattice.walk())
        self._left = {number: design for number, design in admitted if number is not None}
        numbers = list(self._left)
        self._shuffled = (numbers[index] for index in rng.permutation(len(numbers)))

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""
        return self._shuffled

    def pool(self, _evaluated: Mapping[int, Costs]) -> dict[int, Design]:
        """Return the designs without a result."""
        return self._left

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Drop the designs that have a result now."""
        for number in results:
            self._left.pop(number, None)


class SampledDesigns:
    """A sample of a large space: designs bred by NSGA-II, neighbours of the front, and random ones."""

    def __init__(self, space: Space, admit: Admission) -> None:
        self._lattice, self._admit, self._size = space.lattice, admit, space.strategy.population
        self._nsga2 = Nsga2(space)
        self._rng = np.random.default_rng(space.strategy.seed)

    def at_random(self) -> Iterator[int]:
        """Yield designs in random order."""
        return (number for number, _ in self._new(_random_designs(self._lattice, self._rng, _DRAWS)))

    def pool(self, evaluated: Mapping[int, Costs]) -> dict[int, Design]:
        """Return designs of all three kinds."""
        numbers = list(evaluated)
        front = [numbers[index] for index in pareto_front(list(evaluated.values()))]
        pool = dict(self._new(self._nsga2.offspring(2 * self._size)))
        pool |= islice(self._new(_neighbours(self._lattice, front)), _NEIGHBOURS)
        random_designs = self._new(_random_designs(self._lattice, self._rng, _DRAWS))
        return pool | dict(islice(random_designs, max(_POOL - len(pool), 0)))

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Let NSGA-II learn from results."""
        self._nsga2.tell(results)

    def _new(self, designs: Iterable[Design]) -> Iterator[tuple[int, Design]]:
        for design in designs:
            number = self._admit.allows(design)
            if number is not None:
                yield number, design


class Nsga2:
    """Optuna's NSGA-II: breeds designs from good ones, and learns from all results."""

    def __init__(self, space: Space) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._lattice = space.lattice
        sampler = optuna.samplers.NSGAIISampler(population_size=space.strategy.population, seed=space.strategy.seed)
        self._study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=sampler)
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            str(index): optuna.distributions.IntDistribution(0, axis.size - 1)
            if axis.ordered
            else optuna.distributions.CategoricalDistribution(tuple(range(axis.size)))
            for index, axis in enumerate(space.lattice.axes)
        }
        self._known: dict[int, Costs] = {}
        self._open: dict[int, optuna.trial.Trial] = {}

    def offspring(self, tries: int) -> Iterator[Design]:
        """Yield new designs out of so many proposals; proposals with a known result are answered at once."""
        for _ in range(tries):
            trial = self._study.ask(self._distributions)
            design = self._lattice.canonical([int(trial.params[name]) for name in self._distributions])
            number = self._lattice.number(design)
            if number in self._known:
                self._answer(trial, self._known[number])
            elif number in self._open:
                self._study.tell(trial, state=_FAILED)
            else:
                self._open[number] = trial
                yield design

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take results, also of designs that were not bred here; offspring that was not evaluated counts as failed."""
        self._known |= results
        for number, trial in self._open.items():
            self._answer(trial, results.get(number, ()))
        for number, costs in results.items():
            if costs and number not in self._open:
                params = dict(zip(self._distributions, self._lattice.design(number), strict=True))
                self._study.add_trial(
                    optuna.trial.create_trial(params=params, distributions=self._distributions, values=costs)
                )
        self._open.clear()

    def _answer(self, trial: optuna.trial.Trial, costs: Costs) -> None:
        if costs:
            self._study.tell(trial, costs)
        else:
            self._study.tell(trial, state=_FAILED)


def _neighbours(lattice: Lattice, numbers: Sequence[int]) -> Iterator[Design]:
    """Yield the neighbours of designs: the first of each, the second of each, and so on."""
    for neighbours in zip_longest(*(lattice.neighbours(lattice.design(number)) for number in numbers)):
        yield from (design for design in neighbours if design is not None)


def _random_designs(lattice: Lattice, rng: np.random.Generator, draws: int) -> Iterator[Design]:
    """Yield random designs, repeats included."""
    sizes = np.array([axis.size for axis in lattice.axes])
    for _ in range(draws):
        yield lattice.canonical([int(choice) for choice in rng.integers(sizes)])
