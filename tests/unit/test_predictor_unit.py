"""What the predictor costs: its actions by hand, the paper's 1.2 %, and its three units in time."""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import OneCycleAnOutput, arch, conv, random_layer
from tests.published.networks import vgg16
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS
from zapsim.arrays.engine import StageResult
from zapsim.arrays.tiles import whole_stage
from zapsim.counts import Counts, Cycles
from zapsim.energy.area import area_by_component
from zapsim.errors import ConfigError
from zapsim.patterns import NO_PATTERN, pattern_map
from zapsim.simulation import layer_timing
from zapsim.timing.combination import combine_stages
from zapsim.timing.predictor import PredictorResult, predictor_counts, run_predictor
from zapsim.timing.residency import operand_loads
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.predictor_work import GIVEN_WORK, ZAP_WORK, Kernel, PredictorWork
from zapsim.tracefile.records import PredictorSetting
from zapsim.workload import ConvShape

ENGINE = OneCycleAnOutput()
SHAPE = ConvShape("square", N=2, C=1, H=60, W=60, K=3, R=1, S=1)
OUTPUTS = 2 * 60 * 60 * 3  # 60 is a multiple of every pattern's period


def pattern_of(shape, name):
    return PackedMap.of_pattern(pattern_map(name, shape.P, shape.Q), shape.N, shape.K)


def stage(cycles, outputs):
    return StageResult(Cycles(compute=cycles), Counts(), 1, whole_stage(cycles, outputs))


def run(unit, overlapped=0, pattern="1/2", shape=SHAPE, room=10**9):
    """Return what stage Z costs beside a stage A of so many cycles in one tile."""
    found = pattern_of(shape, pattern)
    return run_predictor(ENGINE, arch(predictor=unit), shape, found, stage(overlapped, found.count()).tiles, room)


def exposed(unit, overlapped):
    """Return the cycles in which stage B (7 cycles) waits for the predictor."""
    stages = [stage(overlapped, 60), stage(7, 60)]
    predictor, spec = run(unit, overlapped, shape=TINY), arch(predictor=unit)
    loads, _ = operand_loads(spec, [stage.tiles for stage in stages])
    return combine_stages(spec, TINY, stages, loads, predictor, 0, TINY.macs).cycles.predictor


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("1/4", OUTPUTS // 4),
        ("1/3", OUTPUTS // 3),
        ("2/5", OUTPUTS * 2 // 5),
        ("1/2", OUTPUTS // 2),
        ("3/5", OUTPUTS * 3 // 5),
        ("2/3", OUTPUTS * 2 // 3),
        ("3/4", OUTPUTS * 3 // 4),
    ],
)
def test_counts_by_hand(pattern, first):
    assert pattern_of(SHAPE, pattern).count() == first
    outside = OUTPUTS - first
    assert predictor_counts(SHAPE, first) == Counts(
        predictor_macs=9 * OUTPUTS,
        predictor_compares=outside,
        predictor_weight_reads=20 * 3 * 2,  # 20 a channel, for each of two images
        glb_reads=first,
        mask_bits_written=outside,
        mask_bits_read=outside,
    )


@pytest.mark.parametrize("pattern", ["1/4", "1/3", "2/5", "1/2", "3/5", "2/3", "3/4"])
def test_taps_that_see_the_pattern_are_9_per_output(pattern):
    """Walk all taps: of the first kernel those on the pattern, of the second those of outputs outside of it."""
    inside = np.tile(pattern_map(pattern, 60, 60), (3, 3))  # the middle sees no border
    taps = 0
    for y in range(60, 120):
        for x in range(60, 120):
            taps += int(inside[y - 1 : y + 2, x - 1 : x + 2].sum())
            taps += 0 if inside[y, x] else 9
    assert taps == 9 * 60 * 60


def test_share_of_vgg16():
    """Shomron et al. (ECCV 2020): about 1.2 % of VGG-16's MACs, with all taps of both kernels at every position."""
    network = vgg16(1)
    predicted = network.layers[1:]
    assert len(predicted) == 12
    dense = sum(layer.macs for layer in network.layers)
    all_taps = sum(2 * 9 * layer.outputs for layer in predicted)
    ours = sum(predictor_counts(layer, pattern_of(layer, "1/2").count()).predictor_macs for layer in predicted)
    assert all_taps / dense == pytest.approx(0.0121, abs=0.00005)
    assert ours == all_taps // 2


def test_narrow_weights_share_words():
    int16, int8 = (run(dedicated(9, 8) | {"arithmetic": arithmetic}, shape=TINY) for arithmetic in ("int16", "int8"))
    assert (int16.prediction.weight_words, int8.prediction.weight_words) == (80, 40)
    assert int16.counts.predictor_weight_reads == 2 * int8.counts.predictor_weight_reads
    assert int16.counts.predictor_macs == int8.counts.predictor_macs


def test_narrow_arithmetic_takes_less_energy_and_area():
    specs = [load_arch("eyeriss", [f"predictor.arithmetic={name}"]) for name in ("int16", "int8", "power-of-two")]
    prices = [spec.prices["predictor_macs"] for spec in specs]
    areas = [area_by_component(spec)["predictor"] for spec in specs]
    assert prices == sorted(prices, reverse=True)
    assert areas == sorted(areas, reverse=True)
    assert prices[0] == specs[0].energy.actions["predictor_macs"]


def test_narrow_arithmetic_needs_a_unit_of_its_own():
    with pytest.raises(ConfigError, match=r"predictor\.arithmetic: 'int8' needs unit: dedicated"):
        load_arch("eyeriss", ["predictor.unit=array", "predictor.arithmetic=int8"])


# --- time -----------------------------------------------------------------------------------------------------------

TINY = conv(K=4)  # 6×5 outputs a filter: 120 in all, 60 of them in the pattern; 9 · 120 = 1080 predictor MACs


def dedicated(lanes, latency):
    return {"unit": "dedicated", "lanes": lanes, "latency": f"{latency} cycles"}


@pytest.mark.parametrize(
    ("lanes", "latency", "overlapped", "busy", "waits"),
    [
        (9, 8, 1000, 128, 8),  # hidden behind stage A, but for the last mask bit
        (9, 8, 128, 128, 8),
        (9, 8, 121, 128, 8),
        (9, 8, 120, 128, 8),
        (9, 8, 119, 128, 9),  # one cycle too slow
        (9, 8, 0, 128, 128),
        (1, 0, 60, 1080, 1020),  # few lanes: the predictor is the bottleneck
        (1080, 0, 60, 1, 0),
        (1079, 0, 0, 2, 2),  # a started cycle counts
        (7, 0, 0, 155, 155),
    ],
)
def test_dedicated_unit(lanes, latency, overlapped, busy, waits):
    found = run(dedicated(lanes, latency), overlapped, shape=TINY)
    assert found.busy_cycles == busy
    assert exposed(dedicated(lanes, latency), overlapped) == waits
    assert found.counts == predictor_counts(TINY, 60, read_once=False)  # the array counts what it reads in its passes
    assert found.prediction.dram_reads == 80  # 20 weights per channel


def test_more_lanes_never_take_longer():
    busy = [run(dedicated(lanes, 3), shape=TINY).busy_cycles for lanes in range(1, 200)]
    assert busy == sorted(busy, reverse=True)
    assert busy[-1] > 3


def test_ideal_unit_is_free():
    assert run({"unit": "ideal"}, shape=TINY) == PredictorResult()


def test_unit_on_the_array_runs_two_depthwise_layers():
    # The array takes one cycle an output: 120 for the first kernel, 60 outside the pattern for the second.
    found = run({"unit": "array"}, overlapped=1000, shape=TINY)
    assert found.busy_cycles == found.prediction.array_cycles == exposed({"unit": "array"}, 1000) == 180
    counts = found.counts
    assert counts.predictor_macs == 1080
    assert counts.glb_reads == 9 * 180  # what the array says; the pattern is not read a second time
    # The multiplications are the predictor's, not the layer's; its weights are all that comes from DRAM.
    assert counts.macs_executed == counts.macs_gated == counts.macs_lost == 0
    assert (found.prediction.dram_reads, found.prediction.spilled_words) == (80, 0)


@pytest.mark.parametrize(("room", "spilled"), [(4, 0), (3, 4)])
def test_mask_bits_that_do_not_fit_go_to_dram_and_come_back(room, spilled):
    found = run(dedicated(9, 8), shape=TINY, room=room)  # 60 bits in 4 words
    assert found.prediction.spilled_words == spilled
    assert found.prediction.dram_reads == 80 + spilled


@pytest.mark.parametrize(("room", "reread"), [(64, 0), (63, 60), (3, 60)])
def test_a_unit_on_the_array_needs_the_pattern_s_outputs_again(room, reread):
    found = run({"unit": "array"}, shape=TINY, room=room)  # 60 words beside 4 of mask bits
    assert found.prediction.reread_words == reread


@pytest.mark.parametrize(("weights", "reads"), [(None, 80), (80, 80), (79, 240)])
def test_weights_that_the_unit_cannot_keep_come_again(weights, reads):
    unit = dedicated(9, 8) | ({} if weights is None else {"weights": f"{weights} words"})
    first = replace(stage(60, 60).tiles, visits=3)
    found = run_predictor(ENGINE, arch(predictor=unit), TINY, pattern_of(TINY, "1/2"), first, 10**9)
    assert found.prediction.weight_words == found.prediction.dram_reads == reads


# --- other methods --------------------------------------------------------------------------------------------------


def test_lanes_come_to_each_filter_once(rng) -> None:
    """Output lanes finish a filter before they go on, so that the smallest memory for the unit's weights will do."""
    layer = random_layer(rng, conv(K=9, N=2))
    units = [dedicated(9, 8) | {"layers": "all"} | weights for weights in ({}, {"weights": "1 words"})]
    large, small = (layer_timing(arch("output-lanes", predictor=unit), layer, PRESETS["zap"]) for unit in units)
    assert small.counts.dram_reads == large.counts.dram_reads
    large, small = (layer_timing(arch("input-stationary", predictor=unit), layer, PRESETS["zap"]) for unit in units)
    assert small.counts.dram_reads > large.counts.dram_reads  # it comes to each filter with every tile of pixels


SUMS = PredictorWork(kernels=(Kernel(side=3, outputs="outside", weights=False),), sums_pattern=True)
ONE_KERNEL = PredictorWork(kernels=(Kernel(side=3, outputs="outside"),))


def run_work(unit, work):
    found = pattern_of(TINY, "1/2")
    return run_predictor(ENGINE, arch(predictor=unit), TINY, found, stage(0, found.count()).tiles, 10**9, work=work)


@pytest.mark.parametrize(
    ("work", "macs", "compares", "weights"),
    [
        (ZAP_WORK, 1080, 60, 80),
        (ONE_KERNEL, 9 * 60, 60, 40),
        (SUMS, 0, 60 + 8 * 60 + 60, 0),  # a compare, 8 additions, and an addition per output of the pattern
    ],
)
def test_each_method_is_charged_its_work(work, macs, compares, weights):
    counts = predictor_counts(TINY, 60, work=work)
    assert (counts.predictor_macs, counts.predictor_compares, counts.predictor_weight_reads) == (
        macs,
        compares,
        weights,
    )
    assert counts.mask_bits_written == counts.mask_bits_read == 60
    assert counts.glb_reads == 60
    found = run_work(dedicated(9, 8), work)
    assert found.prediction.weight_words == weights
    assert found.busy_cycles == 8 + -(-(macs + max(compares - 60, 0)) // 9)


@pytest.mark.parametrize(("work", "cycles"), [(ZAP_WORK, 180), (ONE_KERNEL, 60), (SUMS, 60)])
def test_on_the_array_each_kernel_is_a_depthwise_layer(work, cycles):
    assert run_work({"unit": "array"}, work).busy_cycles == cycles


def test_outputs_that_are_decided_on_together_share_a_bit():
    """60 outputs outside the pattern, 4 filters of a pixel at a time; for a quota, each has a score of 8 bits."""
    filters = DecisionUnit(filters=4)
    assert filters.decisions(TINY, 60) == 15
    for unit, decisions, bits in ((None, 60, 1), (filters, 15, 1), (DecisionUnit(filters=4, quota="layer"), 60, 8)):
        counts = predictor_counts(TINY, 60, work=ONE_KERNEL, unit=unit)
        assert counts.mask_bits_written == counts.mask_bits_read == decisions * bits
        assert counts.predictor_compares == decisions + (60 if unit else 0)


def test_masks_from_elsewhere_are_only_brought():
    found = pattern_of(TINY, NO_PATTERN)
    assert found.count() == 0
    for unit in (dedicated(9, 8), {"unit": "array"}):
        result = run_predictor(ENGINE, arch(predictor=unit), TINY, found, stage(0, 0).tiles, 10**9, work=GIVEN_WORK)
        assert (result.counts.predictor_macs, result.counts.predictor_compares, result.busy_cycles) == (0, 0, 0)
        assert result.counts.mask_bits_written == 120
        assert result.prediction.dram_reads == 8  # 120 bits in words of 16
    assert (
        run_predictor(ENGINE, arch(predictor={"unit": "ideal"}), TINY, found, stage(0, 0).tiles, 0, work=GIVEN_WORK)
        == PredictorResult()
    )


def test_a_setting_of_zap_has_the_bytes_that_it_always_had():
    old = '{"pattern":"1/2","threshold":0.25}'
    assert PredictorSetting.model_validate_json(old).model_dump_json() == old
    other = PredictorSetting(pattern="1/2", threshold=0.25, method="logistic", work=ONE_KERNEL)
    assert PredictorSetting.model_validate_json(other.model_dump_json()) == other
    assert other.text == "logistic, pattern 1/2, threshold 0.25"
    with pytest.raises(ValueError, match="pattern 'none' goes with method 'given', got none, zap"):
        PredictorSetting(pattern="none", threshold=0.0)
