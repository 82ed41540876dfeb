"""Whole numbers shared out: against fractions, part by part."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zapsim.arrays.tiles import even_shares, shared_out

pytestmark = pytest.mark.kernels


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 9)), max_size=6))
def test_even_shares_are_floors_of_the_way(cases: list[tuple[int, int]]) -> None:
    totals, parts = np.array(cases, dtype=np.int64).reshape(-1, 2).T
    wanted = [
        floor(Fraction((part + 1) * total, count)) - floor(Fraction(part * total, count))
        for total, count in cases
        for part in range(count)
    ]
    assert even_shares(totals, parts).tolist() == wanted


@given(st.integers(0, 2**40), st.lists(st.integers(0, 2**20), max_size=8))
def test_shares_by_weight_sum_to_the_total(total: int, weights: list[int]) -> None:
    shares = shared_out(total, np.array(weights, dtype=np.int64))
    assert shares.sum() == (total if sum(weights) else 0)
    for share, weight in zip(shares.tolist(), weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights) or 1)) < 1


def test_nothing_is_shared_out_of_nothing() -> None:
    assert shared_out(0, np.array([3, 0, 2])).tolist() == [0, 0, 0]
    assert shared_out(5, np.array([], dtype=np.int64)).tolist() == []
    assert even_shares(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
