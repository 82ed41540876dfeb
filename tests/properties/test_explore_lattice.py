"""The lattice of designs against an enumeration of all tuples."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zapsim.errors import ConfigError
from zapsim.exploration.lattice import Lattice, LatticeAxis, Need
from zapsim.exploration.pareto import pareto_front


@st.composite
def lattices(draw) -> Lattice:
    count = draw(st.integers(1, 5))
    sizes = [draw(st.integers(1, 4)) for _ in range(count)]
    axes = []
    for index, size in enumerate(sizes):
        needs = []
        for other in draw(st.sets(st.integers(0, count - 1), max_size=2)):
            if other > index:  # so that there is no circle; a later axis may be needed by an earlier one
                choices = draw(st.sets(st.integers(0, sizes[other] - 1), min_size=1))
                needs.append(Need(other, frozenset(choices)))
        axes.append(LatticeAxis(f"x{index}", size, draw(st.booleans()), tuple(needs), draw(st.integers(0, 3))))
    return Lattice(tuple(axes))


def applies(lattice: Lattice, design, axis: int) -> bool:
    needs = lattice.axes[axis].needs
    return all(design[need.axis] in need.choices and applies(lattice, design, need.axis) for need in needs)


def all_designs(lattice: Lattice) -> set[tuple[int, ...]]:
    """Every tuple, with 0 where an axis does not apply."""
    tuples = product(*(range(axis.size) for axis in lattice.axes))
    return {
        tuple(choice if applies(lattice, design, axis) else 0 for axis, choice in enumerate(design))
        for design in tuples
    }


@given(lattices())
def test_every_design_once(lattice):
    walked = list(lattice.walk())
    assert set(walked) == all_designs(lattice)
    assert len(walked) == len(set(walked)) == lattice.size


@given(lattices())
def test_numbers_stand_for_designs(lattice):
    for design in lattice.walk():
        assert lattice.design(lattice.number(design)) == design
        assert lattice.canonical(design) == design


@given(lattices())
def test_walk_is_sorted_by_locality(lattice):
    keys = [lattice.locality(design) for design in lattice.walk()]
    assert keys == sorted(keys)


@given(lattices())
def test_neighbours_differ_in_one_choice_and_what_depends_on_it(lattice):
    designs = all_designs(lattice)
    for design in designs:
        found = list(lattice.neighbours(design))
        assert design not in found
        assert set(found) <= designs
        for axis, one in enumerate(lattice.axes):
            if not applies(lattice, design, axis):
                continue
            for choice in range(one.size):
                near = abs(choice - design[axis]) == 1 if one.ordered else choice != design[axis]
                moved = (*design[:axis], choice, *design[axis + 1 :])
                if near:
                    assert lattice.canonical(moved) in found


def test_heavy_axes_change_slowest():
    lattice = Lattice((LatticeAxis("light", 3), LatticeAxis("heavy", 2, weight=1)))
    assert [design[1] for design in lattice.walk()] == [0, 0, 0, 1, 1, 1]


def test_circles_are_refused():
    need = [frozenset({0})] * 2
    axes = LatticeAxis("a", 2, needs=(Need(1, need[0]),)), LatticeAxis("b", 2, needs=(Need(0, need[1]),))
    with pytest.raises(ConfigError, match=r"a, b: 'when' refers to itself in a circle"):
        Lattice(axes)


def test_more_than_can_be_numbered_is_refused():
    with pytest.raises(ConfigError, match="too many to number"):
        Lattice(tuple(LatticeAxis(str(index), 1000) for index in range(7)))


def dominates(one, other) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=30))
def test_front_against_all_pairs(costs):
    expected = [i for i, one in enumerate(costs) if not any(dominates(other, one) for other in costs)]
    assert pareto_front(costs) == expected
