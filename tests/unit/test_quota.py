"""Ranks of outputs in their lane are those of counting one output against another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zapsim.kernels.quota import lane_ranks

pytestmark = [pytest.mark.kernels, pytest.mark.reference]


def test_ranks_by_hand() -> None:
    steps = np.array([[2, 0, 2, 1, 2]], dtype=np.int16)
    ranks = np.empty((1, 5), dtype=np.int32)
    lane_ranks(steps, (1, 1), 3, ranks)
    assert ranks.tolist() == [[0, 4, 1, 3, 2]]  # highest first, of equals the first
    lane_ranks(steps, (1, 2), 3, ranks)
    assert ranks.tolist() == [[0, 1, 1, 0, 2]]  # pixels 0, 2, 4 have a lane, and 1, 3


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 7), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.data())
def test_ranks_of_any_steps(filters: int, pixels: int, lanes: tuple[int, int], data: st.DataObject) -> None:
    bins = data.draw(st.integers(1, 4))
    steps = np.array(
        data.draw(st.lists(st.integers(0, bins - 1), min_size=filters * pixels, max_size=filters * pixels))
    )
    steps = steps.reshape(filters, pixels).astype(np.int16)
    ranks = np.full((filters, pixels), -1, dtype=np.int32)
    lane_ranks(steps, lanes, bins, ranks)
    places = [(k, i) for k in range(filters) for i in range(pixels)]
    for k, i in places:
        beside = [(m, j) for m, j in places if (m % lanes[0], j % lanes[1]) == (k % lanes[0], i % lanes[1])]
        earlier = [(m, j) for m, j in beside if (-steps[m, j], m, j) < (-steps[k, i], k, i)]
        assert ranks[k, i] == len(earlier)
