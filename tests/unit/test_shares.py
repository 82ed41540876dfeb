"""Whole numbers shared out: against fractions, part by part."""

from fractions import Fraction
from itertools import accumulate, pairwise
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


@given(st.integers(0, 2**45), st.lists(st.integers(0, 2**30) | st.sampled_from([0, 1, 3, 2**29]), max_size=8))
def test_the_first_weights_get_their_share_rounded_up(total: int, weights: list[int]) -> None:
    """Neighbours of equal weight, and products of more than 64 bits, too."""
    ends = [-(-total * part // (sum(weights) or 1)) for part in accumulate(weights, initial=0)]
    wanted = [end - before for before, end in pairwise(ends)]
    assert shared_out(total, np.array(weights, dtype=np.int64)).tolist() == wanted


def test_nothing_is_shared_out_of_nothing() -> None:
    assert shared_out(0, np.array([3, 0, 2])).tolist() == [0, 0, 0]
    assert shared_out(5, np.array([], dtype=np.int64)).tolist() == []
    assert even_shares(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
