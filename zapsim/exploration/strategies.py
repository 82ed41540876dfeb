"""Strategies, which choose the designs to evaluate; and those that need no results: grid, random, Sobol sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Protocol, TypeAlias

import numpy as np

from zapsim.errors import ConfigError
from zapsim.exploration.lattice import Design
from zapsim.exploration.space import Space

Costs: TypeAlias = tuple[float, ...]
"""Value of each objective of a design, to be minimised; empty if the design is not ``ok``."""

MOST_WITHOUT_CONSENT = 200_000
"""Larger grids are evaluated only on request."""

_AT_ONCE = 1024
_SHUFFLED = 1_000_000
"""Spaces up to this size are shuffled as a whole; from larger ones, designs are drawn until hardly any is new."""

_MOST_REPEATS = 200_000
"""Draws in a row that bring nothing new, after which drawing ends."""


class Strategy(Protocol):
    """Proposes designs, each once.

    Attributes
    ----------
    adaptive
        Whether it needs the results of its proposals before it makes others.
    excluded
        How many designs it passed over, by the constraint that excludes them.
    """

    adaptive: bool
    excluded: Counter[str]

    def propose(self) -> list[int]:
        """Return the numbers of the next designs; none if there are no more."""

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Take the results of the designs proposed last."""


class Admission:
    """Tells which designs may be proposed: new ones that no constraint excludes beforehand."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._taken: set[int] = set()
        self.excluded: Counter[str] = Counter()

    def allows(self, design: Design) -> int | None:
        """Return the number of `design` if it may be proposed."""
        number = self._space.lattice.number(design)
        if number in self._taken:
            return None
        constraint = self._space.excludes(design)
        if constraint is None:
            return number
        self.excluded[constraint.expression.text] += 1
        self._taken.add(number)
        return None

    def take(self, number: int) -> None:
        """Note that a design is proposed."""
        self._taken.add(number)

    def __call__(self, design: Design) -> int | None:
        """Return the number of `design` if it may be proposed, and take it."""
        number = self.allows(design)
        if number is not None:
            self.take(number)
        return number


class FixedOrder:
    """Proposes designs in a fixed order, whatever their results."""

    adaptive = False

    def __init__(self, space: Space, designs: Iterator[Design]) -> None:
        self._admit = Admission(space)
        self.excluded = self._admit.excluded
        self._numbers = (number for number in map(self._admit, designs) if number is not None)

    def propose(self) -> list[int]:
        """Return the next designs."""
        return list(islice(self._numbers, _AT_ONCE))

    def tell(self, results: Mapping[int, Costs]) -> None:
        """Ignore the results."""


def grid(space: Space) -> FixedOrder:
    """Evaluate every design, in an order in which neighbours share as much work as possible."""
    return FixedOrder(space, space.lattice.walk())


def random(space: Space) -> FixedOrder:
    """Evaluate designs in random order."""
    rng = np.random.default_rng(space.strategy.seed)
    if space.lattice.size <= _SHUFFLED:
        designs = list(space.lattice.walk())
        return FixedOrder(space, (designs[index] for index in rng.permutation(len(designs))))
    sizes = [axis.size for axis in space.lattice.axes]
    return FixedOrder(space, _drawn(space, lambda: rng.random((_AT_ONCE, len(sizes)))))


def sobol(space: Space) -> FixedOrder:
    """Evaluate designs along a scrambled Sobol sequence, which fills the space evenly."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.lattice.axes), scramble=True, rng=space.strategy.seed)
    return FixedOrder(space, _drawn(space, lambda: sequence.random(_AT_ONCE)))


def _drawn(space: Space, draw: Callable[[], np.ndarray]) -> Iterator[Design]:
    """Yield designs at points of the unit cube, each once, until hardly any new one turns up."""
    sizes = np.array([axis.size for axis in space.lattice.axes])
    seen: set[Design] = set()
    repeats = 0
    while repeats < _MOST_REPEATS and len(seen) < space.lattice.size:
        for row in np.minimum((draw() * sizes).astype(np.int64), sizes - 1):
            design = space.lattice.canonical([int(choice) for choice in row])
            repeats = repeats + 1 if design in seen else 0
            if not repeats:
                seen.add(design)
                yield design


def check_size(space: Space, consent: bool) -> None:
    """Refuse a grid of very many designs, or a sample without a budget, unless it is meant.

    Parameters
    ----------
    space
        The space to explore.
    consent
        Whether the user consent to a large grid.

    Raises
    ------
    ConfigError
        With the size, and the remedies.
    """
    size, budget = space.lattice.size, space.budget
    unlimited = budget.points is None and budget.minutes is None
    if space.strategy.name == "grid":
        if unlimited and size > MOST_WITHOUT_CONSENT and not consent:
            raise ConfigError(
                f"{space.file}: the grid has {size:,} designs ({_factors(space)}); evaluate all with --yes, "
                "a part with a budget (points or minutes), or let strategy: search look for the best"
            )
    elif unlimited and size > MOST_WITHOUT_CONSENT and not consent:
        raise ConfigError(
            f"{space.file}: {space.strategy.name} over {size:,} designs needs a budget (points or minutes), or --yes"
        )


def _factors(space: Space) -> str:
    return " × ".join(str(axis.size) for axis in space.lattice.axes if axis.size > 1)
