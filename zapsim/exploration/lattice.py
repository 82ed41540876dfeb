"""The lattice of designs: counting, numbering and walking through them, and finding their neighbours.

A design is a tuple with one choice (an index) per axis. An axis can depend on the choices of others (a spad exists
only in some arrays); where it does not apply, it is *inactive* and its choice is 0, so that each design has one tuple.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import TypeAlias

from zapsim.errors import ConfigError

Design: TypeAlias = tuple[int, ...]
"""One choice (index) per axis."""

HEAVY = 2
"""From this weight on, a change along an axis repeats most of an evaluation."""

MOST_DESIGNS = 2**62
"""Designs are numbered in int64."""


@dataclass(frozen=True, slots=True)
class Need:
    """A condition: axis `axis` is active and its choice is one of `choices`."""

    axis: int
    choices: frozenset[int]


@dataclass(frozen=True, slots=True)
class LatticeAxis:
    """One axis.

    Attributes
    ----------
    name
        Name in messages.
    size
        Number of choices.
    ordered
        Whether neighbouring choices are alike (sizes); else all other choices are equally unlike (policies).
    needs
        Conditions for the axis to be active.
    weight
        How much of an evaluation a change along this axis repeats: heavier axes change less often in
        :meth:`Lattice.walk`.
    """

    name: str
    size: int
    ordered: bool = False
    needs: tuple[Need, ...] = ()
    weight: int = 0


@dataclass(frozen=True)
class Lattice:
    """All designs over given axes.

    Raises
    ------
    ConfigError
        If an axis has no choice, if axes depend on each other in a circle, or if there are more than 2**62 tuples.
    """

    axes: tuple[LatticeAxis, ...]

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis.size < 1:
                raise ConfigError(f"{axis.name}: no values, so there is no design")
        if prod(axis.size for axis in self.axes) > MOST_DESIGNS:
            sizes = " × ".join(str(axis.size) for axis in self.axes)
            raise ConfigError(f"{sizes} designs are too many to number (more than 2**62); use fewer steps")
        _ = self.order  # raises for circles

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The axes, each after those that it needs, and otherwise by weight, heaviest first."""
        placed: list[int] = []
        left = sorted(range(len(self.axes)), key=lambda one: (-self.axes[one].weight, one))
        while left:
            ready = [one for one in left if all(need.axis in placed for need in self.axes[one].needs)]
            if not ready:
                raise ConfigError(
                    f"{', '.join(self.axes[one].name for one in left)}: 'when' refers to itself in a circle"
                )
            placed.append(ready[0])
            left.remove(ready[0])
        return tuple(placed)

    @cached_property
    def _radix(self) -> tuple[int, ...]:
        """The difference that one step along each axis makes in a design's number."""
        sizes = [axis.size for axis in self.axes]
        return tuple(prod(sizes[one + 1 :]) for one in range(len(sizes)))

    @cached_property
    def deciding(self) -> frozenset[int]:
        """The axes on which others depend."""
        return frozenset(need.axis for axis in self.axes for need in axis.needs)

    def number(self, design: Design) -> int:
        """Return the number of a design."""
        return sum(choice * step for choice, step in zip(design, self._radix, strict=True))

    def design(self, number: int) -> Design:
        """Return the design of a number."""
        return tuple(number // step % axis.size for axis, step in zip(self.axes, self._radix, strict=True))

    def active(self, design: Design) -> tuple[bool, ...]:
        """Tell for each axis whether it is active in `design`."""
        active = [False] * len(self.axes)
        for axis in self.order:
            needs = self.axes[axis].needs
            active[axis] = all(active[need.axis] and design[need.axis] in need.choices for need in needs)
        return tuple(active)

    def canonical(self, design: Sequence[int]) -> Design:
        """Set the choices of inactive axes to 0."""
        choices = tuple(design)
        return tuple(choice if active else 0 for choice, active in zip(choices, self.active(choices), strict=True))

    @cached_property
    def size(self) -> int:
        """Number of designs."""
        deciding = [one for one in self.order if one in self.deciding]
        total = 0
        for choices in product(*(range(self.axes[one].size) for one in deciding)):
            design = [0] * len(self.axes)
            for one, choice in zip(deciding, choices, strict=True):
                design[one] = choice
            active = self.active(tuple(design))
            if any(design[one] and not active[one] for one in deciding):
                continue
            total += prod(axis.size for one, axis in enumerate(self.axes) if active[one] and one not in self.deciding)
        return total

    def walk(self) -> Iterator[Design]:
        """Yield every design once; the lightest axis changes fastest."""
        yield from self._walk([0] * len(self.axes), [False] * len(self.axes), 0)

    def _walk(self, design: list[int], active: list[bool], depth: int) -> Iterator[Design]:
        if depth == len(self.order):
            yield tuple(design)
            return
        here = self.order[depth]
        axis = self.axes[here]
        active[here] = all(active[need.axis] and design[need.axis] in need.choices for need in axis.needs)
        for choice in range(axis.size if active[here] else 1):
            design[here] = choice
            yield from self._walk(design, active, depth + 1)
        design[here] = 0

    def neighbours(self, design: Design) -> Iterator[Design]:
        """Yield the designs one step away: the next choice along an ordered axis, any other along the rest."""
        active = self.active(design)
        for one, axis in enumerate(self.axes):
            if not active[one]:
                continue
            here = design[one]
            steps = (here - 1, here + 1) if axis.ordered else range(axis.size)
            for choice in steps:
                if choice != here and 0 <= choice < axis.size:
                    yield self.canonical((*design[:one], choice, *design[one + 1 :]))

    def shared(self, design: Design) -> tuple[int, ...]:
        """Return the choices along heavy axes: designs that agree in these share most of their evaluation."""
        return tuple(choice for choice, axis in zip(design, self.axes, strict=True) if axis.weight >= HEAVY)

    def locality(self, design: Design) -> tuple[int, ...]:
        """Return a key that sorts designs as :meth:`walk` does."""
        return tuple(design[one] for one in self.order)
