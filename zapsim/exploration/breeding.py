"""Optuna's NSGA-II as a source of designs that may be good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import optuna

from zapsim.exploration.lattice import Design
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Costs

_FAILED = optuna.trial.TrialState.FAIL


class Breeder:
    """Proposes designs bred from good ones, and learns from all results."""

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
        """Yield designs that are not known yet; of so many proposals, those that are known are answered at once."""
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
        """Take results, also of designs from elsewhere; offspring that nobody evaluated counts as failed."""
        self._known |= results
        for number, trial in self._open.items():
            self._answer(trial, results.get(number, ()))
        for number, costs in results.items():
            if costs and number not in self._open:
                params = {
                    name: choice for name, choice in zip(self._distributions, self._lattice.design(number), strict=True)
                }
                self._study.add_trial(
                    optuna.trial.create_trial(params=params, distributions=self._distributions, values=costs)
                )
        self._open.clear()

    def _answer(self, trial: optuna.trial.Trial, costs: Costs) -> None:
        if costs:
            self._study.tell(trial, costs)
        else:
            self._study.tell(trial, state=_FAILED)
