"""Units of decision: masks as a slow walker makes them, evenness of quotas, and what is written of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.unit_walker import unit_mask
from zapsim.arch.load import load_arch
from zapsim.errors import FrontendError
from zapsim.frontend.baselines import NeighbourRule
from zapsim.frontend.pooling import UnitScorer, scorer_at
from zapsim.frontend.tuning.array_units import units_of
from zapsim.patterns import pattern_map
from zapsim.timing.predictor import predictor_counts
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.records import OperatingPoint, PredictorSetting
from zapsim.workload import ConvShape

pytestmark = pytest.mark.frontend


class Given:
    """A scorer with these scores."""

    def __init__(self, scores: torch.Tensor, pattern: str):
        self.scores, self.pattern = scores, pattern

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        return self.scores

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:]))

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        return (self.scores > threshold) | self.pattern_of(ofmap)


units = st.one_of(
    st.builds(DecisionUnit, filters=st.integers(1, 5), pixels=st.integers(1, 5)),
    st.builds(
        DecisionUnit, filters=st.integers(1, 4), pixels=st.integers(1, 4), quota=st.sampled_from(["layer", "block"])
    ),
)


@pytest.mark.kernels
@settings(max_examples=60)
@given(
    unit=units,
    groups=st.sampled_from([1, 1, 2, 3]),
    size=st.integers(1, 4),
    rows=st.integers(1, 5),
    cols=st.integers(1, 6),
    pattern=st.sampled_from(["1/2", "1/3", "3/4", "1/2r"]),
    threshold=st.integers(-64, 64).map(lambda step: step / 64),
    seed=st.integers(0, 10**6),
)
def test_masks_equal_those_of_the_walker(unit, groups, size, rows, cols, pattern, threshold, seed):
    random = np.random.default_rng(seed)
    channels = groups * size
    # Few different scores, so that many are equal and many lie on an edge.
    scores = (random.integers(-80, 80, (2, channels, rows, cols)) / random.choice([64, 100])).astype(np.float32)
    order = random.permutation(channels).tolist() if groups == 1 else list(range(channels))
    scorer = UnitScorer(Given(torch.from_numpy(scores), pattern), unit, groups, order)
    found = scorer.mask(torch.zeros(scores.shape), threshold).numpy()
    for image in range(2):
        expected = unit_mask(scores[image], pattern_map(pattern, rows, cols), unit, groups, order, threshold)
        assert (found[image] == expected).all()


def test_a_unit_of_one_output_with_a_positive_score_decides_as_the_output():
    scores = torch.arange(-64, 64).reshape(1, 2, 8, 8) / 64
    single, unit = Given(scores, "1/2"), DecisionUnit()
    for threshold in (-0.5, 0.0, 0.25):
        setting = PredictorSetting(pattern="1/2", threshold=threshold, unit=unit)
        assert (scorer_at(single, setting, 1).mask(scores, threshold) == single.mask(scores, threshold)).all()


@pytest.mark.kernels
def test_a_quota_leaves_all_lanes_with_as_many_outputs():
    ofmap = torch.from_numpy(np.random.default_rng(3).normal(size=(1, 8, 12, 12)).astype(np.float32)).relu()
    scorer = UnitScorer(NeighbourRule("1/2"), DecisionUnit(filters=4, pixels=6, quota="block"), 1)
    outside = (scorer.mask(ofmap, 0.5) & ~scorer.pattern_of(ofmap))[0][:, ~scorer.pattern_of(ofmap)]
    lanes = outside.reshape(2, 4, 12, 6).sum(dim=2)
    assert [len(block.unique()) for block in lanes] == [1, 1]
    assert 0 < lanes.sum() < outside.numel()


def test_settings_without_a_unit_are_written_as_before():
    setting = PredictorSetting(pattern="1/2", threshold=0.5)
    assert setting.model_dump_json() == '{"pattern":"1/2","threshold":0.5}'
    pooled = PredictorSetting(pattern="1/2", threshold=0.5, unit=DecisionUnit(filters=16))
    point = OperatingPoint(name="p", predictors={"a": pooled})
    assert point.model_dump(mode="json")["predictors"]["a"]["unit"] == {"filters": 16}
    assert OperatingPoint.model_validate_json(point.model_dump_json()) == point


@pytest.mark.parametrize(
    ("arch", "changes", "unit"),
    [
        ("systolic_16x16", {}, DecisionUnit(filters=16)),
        ("systolic_16x16", {"array.dataflow": "output-stationary", "array.cols": 8}, DecisionUnit(filters=8)),
        ("systolic_16x16", {"array.dataflow": "input-stationary"}, DecisionUnit(pixels=16)),
        ("systolic_16x16", {"array.channel_order": "by-density"}, None),
        ("lanes_256", {}, DecisionUnit(filters=16, pixels=16, quota="layer")),
        ("lanes_256", {"array.sync": "array"}, DecisionUnit(filters=16, pixels=16, quota="block")),
        ("lanes_256", {"array.dispatch": "queue"}, None),
        ("eyeriss", {}, None),
    ],
)
def test_the_unit_is_what_the_array_leaves_out_together(arch: str, changes: dict, unit: DecisionUnit | None):
    spec = load_arch(arch, changes)
    assert units_of(spec) == ((None,) if unit is None else (None, unit))
    assert units_of(spec, "output") == (None,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("filter", "unknown unit 'filter' (did you mean 'filters'?)"),
        ("pixels", "unit 'pixels' is nothing that systolic_16x16 (16×16 weight-stationary) leaves out together; "),
    ],
)
def test_units_that_do_not_suit_the_array_are_refused(name: str, message: str):
    with pytest.raises(FrontendError) as caught:
        units_of(load_arch("systolic_16x16"), name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_predictor_makes_one_comparison_and_one_bit_per_unit():
    shape = ConvShape("conv", C=8, H=12, W=12, K=20, R=3, S=3, padding=(1, 1, 1, 1))
    outside = 20 * 72
    single, tiles, quota = (
        predictor_counts(shape, outside, unit=unit)
        for unit in (None, DecisionUnit(filters=8), DecisionUnit(filters=4, pixels=4, quota="layer"))
    )
    assert (single.predictor_compares, single.mask_bits_written, single.mask_bits_read) == (outside,) * 3
    assert tiles.predictor_compares == outside + 3 * 72  # an addition for every output, a compare for every unit
    assert tiles.mask_bits_written == tiles.mask_bits_read == 3 * 72
    assert quota.mask_bits_written == 8 * outside
    assert DecisionUnit(pixels=10).decisions(shape.batch(2), 2 * outside) == 2 * 20 * 8
