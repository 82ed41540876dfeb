"""More of a resource never makes the dense layer slower where mappings are searched; elsewhere the reason is pinned."""

from itertools import pairwise

import numpy as np
import pytest

from tests.builders import random_layer
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS
from zapsim.arrays.engines import ENGINES
from zapsim.timing.combination import LayerTiming
from zapsim.timing.layer import time_layer
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

pytestmark = pytest.mark.kernels


def layer(**dims: int) -> LayerTrace:
    size = {"C": 32, "H": 14, "W": 14, "K": 64, "R": 3, "S": 3} | dims
    return random_layer(np.random.default_rng(1), ConvShape("drawn", **size, padding=(1, 1, 1, 1)))


def run(base: str, settings: list[str], traced: LayerTrace, policy: str = "dense") -> LayerTiming:
    arch = load_arch(base, settings)
    return time_layer(ENGINES[arch.array.dataflow], arch, traced, PRESETS[policy])


def never_slower(base: str, path: str, values: list[object], settings: list[str], traced: LayerTrace) -> list[int]:
    """Run the dense layer with more and more of a resource; return the cycles, which must not rise."""
    cycles = [run(base, [*settings, f"{path}={value}"], traced).cycles.total for value in values]
    assert all(more <= less for less, more in pairwise(cycles)), cycles
    return cycles


def test_clusters_whose_filters_do_not_fit_the_glb_stay_idle() -> None:
    traced = layer()
    small = ["buffers.glb.size=8 KiB", "array.filter_buffer=64 words", "dram.bandwidth=800 MB/s"]
    # Sixteen filters of 288 words do not fit 4,096: if all were at work, they would come for every group of outputs.
    never_slower("snapea", "array.clusters", [2, 4, 8, 16, 32], small, traced)


def test_weights_with_their_indices_take_twice_the_words() -> None:
    traced = layer()
    ends = np.full((1, 14, 14, 64), traced.shape.macs_per_output // 2, dtype=np.uint16)
    traced = LayerTrace(**{name: getattr(traced, name) for name in LayerTrace.model_fields} | {"early_exit_macs": ends})
    settings = ["buffers.glb.size=8 KiB", "array.filter_buffer=64 words", "array.clusters=8"]
    dense, exits = (run("snapea", settings, traced, policy).counts.dram_reads for policy in ("dense", "early-exit"))
    assert exits <= 2 * dense


def test_the_glb_holds_what_saves_dram_most() -> None:
    never_slower("snapea", "buffers.glb.size", ["4 KiB", "8 KiB", "16 KiB", "32 KiB", "64 KiB"], [], layer())


def test_what_comes_once_comes_at_the_start() -> None:
    """Filters that stay come with the first tile, which waits for them; streamed ones come along. It costs 0.2 %."""
    sizes = ["4 KiB", "8 KiB", "16 KiB", "32 KiB"]
    few_filters = "array.filter_buffer=64 words"
    cycles = [run("lanes_256", [f"buffers.glb.size={size}", few_filters], layer()).cycles.total for size in sizes]
    assert all(more <= 1.002 * less for less, more in pairwise(cycles)), cycles


@pytest.mark.parametrize("dataflow", ["weight-stationary", "input-stationary"])
def test_columns_whose_psums_do_not_fit_the_glb_stay_idle(dataflow: str) -> None:
    settings = [f"array.dataflow={dataflow}", "buffers.glb.size=8 KiB", "array.rows=8", "dram.bandwidth=800 MB/s"]
    never_slower("systolic_16x16", "array.cols", [4, 8, 16, 32, 64], settings, layer(H=20, W=20))


@pytest.mark.parametrize("ahead", [1, 2])
def test_rows_whose_folds_wait_for_their_words_stay_idle(ahead: int) -> None:
    small = layer(C=8, K=16, H=8, W=8)
    settings = ["array.dataflow=input-stationary", "buffers.glb.size=16 KiB", "array.cols=4", "dram.bandwidth=400 MB/s"]
    settings += ["array.partial_folds=shrunk", *(f"buffers.prefetch.{words}={ahead}" for words in ("ifmap", "filter"))]
    never_slower("systolic_16x16", "array.rows", [4, 8, 16, 32, 64], settings, small)


def test_without_blocks_columns_make_psums_spill() -> None:
    """``blocking: none`` is the plain order of folds, which SCALE-Sim counts: it really is slower with more columns."""
    settings = ["array.blocking=none", "buffers.glb.size=8 KiB", "array.rows=8", "dram.bandwidth=200 MB/s"]
    few, many = (run("systolic_16x16", [*settings, f"array.cols={cols}"], layer(H=20, W=20)) for cols in (4, 16))
    assert few.counts.dram_writes == layer(H=20, W=20).shape.outputs
    assert many.counts.dram_writes > few.counts.dram_writes
    assert many.cycles.total > few.cycles.total


@pytest.mark.parametrize("tensor", ["ifmap", "ofmap"])
def test_tiles_are_not_fetched_ahead_where_the_mapping_needs_their_words(tensor: str) -> None:
    traced = layer(C=16, K=16)
    never_slower("eyeriss", f"buffers.prefetch.{tensor}", [0, 1, 2], ["buffers.glb.size=4 KiB"], traced)


@pytest.mark.parametrize("base", ["eyeriss", "systolic_16x16", "lanes_256"])
def test_a_faster_channel_never_adds_cycles(base: str) -> None:
    never_slower(base, "dram.bandwidth", ["200 MB/s", "400 MB/s", "800 MB/s", "3200 MB/s"], [], layer(C=8, K=16))


@pytest.mark.parametrize("base", ["eyeriss_zap", "systolic_zap", "lanes_zap"])
def test_a_predictor_of_twice_the_lanes_takes_half_the_time(base: str) -> None:
    traced = layer(C=8, K=16)
    settings = ["predictor.unit=dedicated", "predictor.layers=all", "predictor.latency=0 cycles"]
    slow, fast = (run(base, [*settings, f"predictor.lanes={lanes}"], traced, "zap") for lanes in (3, 6))
    assert fast.predictor_busy_cycles == -(-slow.predictor_busy_cycles // 2)
    assert fast.cycles.total <= slow.cycles.total


@pytest.mark.parametrize("base", ["eyeriss", "systolic_16x16", "snapea"])
def test_cycles_depend_on_ratios_of_clock_and_channel_alone(base: str) -> None:
    traced = layer(C=8, K=16)
    at = ["clock=100 MHz", "dram.bandwidth=400 MB/s", "dram.latency=40 ns"]
    twice = ["clock=200 MHz", "dram.bandwidth=0.8 GB/s", "dram.latency=20 ns"]
    for policy in ("dense", "zap"):
        assert run(base, at, traced, policy) == run(base, twice, traced, policy)
