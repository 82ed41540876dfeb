"""Summaries of packed maps, against walkers over unpacked ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import bits_walker
from tests.reference.systolic_cases import shapes
from zapsim.arrays.gating import outputs_per_pixel, window_nonzero
from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap

pytestmark = [pytest.mark.kernels, pytest.mark.reference]


@st.composite
def maps(draw: st.DrawFn, groups: int = 1) -> np.ndarray:
    images, rows, cols = (draw(st.integers(1, 4)) for _ in range(3))
    channels = groups * draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random((images, rows, cols, channels)) < draw(st.sampled_from([0.0, 0.3, 0.8, 1.0]))


@given(maps())
def test_row_counts(values: np.ndarray) -> None:
    images, rows, _, channels = values.shape
    out = np.full((images, rows, channels), -1, dtype=np.int32)
    bits.row_counts(PackedMap.from_bool(values).words(), out)
    assert (out == bits_walker.row_counts(values)).all()


@pytest.mark.parametrize("cols", [6, 7, 8, 13, 21, 251, 252, 253, 260])
def test_row_counts_of_rows_that_are_no_multiple_of_what_is_counted_together(cols: int) -> None:
    for channels in (1, 9, 64, 65, 130):
        values = np.random.default_rng(cols).random((1, 2, cols, channels)) < 0.7
        out = np.full((1, 2, channels), -1, dtype=np.int32)
        bits.row_counts(PackedMap.from_bool(values).words(), out)
        assert (out == values.sum(axis=2)).all()


@given(st.data(), st.integers(1, 9))
def test_group_counts(data: st.DataObject, groups: int) -> None:
    values = data.draw(maps(groups))
    assert (outputs_per_pixel(PackedMap.from_bool(values), groups) == bits_walker.group_counts(values, groups)).all()


@given(st.data())
def test_window_sums(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    values = data.draw(st.integers(0, 99).map(np.random.default_rng)).random((shape.N, shape.H, shape.W, shape.C)) < 0.6
    expected = bits_walker.window_sums(
        bits_walker.group_counts(values, shape.groups), shape.R, shape.S, shape.stride,
        (shape.padding[0], shape.padding[2]), shape.dilation, shape.P, shape.Q,
    )  # fmt: skip
    assert (window_nonzero(shape, PackedMap.from_bool(values)) == expected).all()


def test_sums_do_not_wrap() -> None:
    # 40 000 set bits in a row: more than 8 or 16 bits hold.
    out = np.zeros((1, 1, 9), dtype=np.int32)
    bits.row_counts(PackedMap.full(1, 1, 40_000, 9).words(), out)
    assert (out == 40_000).all()
    assert outputs_per_pixel(PackedMap.full(1, 1, 1, 70_000), 1).item() == 70_000
