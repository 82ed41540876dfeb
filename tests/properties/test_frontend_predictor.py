"""What must hold for every predictor, map and threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.patterns import PATTERNS, pattern_map

pytestmark = pytest.mark.frontend

PATTERN = st.sampled_from(PATTERNS)
SIZE = st.integers(4, 11)
SEED = st.integers(0, 2**16)


def predictor_and_map(pattern: str, rows: int, cols: int, seed: int) -> tuple[ZapPredictor, torch.Tensor]:
    torch.manual_seed(seed)
    predictor = ZapPredictor(3, pattern).eval()
    return predictor, torch.relu(torch.randn(2, 3, rows, cols))


@given(pattern=PATTERN, rows=SIZE, cols=SIZE, seed=SEED)
@settings(max_examples=30)
def test_it_sees_nothing_outside_the_pattern(pattern: str, rows: int, cols: int, seed: int):
    predictor, ofmap = predictor_and_map(pattern, rows, cols, seed)
    other = torch.where(predictor.pattern_of(ofmap), ofmap, torch.rand_like(ofmap))
    with torch.no_grad():
        assert torch.equal(predictor(ofmap), predictor(other))


@given(pattern=PATTERN, rows=SIZE, cols=SIZE, seed=SEED, low=st.floats(-1, 1), step=st.floats(0, 1))
@settings(max_examples=30)
def test_masks_hold_the_pattern_and_shrink_as_the_threshold_rises(
    pattern: str, rows: int, cols: int, seed: int, low: float, step: float
):
    predictor, ofmap = predictor_and_map(pattern, rows, cols, seed)
    with torch.no_grad():
        more, fewer = (predictor.mask(ofmap, threshold).numpy() for threshold in (low, low + step))
    assert np.all(more[..., pattern_map(pattern, rows, cols)])
    assert np.all(fewer[..., pattern_map(pattern, rows, cols)])
    assert not np.any(fewer & ~more)


@given(pattern=PATTERN, seed=SEED, channel=st.integers(0, 2))
@settings(max_examples=20)
def test_channels_do_not_mix(pattern: str, seed: int, channel: int):
    predictor, ofmap = predictor_and_map(pattern, 8, 8, seed)
    other = ofmap.clone()
    other[:, channel] += 1.0
    rest = [index for index in range(3) if index != channel]
    with torch.no_grad():
        assert torch.equal(predictor(ofmap)[:, rest], predictor(other)[:, rest])
