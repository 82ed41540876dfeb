"""Patterns: shares, complements, tiling."""

from fractions import Fraction

import numpy as np
import pytest

from zapsim.errors import ZapsimError
from zapsim.patterns import PATTERNS, pattern_map, pattern_tile


def share_in_name(pattern: str) -> Fraction:
    return Fraction(pattern.rstrip("rc"))


def test_sparsest_first():
    shares = [share_in_name(pattern) for pattern in PATTERNS]
    assert shares == sorted(shares)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_tile_computes_the_share_in_its_name(pattern):
    tile = pattern_tile(pattern)
    assert tile.shape[0] == tile.shape[1]
    assert Fraction(int(tile.sum()), tile.size) == share_in_name(pattern)


@pytest.mark.parametrize(("sparse", "dense"), [("1/4", "3/4"), ("1/3", "2/3"), ("2/5", "3/5")])
def test_complements(sparse, dense):
    assert (pattern_tile(sparse) != pattern_tile(dense)).all()


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        ("2/3", {(0, 2), (1, 1), (2, 0)}),
        ("3/5", {(0, 2), (0, 4), (1, 1), (1, 3), (2, 0), (2, 2), (3, 1), (3, 4), (4, 0), (4, 3)}),
        ("3/4", {(1, 1)}),
    ],
)
def test_positions_that_are_left_out(pattern, left_out):
    # Shomron et al., ECCV 2020, and for 3/4 the same construction.
    assert {(int(row), int(col)) for row, col in np.argwhere(~pattern_tile(pattern))} == left_out


def test_one_half_is_a_checkerboard():
    rows, cols = np.indices((5, 7))
    assert (pattern_map("1/2", 5, 7) == ((rows + cols) % 2 == 0)).all()


@pytest.mark.parametrize(("pattern", "period"), [("1/2r", 2), ("1/3r", 3)])
def test_rows_are_computed_whole_from_the_first_on(pattern, period):
    rows, _ = np.indices((7, 5))
    assert (pattern_map(pattern, 7, 5) == (rows % period == 0)).all()


@pytest.mark.parametrize(("rows", "columns"), [("1/2r", "1/2c"), ("1/3r", "1/3c")])
def test_columns_are_rows_turned_over(rows, columns):
    assert (pattern_tile(columns) == pattern_tile(rows).T).all()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (14, 14)])
def test_maps_repeat_the_tile_from_the_origin(pattern, size):
    tile, drawn = pattern_tile(pattern), pattern_map(pattern, *size)
    side = len(tile)
    assert drawn.shape == size
    assert all(drawn[row, col] == tile[row % side, col % side] for row, col in np.ndindex(size))


def test_unknown_pattern():
    with pytest.raises(ZapsimError) as caught:
        pattern_map("2/4", 3, 3)
    message = str(caught.value)
    assert message.startswith("unknown pattern '2/4' (did you mean '")
    assert message.endswith("?); known: 1/4, 1/3, 1/3r, 1/3c, 2/5, 1/2, 1/2r, 1/2c, 3/5, 2/3, 3/4")
