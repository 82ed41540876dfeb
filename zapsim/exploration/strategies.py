"""How designs are chosen without looking at results: the whole grid, at random, or a Sobol sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

import numpy as np

from zapsim.errors import ConfigError
from zapsim.exploration.lattice import Design
from zapsim.exploration.space import Space

Costs: TypeAlias = tuple[float, ...]
"""What each objective is to have little of; empty for a design that is no candidate."""

MOST_WITHOUT_ASKING = 200_000
"""Grids over this size are evaluated only on request."""

_AT_ONCE = 1024
_SHUFFLED = 1_000_000
"""Spaces up to this size are shuffled whole; of larger ones, designs are drawn until enough are new."""

_DRAWS_IN_VAIN = 200_000


class Strategy(Protocol):
    """Proposes designs, each once.

    Attributes
    ----------
    adaptive
        Whether it waits for the results of what it proposed before it goes on.
    excluded
        How many designs it passed over, by the constraint that rules them out.
    """

    adaptive: bool
    excluded: Counter[str]

    def propose(self) -> list[int]:
        """Return the numbers of some designs; none if there are no more."""

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take the results of the designs proposed last."""


class Admission:
    """Says which designs are admitted: new ones that no constraint rules out beforehand."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._taken: set[int] = set()
        self.excluded: Counter[str] = Counter()

    def allows(self, design: Design) -> int | None:
        """Return the number of `design` if it is admitted."""
        number = self._space.lattice.number(design)
        if number in self._taken:
            return None
        broken = self._space.excludes(design)
        if broken is None:
            return number
        self.excluded[broken.expression.text] += 1
        self._taken.add(number)
        return None

    def take(self, number: int) -> None:
        """Take note that a design is not new any more."""
        self._taken.add(number)

    def __call__(self, design: Design) -> int | None:
        """Return the number of `design` if it is admitted, and take it."""
        number = self.allows(design)
        if number is not None:
            self.take(number)
        return number


class Listed:
    """Proposes what a source of designs yields, in its order."""

    adaptive = False

    def __init__(self, space: Space, source: Iterator[Design]) -> None:
        self._admit = Admission(space)
        self.excluded = self._admit.excluded
        self._numbers = (number for number in map(self._admit, source) if number is not None)

    def propose(self) -> list[int]:
        """Return the next designs."""
        return list(islice(self._numbers, _AT_ONCE))

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Need no results."""


def grid(space: Space) -> Listed:
    """Return the strategy that evaluates every design; neighbours in time share as much as they can."""
    return Listed(space, space.lattice.walk())


def random(space: Space) -> Listed:
    """Return the strategy that evaluates designs in random order."""
    rng = np.random.default_rng(space.strategy.seed)
    if space.lattice.size <= _SHUFFLED:
        designs = list(space.lattice.walk())
        return Listed(space, (designs[index] for index in rng.permutation(len(designs))))
    sizes = [axis.size for axis in space.lattice.axes]
    return Listed(space, _drawn(space, lambda: rng.random((_AT_ONCE, len(sizes)))))


def sobol(space: Space) -> Listed:
    """Return the strategy that follows a scrambled Sobol sequence, which fills the space evenly."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.lattice.axes), scramble=True, rng=space.strategy.seed)
    return Listed(space, _drawn(space, lambda: sequence.random(_AT_ONCE)))


def _drawn(space: Space, draw: Callable[[], np.ndarray]) -> Iterator[Design]:
    """Yield designs at points of the unit cube, each once, until new ones are hardly found any more."""
    sizes = np.array([axis.size for axis in space.lattice.axes])
    seen: set[Design] = set()
    in_vain = 0
    while in_vain < _DRAWS_IN_VAIN and len(seen) < space.lattice.size:
        for row in np.minimum((draw() * sizes).astype(np.int64), sizes - 1):
            design = space.lattice.canonical([int(choice) for choice in row])
            in_vain = in_vain + 1 if design in seen else 0
            if not in_vain:
                seen.add(design)
                yield design


def make_strategy(space: Space) -> Strategy:
    """Return the strategy that the space asks for."""
    if space.strategy.name == "search":
        from zapsim.exploration.search import Search

        return Search(space)
    return {"grid": grid, "random": random, "sobol": sobol}[space.strategy.name](space)


def check_size(space: Space, agreed: bool) -> None:
    """Refuse what nobody means: a grid of very many designs, or a sample without an end.

    Parameters
    ----------
    space
        What is to be explored.
    agreed
        Whether the user has said yes to a large grid.

    Raises
    ------
    ConfigError
        With the size, and what could be done.
    """
    size, budget = space.lattice.size, space.budget
    unlimited = budget.points is None and budget.minutes is None
    if space.strategy.name == "grid":
        if unlimited and size > MOST_WITHOUT_ASKING and not agreed:
            raise ConfigError(
                f"{space.file}: the grid has {size:,} designs ({_factors(space)}); --yes evaluates them all, "
                "a budget (points or minutes) a part, and strategy: search looks for the best"
            )
    elif unlimited and size > MOST_WITHOUT_ASKING and not agreed:
        raise ConfigError(
            f"{space.file}: {space.strategy.name} over {size:,} designs needs a budget (points or minutes), or --yes"
        )


def _factors(space: Space) -> str:
    return " × ".join(str(axis.size) for axis in space.lattice.axes if axis.size > 1)


def in_order(space: Space, numbers: Sequence[int]) -> list[int]:
    """Return designs so that neighbours share as much of their evaluation as they can."""
    lattice = space.lattice
    return sorted(numbers, key=lambda number: lattice.locality(lattice.design(number)))
