"""The designs of a space as points of a lattice: counted, numbered, walked through, and their neighbours.

A design is a tuple with one choice (an index) for each axis. An axis can depend on choices of others (a spad exists
only in some arrays); where it does not apply it is *inactive*, and its choice is 0, so that each design has one tuple.
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
"""A choice (index) for each axis."""

HEAVY = 2
"""From this weight on, a change of an axis makes most of an evaluation anew."""

MOST_DESIGNS = 2**62
"""Designs are numbered in int64."""


@dataclass(frozen=True, slots=True)
class Need:
    """That axis `axis` is active and its choice is one of `choices`."""

    axis: int
    choices: frozenset[int]


@dataclass(frozen=True, slots=True)
class LatticeAxis:
    """One axis.

    Attributes
    ----------
    name
        For messages.
    size
        Number of choices.
    ordered
        Whether neighbouring choices are alike (sizes); else all others are (policies).
    needs
        What must hold for the axis to be active.
    weight
        How much of an evaluation a change of this axis makes anew: axes of more weight change less often in
        :meth:`Lattice.walk`.
    """

    name: str
    size: int
    ordered: bool = False
    needs: tuple[Need, ...] = ()
    weight: int = 0


@dataclass(frozen=True)
class Lattice:
    """All designs over some axes.

    Raises
    ------
    ConfigError
        If an axis has no choice, if axes need each other, or if there are over 2**62 tuples.
    """

    axes: tuple[LatticeAxis, ...]

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis.size < 1:
                raise ConfigError(f"{axis.name}: no values, so there is no design")
        if prod(axis.size for axis in self.axes) > MOST_DESIGNS:
            sizes = " × ".join(str(axis.size) for axis in self.axes)
            raise ConfigError(f"{sizes} designs are too many to number (over 2**62); take fewer steps")
        _ = self.order  # refuses circles

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The axes, each after those that it needs, and otherwise by weight, heaviest first."""
        placed: list[int] = []
        left = sorted(range(len(self.axes)), key=lambda one: (-self.axes[one].weight, one))
        while left:
            ready = [one for one in left if all(need.axis in placed for need in self.axes[one].needs)]
            if not ready:
                raise ConfigError(f"{', '.join(self.axes[one].name for one in left)}: 'when' goes round in a circle")
            placed.append(ready[0])
            left.remove(ready[0])
        return tuple(placed)

    @cached_property
    def _radix(self) -> tuple[int, ...]:
        """What one step along each axis adds to a design's number."""
        sizes = [axis.size for axis in self.axes]
        return tuple(prod(sizes[one + 1 :]) for one in range(len(sizes)))

    @cached_property
    def deciding(self) -> frozenset[int]:
        """The axes that others need."""
        return frozenset(need.axis for axis in self.axes for need in axis.needs)

    def number(self, design: Design) -> int:
        """Return the number that stands for `design`."""
        return sum(choice * step for choice, step in zip(design, self._radix, strict=True))

    def design(self, number: int) -> Design:
        """Return the design of a number."""
        return tuple(number // step % axis.size for axis, step in zip(self.axes, self._radix, strict=True))

    def active(self, design: Design) -> tuple[bool, ...]:
        """Return for each axis whether it applies to `design`."""
        found = [False] * len(self.axes)
        for one in self.order:
            found[one] = all(found[need.axis] and design[need.axis] in need.choices for need in self.axes[one].needs)
        return tuple(found)

    def canonical(self, design: Sequence[int]) -> Design:
        """Return `design` with the choices of inactive axes at 0."""
        given = tuple(design)
        return tuple(choice if on else 0 for choice, on in zip(given, self.active(given), strict=True))

    @cached_property
    def size(self) -> int:
        """How many designs there are."""
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
        """Return the choices along the heavy axes: designs that agree in them share most of their evaluation."""
        return tuple(choice for choice, axis in zip(design, self.axes, strict=True) if axis.weight >= HEAVY)

    def locality(self, design: Design) -> tuple[int, ...]:
        """Return a key that sorts designs as :meth:`walk` does."""
        return tuple(design[one] for one in self.order)
