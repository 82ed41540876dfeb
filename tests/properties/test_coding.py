"""Coded sizes of feature maps against a coder that makes the pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.rlc_coder import decode, encode
from zapsim.arch.load import load_arch
from zapsim.kernels.rlc import zero_level_pairs
from zapsim.timing.dram import coded_words, expected_coded_words
from zapsim.tracefile.packed import PackedMap

pytestmark = pytest.mark.kernels

EYERISS = load_arch("eyeriss")
PLAIN = load_arch("eyeriss", ["dram.compression=none"])


@st.composite
def maps(draw: st.DrawFn) -> np.ndarray:
    """Draw bool (images, rows, columns, channels) with runs of all lengths."""
    size = (draw(st.integers(1, 2)), draw(st.integers(1, 9)), draw(st.integers(1, 16)), draw(st.integers(1, 20)))
    density = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    return np.random.default_rng(draw(st.integers(0, 9999))).random(size) < density


def streams(values: np.ndarray) -> list[list[int]]:
    images, _, _, channels = values.shape
    return [values[n, :, :, c].astype(int).ravel().tolist() for n in range(images) for c in range(channels)]


@pytest.mark.reference
@given(maps())
def test_pairs_are_those_of_the_coder(values: np.ndarray) -> None:
    coded = [encode(stream) for stream in streams(values)]
    assert [decode(pairs) for pairs in coded] == streams(values)
    packed = PackedMap.from_bool(values)
    assert packed.count() + zero_level_pairs(packed.words(), packed.channels) == sum(map(len, coded))


@given(maps())
def test_a_map_is_never_larger_than_plain(values: np.ndarray) -> None:
    packed = PackedMap.from_bool(values)
    assert coded_words(EYERISS, packed) <= values.size
    assert coded_words(PLAIN, packed) == values.size


def test_words_by_hand() -> None:
    """40 zeros and a one, twice: runs of 32 and of 8 zeros make 2 pairs each; 4 pairs take 2 blocks, 8 words."""
    values = np.zeros((1, 2, 41, 1), dtype=bool)
    values[0, :, 40, 0] = True
    assert coded_words(EYERISS, PackedMap.from_bool(values)) == 8


@pytest.mark.parametrize("zeros", [0.3, 0.6, 0.9, 0.97])
def test_the_expected_size_is_that_of_independent_zeros(zeros: float, rng: np.random.Generator) -> None:
    values = rng.random((1, 64, 64, 64)) >= zeros
    found = coded_words(EYERISS, PackedMap.from_bool(values))
    assert expected_coded_words(EYERISS, values.size, 1 - values.mean()) == pytest.approx(found, rel=0.01)


def test_extremes_of_the_expected_size() -> None:
    assert expected_coded_words(EYERISS, 3200, 1.0) == 34 * 4, "100 pairs, 34 blocks"
    assert expected_coded_words(EYERISS, 3200, 0.0) == 3200, "coding would take a third more"
    assert expected_coded_words(PLAIN, 3200, 1.0) == 3200
