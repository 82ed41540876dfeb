"""Gemmini's RTL: the array alone, with overlapped fills, is a bound that no layer's RTL beats.

Source: FireSim runs of DOSA (Hong et al., MICRO 2023), validation/gemmini_rtl.csv. Tolerance: none.
"""

import pytest

from zapsim.validation import validate

pytestmark = pytest.mark.published


def test_the_array_alone_is_never_slower_than_the_rtl() -> None:
    cycles, _ = validate("gemmini_rtl").metrics
    assert len(cycles.figures) == 36
    assert all(figure.ours <= figure.published for figure in cycles.figures)
    assert abs(cycles.of_sum) < 0.2
