"""The lattice of designs: counting, numbering and walking through them, and finding their neighbours.

A design is a tuple with one choice (an index) per axis. An axis can depend on the choices of others (a spad exists
only in some arrays); where it does not apply, it is *inactive* and its choice is 0, so that each design has one tuple.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TypeAlias

from zapsim.errors import ConfigError

Design: TypeAlias = tuple[int, ...]
"""One choice (index) per axis."""

HEAVY = 2
"""From this weight on, a change along an axis repeats most of an evaluation."""

_MOST_COMBINATIONS = 100_000

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
            active[axis] = self._is_active(axis, design, active)
        return tuple(active)

    def canonical(self, design: Sequence[int]) -> Design:
        """Set the choices of inactive axes to 0."""
        choices = tuple(design)
        return tuple(choice if active else 0 for choice, active in zip(choices, self.active(choices), strict=True))

    @cached_property
    def size(self) -> int:
        """Number of designs, counted without walking through them.

        Axes that do not depend on one another multiply. Of an axis on which others depend, all choices count alike that
        meet the same needs.
        """
        return prod(self._count(group, [0] * len(self.axes), [False] * len(self.axes), 1) for group in self._groups())

    def _groups(self) -> list[list[int]]:
        """Group the axes that depend on one another, each group in the order of :attr:`order`."""
        group_of = list(range(len(self.axes)))
        for one, axis in enumerate(self.axes):
            for need in axis.needs:
                joined = group_of[need.axis]
                group_of = [group_of[one] if group == joined else group for group in group_of]
        return [[one for one in self.order if group_of[one] == group] for group in dict.fromkeys(group_of)]

    def _count(self, axes: Sequence[int], design: list[int], active: list[bool], combinations: int) -> int:
        """Count the choices of `axes`, those before them being made."""
        if not axes:
            return 1
        here, *rest = axes
        active[here] = self._is_active(here, design, active)
        if not active[here]:
            return self._count(rest, design, active, combinations)
        if here not in self.deciding:
            return self.axes[here].size * self._count(rest, design, active, combinations)
        alike = self._alike[here]
        combinations *= len(alike)
        if combinations > _MOST_COMBINATIONS:
            raise ConfigError(
                f"{self.axes[here].name}: too many combinations of choices on which 'when' depends (over "
                f"{_MOST_COMBINATIONS:,}); name fewer of them"
            )
        total = 0
        for choice, number in alike:
            design[here] = choice
            total += number * self._count(rest, design, active, combinations)
        return total

    def _is_active(self, here: int, design: Sequence[int], active: Sequence[bool]) -> bool:
        return all(active[need.axis] and design[need.axis] in need.choices for need in self.axes[here].needs)

    @cached_property
    def _alike(self) -> dict[int, list[tuple[int, int]]]:
        """For each deciding axis: one of the choices that meet the same needs, and their number."""
        alike: dict[int, list[tuple[int, int]]] = {}
        for deciding in self.deciding:
            needed = [need.choices for axis in self.axes for need in axis.needs if need.axis == deciding]
            named = frozenset().union(*needed)
            kinds: dict[tuple[bool, ...], list[int]] = {}
            for choice in named:
                kinds.setdefault(tuple(choice in choices for choices in needed), []).append(choice)
            alike[deciding] = [(choices[0], len(choices)) for choices in kinds.values()]
            size = self.axes[deciding].size
            if len(named) < size:
                other = next(choice for choice in range(size) if choice not in named)
                alike[deciding].append((other, size - len(named)))
        return alike

    def walk(self) -> Iterator[Design]:
        """Yield every design once; the lightest axis changes fastest."""
        yield from self._walk([0] * len(self.axes), [False] * len(self.axes), 0)

    def _walk(self, design: list[int], active: list[bool], depth: int) -> Iterator[Design]:
        if depth == len(self.order):
            yield tuple(design)
            return
        here = self.order[depth]
        axis = self.axes[here]
        active[here] = self._is_active(here, design, active)
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
