"""Output lanes worked by hand, and pairs that make no sense."""

from pathlib import Path

import numpy as np
import pytest

from tests.builders import counts_with_dram
from tests.reference.lanes_cases import lanes_arch
from zapsim.arch.arrays import OutputLanesArray
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS, Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.engines import ENGINES
from zapsim.arrays.lanes.ifmap_buffer import streamed_words
from zapsim.arrays.lanes.mapping import Extent, lane_macs, map_lanes
from zapsim.arrays.lanes.timing import LanesEngine
from zapsim.arrays.lanes.work import lane_work
from zapsim.counts import Cycles
from zapsim.errors import ConfigError, MappingError, PolicyError
from zapsim.exploration.load import load_space
from zapsim.patterns import pattern_map
from zapsim.simulation import run_layer, simulate
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

pytestmark = pytest.mark.kernels

ROOT = Path(__file__).parents[2]

# Two filters of 4 MACs on a map of 1 × 4 pixels.
SHAPE = ConvShape("layer", C=4, H=1, W=4, K=2, R=1, S=1)
KEPT = PackedMap.from_bool(np.array([[[[1, 1], [1, 0], [0, 0], [1, 1]]]], dtype=bool))


def array(**changed):
    values = {"clusters": 1, "pes": 1, "lanes": 2, "filter_buffer": "4 words"}
    values |= {"buses": {"ifmap": 4, "filter": 2, "psum": 1}}
    return OutputLanesArray(dataflow="output-lanes", **(values | changed))


def work(demand, shape=SHAPE, **changed):
    return lane_work(shape, map_lanes(shape, lanes_arch(array(**changed))), demand)


@pytest.mark.parametrize(
    ("changed", "dense", "masked"),
    [
        # Filter 0: lane 0 has pixels 0 and 2 (one kept), lane 1 has 1 and 3 (two kept); filter 1: one each.
        ({"sync": "lane"}, 16, 12),
        ({"sync": "pe"}, 16, 12),
        ({"sync": "lane", "dispatch": "queue"}, 16, 12),  # 5 outputs on 2 lanes
        ({"sync": "lane", "macs_per_lane": 3}, 8, 6),  # 4 MACs take 2 cycles
        ({"sync": "lane", "spread": {"lanes": "filters"}}, 16, 12),  # a filter a lane: 3 and 2 kept
        ({"sync": "pe", "lanes": 4}, 8, 8),  # four pixels at a time, filter after filter
        ({"sync": "lane", "lanes": 4}, 8, 8),
        ({"sync": "lane", "lanes": 8, "dispatch": "queue"}, 8, 8),  # a PE has a filter: 4 pixels of each
        ({"lanes": 8, "dispatch": "block-queue"}, 8, 8),  # a block has a filter, too
        # Two PEs of a filter each; with one queue for both filters, 8 and 5 outputs on 2 lanes.
        ({"pes": 2, "lanes": 1, "spread": {"pes": "filters"}, "dispatch": "queue"}, 16, 12),
        ({"pes": 2, "lanes": 1, "spread": {"pes": "filters"}, "dispatch": "block-queue"}, 16, 12),
        ({"pes": 2, "lanes": 2, "spread": {"pes": "filters"}, "dispatch": "block-queue"}, 8, 8),
        # Without a bound, steps of pixels 0 0, 1 3, 3. Two windows in a buffer: pixel 3 waits for 1, so 0 0, 1, 3 3.
        (
            {"pes": 2, "lanes": 1, "spread": {"pes": "filters"}, "dispatch": "block-queue", "ifmap_buffer": "8 words"},
            16,
            12,
        ),
        # One window: the same, also if dealt statically.
        (
            {"pes": 2, "lanes": 1, "spread": {"pes": "filters"}, "dispatch": "block-queue", "ifmap_buffer": "4 words"},
            16,
            12,
        ),
        ({"pes": 2, "lanes": 1, "spread": {"pes": "filters"}, "ifmap_buffer": "4 words"}, 16, 12),
    ],
)
def test_even_outputs_by_hand(changed, dense, masked):
    assert work(Demand(), **changed).cycles == dense
    assert work(Demand(KEPT), **changed).cycles == masked


def test_a_small_ifmap_buffer_holds_the_fastest_lane_back():
    """Filter 0 has pixels 0 and 1, filter 1 has 2 and 3: nobody can help, unless the buffers hold all four windows."""
    kept = PackedMap.from_bool(np.array([[[[1, 0], [1, 0], [0, 1], [0, 1]]]], dtype=bool))
    two_filters = {"pes": 2, "lanes": 1, "spread": {"pes": "filters"}}
    cycles = {
        words: work(Demand(kept), ifmap_buffer=f"{words} words", **two_filters).cycles for words in (4, 8, 12, 16)
    }
    # 4 words are a window; with 12, pixel 3 comes alone.
    assert cycles == {4: 16, 8: 16, 12: 12, 16: 8}
    assert work(Demand(kept), **two_filters).cycles == 8


@pytest.mark.parametrize("dispatch", ["static", "queue", "block-queue"])
@pytest.mark.parametrize("name", ["1/2r", "1/2c", "1/2"])
def test_dealing_knows_the_pattern(name, dispatch):
    """Half of 8 × 8 pixels on 4 lanes take half of the time in each stage, wherever the pattern lies."""
    shape = ConvShape("layer", C=2, H=8, W=8, K=2, R=1, S=1)
    pattern = pattern_map(name, 8, 8)
    dense = work(Demand(), shape, lanes=4, dispatch=dispatch).cycles
    for positions in (pattern, ~pattern):
        stage = Demand(PackedMap.of_pattern(positions, 1, 2), positions)
        assert work(stage, shape, lanes=4, dispatch=dispatch).cycles == dense / 2


def test_ifmap_words_by_hand():
    """A 3 × 1 filter on 5 rows of 4 words: once with room for 3 rows, else 3 rows for each of 3 ofmap rows."""
    shape = ConvShape("layer", C=2, H=5, W=2, K=1, R=3, S=1)
    rows = np.array([[True, True], [False, False], [True, True]])

    def words(buffer, positions=None):
        mapping = map_lanes(shape, lanes_arch(array(ifmap_buffer=f"{buffer} words")))
        return streamed_words(shape, mapping, positions)

    assert (words(12), words(11), words(6)) == (20, 36, 36)
    assert words(11, rows) == 24  # two of the three ofmap rows
    assert words(5) == 36  # not even a window: once for each of 6 pixels, 6 words
    assert words(5, np.eye(3, 2, dtype=bool)) == 20  # for 2 pixels, but no less than the map


def test_ifmap_words_of_a_group() -> None:
    """Two groups of the layer above: as many words for each, but a block of both filters reads twice the channels."""
    shape = ConvShape("layer", C=4, H=5, W=2, K=2, R=3, S=1, groups=2)

    def words(buffer: int | None) -> int:
        limited = {} if buffer is None else {"ifmap_buffer": f"{buffer} words"}
        return streamed_words(shape, map_lanes(shape, lanes_arch(array(spread={"lanes": "filters"}, **limited))), None)

    assert (words(None), words(24), words(23), words(12)) == (20, 20, 36, 36)


def test_ifmap_words_where_the_axes_differ() -> None:
    """3 × 3 outputs read the rows -1 to 1, 1 to 3, 3 to 5, and the columns -2 0, 1 3, 4 6."""
    axes = {"stride": (2, 3), "padding": (1, 0, 2, 0), "dilation": (1, 2)}
    shape = ConvShape("layer", C=1, H=7, W=9, K=1, R=3, S=2, **axes)

    def words(buffer: int, shape: ConvShape = shape) -> int:
        return streamed_words(shape, map_lanes(shape, lanes_arch(array(ifmap_buffer=f"{buffer} words"))), None)

    assert words(27) == 6 * 5  # three rows of 9 words: each value that is read, once
    assert words(9) == (2 + 3 + 3) * 9  # a window is 3 × 3 words: whole rows for each ofmap row
    assert words(8) == (2 + 3 + 3) * (1 + 2 + 2)  # each pixel's own
    # 2 × 4 outputs, the last of which ends in column 7 of 9.
    assert words(6, ConvShape("layer", C=1, H=4, W=9, K=1, R=3, S=2, stride=(1, 2))) == (3 + 3) * 8


def test_a_block_that_is_no_multiple_of_a_group_touches_two() -> None:
    """4 groups of 3 filters in blocks of 4: 0 to 3, 4 to 7, 8 to 11, each in two groups. Two maps have 3 rows of 4."""
    shape = ConvShape("layer", C=4, H=5, W=2, K=12, R=3, S=1, groups=4)

    def words(buffer: int) -> int:
        changed = {"lanes": 4, "spread": {"lanes": "filters"}, "ifmap_buffer": f"{buffer} words"}
        return streamed_words(shape, map_lanes(shape, lanes_arch(array(**changed))), None)

    assert (words(12), words(11)) == (10, 3 * 3 * 2)


def test_waiting_is_reported() -> None:
    """5 outputs of 4 cycles on 2 lanes in 12 cycles: 24 lane-cycles, of which 20 are busy; 16 dense cycles all are."""
    arch = lanes_arch(array(sync="lane"))
    mapping = map_lanes(SHAPE, arch)
    assert LanesEngine().time_stage(SHAPE, arch, mapping, Demand(KEPT)).imbalance == pytest.approx(24 / 20)
    assert LanesEngine().time_stage(SHAPE, arch, mapping, Demand()).imbalance == 1


@pytest.mark.parametrize(("sync", "every", "every_second"), [("lane", 9, 12), ("pe", 11, 14)])
def test_lanes_that_wait_lose_what_their_neighbours_need(sync, every, every_second):
    exits = np.array([[[[1, 1], [4, 1], [3, 1], [1, 3]]]], dtype=np.uint16)
    found = work(Demand(exit_macs=exits), sync=sync)
    # Lane 0: 1 + 3 + 1 + 1 = 6. Lane 1: 4 + 1 + 1 + 3 = 9. Together: 4 + 3 + 1 + 3 = 11.
    assert found.cycles == every
    assert found.busy_lane_cycles == found.macs == 15
    assert found.balance == pytest.approx(15 / (2 * every))
    # With a check every second MAC: 2 4 4 2 and 2 2 2 4, so lane 0 has 10 and lane 1 has 12; together 14.
    assert work(Demand(exit_macs=exits), sync=sync, check_interval=2).cycles == every_second


def test_slices_take_bricks_in_turn():
    shape = ConvShape("layer", C=5, H=1, W=1, K=1, R=1, S=1)
    assert lane_macs(shape, slices=2, brick=2) == 3  # channels 0 1 and 4; 2 3
    changed = {"spread": {"lanes": "slices"}, "sync": "pe", "brick": 2}
    inputs = PackedMap.from_bool(np.array([[[[1, 0, 1, 1, 0]]]], dtype=bool))
    window = np.array([[[[3]]]], dtype=np.int32)
    assert work(Demand(), shape, **changed).cycles == 3
    assert work(Demand(window_nonzero=window, ifmap_nonzero=inputs), shape, **changed).cycles == 2


def test_counts_by_hand():
    arch = lanes_arch(array(sync="pe"))
    stage = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand(KEPT))
    counts = counts_with_dram(stage)
    assert (counts.macs_executed, counts.macs_gated) == (20, 0)
    assert (counts.filter_bus_words, counts.filter_spad_writes) == (8, 8)  # both filters, once each
    assert (counts.ifmap_bus_words, counts.glb_reads) == (32, 40)  # the map once for each filter
    assert (counts.dram_reads, counts.dram_writes) == (24, 0)
    assert stage.cycles == Cycles(compute=12, ramp=4)  # 4 words of the first filter on a bus of 2; 2 results of 1
    assert stage.active_pes == 1


def test_filters_that_do_not_fit_are_streamed_with_their_indices():
    arch = lanes_arch(array(sync="pe", filter_buffer="7 words"))
    exits = np.array([[[[1, 1], [4, 1], [3, 1], [1, 3]]]], dtype=np.uint16)
    stage = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand(exit_macs=exits))
    assert stage.counts.filter_bus_words == 2 * (4 + 3 + 1 + 3)
    assert stage.counts.filter_spad_reads == 2 * 15
    assert (stage.counts.macs_executed, stage.counts.macs_gated) == (15, 0)
    dense = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand())
    assert dense.counts.filter_bus_words == 8  # without indices they fit


def test_a_slow_bus_holds_the_lanes_up():
    arch = lanes_arch(array(sync="pe", buses={"ifmap": 1, "filter": 1, "psum": 1}))
    cycles = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand()).cycles
    assert (cycles.compute, cycles.ifmap_bus, cycles.filter_load, cycles.psum_bus) == (16, 16, 0, 0)


def test_values_between_windows_are_not_sent():
    """A 1 × 1 filter with a stride of 2 reads 4 of 16 pixels."""
    shape = ConvShape("layer", C=4, H=4, W=4, K=1, R=1, S=1, stride=(2, 2))
    arch = lanes_arch(array(sync="pe"))
    counts = counts_with_dram(LanesEngine().time_stage(shape, arch, map_lanes(shape, arch), Demand()))
    assert (counts.ifmap_bus_words, counts.dram_reads) == (16, 16 + 4)


def test_streams_of_weights_hold_the_lanes_up():
    changed = {"sync": "lane", "filter_buffer": "3 words", "buses": {"ifmap": 9, "filter": 1, "psum": 1}}
    arch = lanes_arch(array(**changed))
    stage = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand())
    assert stage.counts.filter_bus_words == 32  # every lane has a stream of its own
    # One word and the last two results are ramp; the other 31 words take 15 cycles more than the lanes.
    assert (stage.cycles.compute, stage.cycles.filter_load, stage.cycles.ramp) == (16, 15, 3)
    assert counts_with_dram(stage).dram_reads == 16 + 8  # from the GLB, which holds map and filters


def with_dram(arch: ArchSpec, *, glb: int, word_cycles: float = 1.0, filters_ahead: int = 1) -> ArchSpec:
    """Give the GLB so many words, and DRAM so many cycles for a word; its filters come so many tiles ahead."""
    size, bandwidth = glb * arch.word_bytes, arch.word_bytes * arch.clock / word_cycles
    ahead = arch.buffers.prefetch.model_copy(update={"filter": filters_ahead})
    buffers = {"glb": arch.buffers.glb.model_copy(update={"size": size}), "prefetch": ahead}
    dram = arch.dram.model_copy(update={"bandwidth": bandwidth, "refresh": 0.0})
    return arch.model_copy(update={"buffers": arch.buffers.model_copy(update=buffers), "dram": dram})


@pytest.mark.parametrize(("glb", "free", "stays"), [(21, 1, True), (20, 0, True), (19, 15, False)])
def test_a_map_stays_that_just_fits_beside_the_filters(glb: int, free: int, stays: bool) -> None:
    """A map of 16 words beside the filter of 4 words that is at work."""
    arch = with_dram(lanes_arch(array(sync="lane", filter_buffer="3 words")), glb=glb)
    tiles = LanesEngine().time_stage(SHAPE, arch, map_lanes(SHAPE, arch), Demand()).tiles
    assert (tiles.free_words, tiles.ifmap_stays) == (free, stays)


def test_a_block_queue_loads_each_filter_into_all_parts_that_share_it() -> None:
    """8 pixels in 4 groups of the 2 lanes of a PE: both PEs load the filter, once."""
    shape = ConvShape("layer", C=4, H=1, W=16, K=1, R=1, S=1)
    assert work(Demand(), shape, pes=2, dispatch="block-queue").loads == 2
    assert work(Demand(), shape, pes=1, dispatch="block-queue").loads == 1


@pytest.mark.parametrize(
    ("word_cycles", "filters_ahead", "filters"),
    [
        # 4 filters at a time take 512 cycles; DRAM moves 64 · 32 weights, 512 of the map, and 256 results.
        # 2 at a time take 1024 cycles; DRAM moves 32 weights, the map twice, and the results.
        (0.1, 1, 4),
        (1.0, 1, 2),  # 2816 cycles of the channel, or 1312
        (0.3, 1, 4),  # 845 cycles of the channel, or 1024 of the lanes
        (0.3, 0, 2),  # weights before the lanes: 614 + 512 cycles, or 10 + 1024
    ],
)
def test_fewer_filters_are_at_work_where_weights_take_longer(
    word_cycles: float, filters_ahead: int, filters: int
) -> None:
    """64 pixels of 8 words, 4 filters, whose weights are streamed from a GLB of 20 words."""
    shape = ConvShape("layer", C=8, H=1, W=64, K=4, R=1, S=1)
    changed = {"pes": 4, "lanes": 1, "filter_buffer": "7 words", "spread": {"pes": "filters"}}
    arch = lanes_arch(array(**changed, buses={"ifmap": 99, "filter": 99, "psum": 99}))
    arch = with_dram(arch, glb=20, word_cycles=word_cycles, filters_ahead=filters_ahead)
    (mapping,) = LanesEngine().map_stages(shape, arch)
    assert mapping.whole.filters == filters


def test_nothing_kept_costs_nothing():
    stage = LanesEngine().time_stage(
        SHAPE, lanes_arch(array()), map_lanes(SHAPE, lanes_arch(array())), Demand(KEPT.without(KEPT))
    )
    assert stage.cycles.total == 0
    assert sum(stage.counts.as_dict().values()) == 0
    assert stage.active_pes == 0


def test_parts_of_the_array():
    mapping = map_lanes(SHAPE, load_arch("snapea"))
    assert (mapping.whole, mapping.domain, mapping.domains) == (Extent(8, 32), Extent(1, 4), 64)
    shared = map_lanes(SHAPE, load_arch("cnvlutin_like"))
    assert (shared.whole, shared.domain, shared.slices) == (Extent(256, 1), Extent(256, 1), 16)


def layer(**maps):
    full = PackedMap.full(1, 1, 4, 4)
    return LayerTrace(shape=SHAPE, ifmap_nonzero=full, **maps)


@pytest.mark.parametrize("dataflow", sorted(set(ENGINES) - {"output-lanes"}))
@pytest.mark.parametrize("name", ["early-exit", "skip-input"])
def test_other_arrays_refuse(dataflow, name):
    with pytest.raises(
        PolicyError, match=f"{name}: an? {dataflow} array does not support .* it supports: dense, (gate|skip)"
    ):
        ENGINES[dataflow].served.check(dataflow, PRESETS[name])


def test_early_exit_needs_values():
    with pytest.raises(PolicyError, match="layer layer: policy early-exit needs early_exit_macs in the trace"):
        run_layer(load_arch("snapea"), layer(ofmap_nonzero=KEPT), PRESETS["early-exit"])


def test_a_layer_without_relu_has_no_early_exit():
    arch = load_arch("snapea")
    assert run_layer(arch, layer(), PRESETS["early-exit"]) == run_layer(arch, layer(), PRESETS["dense"])


def test_early_exit_needs_dense_inputs_and_whole_outputs():
    exits = np.full((1, 1, 4, 2), 2, dtype=np.uint16)
    full = layer(ofmap_nonzero=KEPT, early_exit_macs=exits)
    with pytest.raises(PolicyError, match="inputs = dense, got 'gate'"):
        run_layer(load_arch("snapea"), full, Policy("custom", outputs="early-exit", inputs="gate"))
    demand = Demand(exit_macs=exits, gate=True)
    with pytest.raises(PolicyError, match="early exit goes with dense inputs"):
        LanesEngine().time_stage(SHAPE, load_arch("snapea"), map_lanes(SHAPE, load_arch("snapea")), demand)
    with pytest.raises(PolicyError, match="early exit needs lanes with whole outputs"):
        run_layer(load_arch("cnvlutin_like"), full, PRESETS["early-exit"])


def test_presets_keep_or_take_the_array_s_inputs():
    assert preset("zap", "skip").inputs == "skip"
    assert preset("zap", "skip").baseline() == PRESETS["skip-input"]
    assert preset("early-exit", "gate") == PRESETS["early-exit"]


def test_slices_cannot_be_without_sync():
    with pytest.raises(ConfigError, match=r"array\.sync: expected pe, cluster or array with spread\.lanes = slices"):
        load_arch("cnvlutin_like", ["array.sync=lane"])


def test_queues_in_pes_cannot_wait_for_one_another():
    with pytest.raises(ConfigError, match=r"array\.sync: expected lane or pe with dispatch = queue, got 'array'"):
        load_arch("cnvlutin_like", ["array.dispatch=queue"])


def test_another_array_is_refused():
    with pytest.raises(MappingError, match="expected 'output-lanes', got 'weight-stationary'"):
        map_lanes(SHAPE, load_arch("systolic_16x16"))
    with pytest.raises(MappingError, match="has 4194304 lanes"):
        map_lanes(SHAPE, load_arch("lanes_256", ["array.clusters=16384"]))


@pytest.mark.slow
def test_the_array_made_for_prediction_saves_more_than_a_third():
    trace = Trace(ROOT / "traces" / "vgg16_hed_chelsea_1_3.safetensors")
    total = simulate("lanes_zap", trace, "zap", images=[0]).total
    assert total.cycle_saving > 0.35
    assert total.energy_saving > 0.35


def test_the_array_made_for_prediction_is_a_design_of_its_space():
    space = load_space(ROOT / "examples" / "lanes_zap.yaml")
    arch = load_arch("lanes_zap")
    assert [arch.array.pes, arch.array.lanes, arch.array.dispatch, arch.predictor.lanes] == [4, 64, "block-queue", 18]
    choices = [space.chosen(design) for design in space.lattice.walk()]
    assert any(
        (choice["array.pes"], choice["array.lanes"], choice["array.dispatch"], choice["predictor.lanes"])
        == (4, 64, "block-queue", 18)
        for choice in choices
    )
