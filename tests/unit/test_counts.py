"""Records of actions and cycles: sums, totals, and the part that bounds a layer."""

from typing import NamedTuple

import pytest

from zapsim.counts import ACTIONS, Counts, Cycles, declared_actions


def test_sums_are_field_by_field():
    one = Counts(**{name: index for index, name in enumerate(Counts._fields)})
    other = Counts(**{name: 100 * index for index, name in enumerate(Counts._fields)})
    assert (one + other).as_dict() == {name: 101 * index for index, name in enumerate(Counts._fields)}
    assert type(one + other) is Counts


def test_nothing_counted_adds_nothing():
    some = Counts(macs_executed=3, dram_reads=2)
    assert some + Counts() == some == Counts() + some


def test_every_count_but_skipped_and_lost_macs_is_an_action():
    assert set(Counts().as_dict()) - set(ACTIONS) == {"macs_skipped", "macs_lost"}


def test_a_count_without_a_component_is_named():
    class Forgetful(NamedTuple):
        flips: int = 0
        flops: int = 0

    with pytest.raises(TypeError, match=r"^Forgetful: no unit and component declared for: flips, flops$"):
        declared_actions(Forgetful)


def test_dense_macs_are_executed_gated_and_skipped():
    assert Counts(macs_executed=1, macs_gated=20, macs_skipped=300, macs_lost=7).macs_dense == 321


def test_total_cycles_are_the_sum_of_the_parts():
    cycles = Cycles(**{name: 10**index for index, name in enumerate(Cycles._fields)})
    assert cycles.total == sum(cycles.as_dict().values()) == sum(10**index for index in range(len(Cycles._fields)))


@pytest.mark.parametrize(
    ("cycles", "bound"),
    [
        (Cycles(compute=5, psum_bus=4), "compute"),
        (Cycles(compute=5, psum_bus=6), "psum bus"),
        (Cycles(predictor=1), "predictor"),
        (Cycles(compute=5, filter_load=5), "compute"),
    ],
)
def test_bound_names_the_largest_part(cycles, bound):
    assert cycles.bound == bound


def test_records_are_frozen():
    with pytest.raises(AttributeError):
        Counts().macs_executed = 1
