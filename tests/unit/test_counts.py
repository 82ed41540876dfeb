"""Records of actions and cycles: sums, totals, and the part that bounds a layer."""

from dataclasses import FrozenInstanceError, fields

import pytest

from zapsim.counts import Counts, Cycles


def test_sums_are_field_by_field():
    one = Counts(**{field.name: index for index, field in enumerate(fields(Counts))})
    other = Counts(**{field.name: 100 * index for index, field in enumerate(fields(Counts))})
    assert (one + other).as_dict() == {field.name: 101 * index for index, field in enumerate(fields(Counts))}
    assert type(one + other) is Counts


def test_nothing_counted_adds_nothing():
    some = Counts(macs_executed=3, dram_reads=2)
    assert some + Counts() == some == Counts() + some


def test_dense_macs_are_executed_gated_and_skipped():
    assert Counts(macs_executed=1, macs_gated=20, macs_skipped=300, macs_lost=7).macs_dense == 321


def test_total_cycles_are_the_sum_of_the_parts():
    cycles = Cycles(**{field.name: 10**index for index, field in enumerate(fields(Cycles))})
    assert cycles.total == sum(cycles.as_dict().values()) == sum(10**index for index in range(len(fields(Cycles))))


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
    with pytest.raises(FrozenInstanceError):
        Counts().macs_executed = 1
