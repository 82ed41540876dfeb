"""Prediction must not win by what it does not do: masks of which a systolic array can leave out no MAC."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import random_layer, with_mask
from tests.reference.systolic_cases import DATAFLOWS
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engines import ENGINES
from zapsim.energy.model import energy_by_component
from zapsim.simulation import fair_baseline
from zapsim.timing.combination import LayerTiming
from zapsim.timing.layer import time_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

pytestmark = pytest.mark.reference


TENSORS = ("ifmap", "filter", "ofmap")
ANY_ARRAY = ("eyeriss", "eyeriss_zap", "lanes_256", "lanes_zap", "snapea", "systolic_zap", "tpu_128x128")


def energy_pj(arch: ArchSpec, timing: LayerTiming) -> float:
    return sum(energy_by_component(arch, timing.counts, timing.cycles.total).values())


def actions_pj(arch: ArchSpec, timing: LayerTiming) -> float:
    parts = energy_by_component(arch, timing.counts, timing.cycles.total)
    return sum(pj for part, pj in parts.items() if part not in {"clock", "control"})


def dense_and_predicted(arch: ArchSpec, layer: LayerTrace) -> tuple[LayerTiming, LayerTiming]:
    engine = ENGINES[arch.array.dataflow]
    return time_layer(engine, arch, layer, PRESETS["dense"]), time_layer(engine, arch, layer, PRESETS["zap"])


@st.composite
def layers(draw: st.DrawFn) -> LayerTrace:
    """Draw a predicted layer whose mask leaves out at most two outputs."""
    taps = draw(st.sampled_from([1, 2, 3]))
    size, stride = draw(st.integers(3, 24)), draw(st.sampled_from([1, 1, 2]))
    shape = ConvShape(
        "drawn", N=draw(st.integers(1, 2)), C=draw(st.sampled_from([1, 3, 8, 20])), H=size, W=size,
        K=draw(st.integers(2, 24)), R=taps, S=taps, stride=(stride, stride), padding=(taps // 2,) * 4,
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    layer = random_layer(rng, shape, pattern=draw(st.sampled_from(["1/2", "1/3", "2/3"])))
    mask = np.ones((shape.N, shape.P, shape.Q, shape.K), dtype=np.bool_)
    outside = np.argwhere(~layer.pattern_positions())
    assume(len(outside))
    for y, x in outside[rng.integers(0, len(outside), draw(st.integers(1, 2)))]:
        mask[0, y, x, rng.integers(shape.K)] = False
    return with_mask(layer, PackedMap.from_bool(mask))


@given(st.data())
def test_a_mask_of_which_nothing_can_be_left_out_never_beats_the_dense_layer(data: st.DataObject) -> None:
    layer = data.draw(layers())
    rows, cols = data.draw(st.integers(2, 16)), data.draw(st.integers(2, 16))
    overlap = data.draw(st.sampled_from([0, 1]))
    arch = load_arch(
        "systolic_16x16",
        [
            f"array.dataflow={data.draw(st.sampled_from(DATAFLOWS))}",
            f"array.rows={rows}",
            f"array.cols={cols}",
            f"buffers.glb.size={2 * rows * cols + 2 * data.draw(st.integers(0, 3000))} B",
            f"dram.preset={data.draw(st.sampled_from(['lpddr4-3200', 'eyeriss-link']))}",
            *(f"buffers.prefetch.{tensor}={overlap}" for tensor in ("ifmap", "filter", "ofmap")),
            "predictor.unit=ideal",
        ],
    )
    dense, predicted = dense_and_predicted(arch, layer)
    assume(predicted.counts.macs_skipped == 0)
    assert predicted.counts.dram_reads >= dense.counts.dram_reads
    assert predicted.counts.dram_writes >= dense.counts.dram_writes
    assert predicted.cycles.compute + predicted.cycles.ramp >= dense.cycles.compute + dense.cycles.ramp
    # Two stages may overlap DRAM better than one; the layer is compared with the better schedule.
    before = fair_baseline(arch, layer, (PRESETS["dense"], PRESETS["zap"]), (dense, predicted))
    assert predicted.cycles.total >= before.cycles.total
    if arch.array.dataflow != "output-stationary":
        assert energy_pj(arch, predicted) >= energy_pj(arch, before) * (1 - 1e-12)  # rounding
    if arch.array.dataflow == "output-stationary":
        # The results of two half-filled folds leave through fewer PEs than those of a full one: all but these hops.
        for action in (
            "macs_executed",
            "ifmap_bus_words",
            "filter_bus_words",
            "psum_bus_words",
            "glb_reads",
            "glb_writes",
        ):
            assert getattr(predicted.counts, action) >= getattr(dense.counts, action), action
    else:
        assert actions_pj(arch, predicted) >= actions_pj(arch, dense) * (1 - 1e-12)  # rounding


@pytest.mark.parametrize("glb", ["64 KiB", "128 KiB", "256 KiB"])
@pytest.mark.parametrize("dataflow", ["weight-stationary", "input-stationary"])
def test_psums_that_fit_in_halves_do_not_make_prediction_pay(dataflow: str, glb: str) -> None:
    """The dense layer of 64×64 pixels and 16 filters has psums of 128 KiB: half of them fit, and so must they all."""
    shape = ConvShape("review", C=16, H=64, W=64, K=16, R=3, S=3, padding=(1, 1, 1, 1))
    layer = random_layer(np.random.default_rng(1), shape)
    mask = np.ones((1, 64, 64, 16), dtype=np.bool_)
    mask[0, 1, 0, 3] = False
    arch = load_arch("systolic_16x16", [f"buffers.glb.size={glb}", f"array.dataflow={dataflow}"])
    dense, predicted = dense_and_predicted(arch, with_mask(layer, PackedMap.from_bool(mask)))
    assert predicted.counts.macs_skipped == 0
    assert dense.counts.dram_writes == shape.outputs  # no psum goes to DRAM
    assert energy_pj(arch, predicted) >= energy_pj(arch, dense)
    assert predicted.cycles.total >= dense.cycles.total


@settings(max_examples=30)
@given(st.data())
def test_one_skipped_output_wins_no_more_than_its_own_work_on_any_array(data: st.DataObject) -> None:
    """Arrays that skip single outputs may save the cycles of one of them, and nothing by splitting the layer."""
    layer = data.draw(layers())
    prefetch = [f"buffers.prefetch.{tensor}={data.draw(st.sampled_from([0, 1, 2]))}" for tensor in TENSORS]
    link = f"dram.preset={data.draw(st.sampled_from(['lpddr4-3200', 'eyeriss-link']))}"
    arch = load_arch(data.draw(st.sampled_from(ANY_ARRAY)), ["predictor.unit=ideal", link, *prefetch])
    dense, predicted = dense_and_predicted(arch, layer)
    before = fair_baseline(arch, layer, (PRESETS["dense"], PRESETS["zap"]), (dense, predicted))
    assume(100 * predicted.counts.macs_skipped < layer.shape.macs)
    skipped_cycles = predicted.counts.macs_skipped  # at most one MAC per cycle, if nothing else works meanwhile
    assert predicted.cycles.total >= before.cycles.total - skipped_cycles
