"""One layer under one policy, by hand: an engine that takes one cycle an output shows what the stages are."""

import numpy as np
import pytest

from tests.builders import OneCycleAnOutput, arch, conv, random_layer, random_map, with_mask
from zapsim.arch.policy import PRESETS, Policy, preset
from zapsim.arrays.engines import ENGINES
from zapsim.counts import Counts, Cycles
from zapsim.errors import MappingError, PolicyError
from zapsim.patterns import NO_PATTERN, pattern_map
from zapsim.timing.idle_parts import with_idle_parts
from zapsim.timing.layer import time_in_two_stages, time_layer
from zapsim.timing.predictor import predictor_counts
from zapsim.timing.stages import even_mask, layer_demands, layer_mask, stage_shares
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.predictor_work import GIVEN_WORK
from zapsim.tracefile.records import LayerTrace, PredictorSetting
from zapsim.workload import ConvShape

pytestmark = pytest.mark.kernels

SHAPE = ConvShape("hand", C=2, H=2, W=2, K=2, R=1, S=1)  # 8 outputs of 2 MACs; the pattern computes 4
NONZERO = [[[1, 0], [0, 1]], [[0, 0], [1, 0]]]  # (row, column, filter): 3 of them
MASK = [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]  # the pattern (0,0) and (1,1), one true and one wrong guess


def packed(values):
    return PackedMap.from_bool(np.array([values], dtype=bool))


LAYER = LayerTrace(
    shape=SHAPE,
    ifmap_nonzero=packed([[[1, 1], [1, 0]], [[0, 0], [1, 1]]]),  # 2, 1, 0 and 2 of 2
    ofmap_nonzero=packed(NONZERO),
    mask=packed(MASK),
    setting=PredictorSetting(pattern="1/2", threshold=0.0),
)
UNPREDICTED = LayerTrace(shape=SHAPE, ifmap_nonzero=LAYER.ifmap_nonzero, ofmap_nonzero=LAYER.ofmap_nonzero)


def run(policy, layer=LAYER, **changes):
    if isinstance(policy, str):
        policy = PRESETS[policy]
    return time_layer(OneCycleAnOutput(), arch(**changes), layer, policy)


FREE = {"predictor": {"unit": "ideal"}}


@pytest.mark.parametrize(
    ("policy", "cycles", "executed", "gated", "skipped", "asked"),
    [
        ("dense", 8, 16, 0, 0, 16),
        ("gate-input", 8, 10, 6, 0, 16),
        ("zap-gate", 8, 12, 4, 0, 12),
        ("zap", 6, 12, 0, 4, 12),
        ("zap-perfect", 5, 10, 0, 6, 10),  # the pattern, and one more that is not zero
        ("oracle", 3, 6, 0, 10, 6),
        (Policy("both gated", "gate", "gate"), 8, 9, 7, 0, 12),  # 4 + 1 + 0 + 4 products with a value
        (Policy("skip, gated", "skip", "gate"), 6, 9, 3, 4, 12),
    ],
)
def test_by_hand(policy, cycles, executed, gated, skipped, asked):
    timing = run(policy, **FREE)
    counts = timing.counts
    waits = (
        timing.cycles.dram_write
    )  # 8 words of the ofmap at 2 a cycle, nothing overlaps; a word more a stage, at most
    assert timing.cycles == Cycles(compute=cycles, dram_write=waits)
    assert waits in {4, 5}
    assert (counts.macs_executed, counts.macs_gated, counts.macs_skipped) == (executed, gated, skipped)
    assert timing.demanded_macs == asked
    assert counts.macs_lost == 0


@pytest.mark.parametrize("policy", ["zap", "zap-gate", "zap-perfect"])
def test_policies_with_a_predictor_pay_for_it(policy):
    timing, free = run(policy), run(policy, **FREE)
    paid = predictor_counts(SHAPE, 4, read_once=False) + Counts(dram_reads=20 * 2)
    assert timing.counts == free.counts + paid
    assert timing.predictor_busy_cycles == -(-9 * 8 // 9) + 8 == 16
    beside = 8 + 4 if policy == "zap-gate" else 4  # the whole layer with its ofmap on the way out, or stage A
    assert timing.cycles.predictor == 16 - beside


@pytest.mark.parametrize("policy", ["dense", "gate-input", "oracle"])
def test_policies_without_a_predictor_do_not(policy):
    timing = run(policy)
    assert timing == run(policy, **FREE)
    assert timing.predictor_busy_cycles == timing.counts.predictor_macs == timing.counts.mask_bits_read == 0


@pytest.mark.parametrize("policy", ["zap", "zap-gate", "zap-perfect"])
def test_a_layer_without_a_predictor_is_dense(policy):
    assert run(policy, UNPREDICTED) == run("dense", UNPREDICTED)


def test_an_oracle_needs_no_predictor_but_a_relu():
    assert run("oracle", UNPREDICTED).cycles.compute == 3
    bare = LayerTrace(shape=SHAPE, ifmap_nonzero=LAYER.ifmap_nonzero)
    assert run("oracle", bare) == run("dense", bare)


def test_a_layer_that_skips_nothing_leaves_its_predictor_off():
    ones = with_mask(LAYER, packed(np.ones((2, 2, 2))))
    for policy in ("zap", "zap-gate"):
        assert run(policy, ones) == run("dense", ones)
    assert layer_mask(ones, PRESETS["zap"]) is None


def test_an_oracle_on_a_dead_layer_takes_no_time():
    dead = LayerTrace(shape=SHAPE, ifmap_nonzero=LAYER.ifmap_nonzero, ofmap_nonzero=packed(np.zeros((2, 2, 2))))
    timing = run("oracle", dead)
    assert timing.cycles.total == 0
    assert timing.counts == Counts(macs_skipped=16, dram_writes=8), "only the zeros are written"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_pattern_that_misses_a_map_of_one_pixel(kept):
    """1/4, 1/3 and 2/5 compute nothing at the origin: there is no stage A to hide the predictor behind."""
    shape = ConvShape("pooled", C=1, H=1, W=1, K=2, R=1, S=1)
    layer = LayerTrace(
        shape=shape,
        ifmap_nonzero=packed([[[1]]]),
        ofmap_nonzero=packed([[[0, 0]]]),
        mask=packed([[[kept, 0]]]),
        setting=PredictorSetting(pattern="1/4", threshold=0.0),
    )
    timing = run("zap", layer)
    assert timing.cycles.compute == timing.counts.macs_executed == kept
    assert timing.cycles.predictor == timing.predictor_busy_cycles == 2 + 8


def test_the_array_waits_for_the_unit_on_itself():
    timing = run("zap", predictor={"unit": "array"})
    assert timing.cycles.predictor == timing.predictor_busy_cycles == 8 + 4
    assert timing.cycles.compute == 6


def test_a_perfect_predictor_needs_the_outputs():
    blind = LayerTrace(shape=SHAPE, ifmap_nonzero=LAYER.ifmap_nonzero, mask=LAYER.mask, setting=LAYER.setting)
    assert run("zap", blind).cycles.compute == 6
    with pytest.raises(PolicyError) as caught:
        run("zap-perfect", blind)
    assert str(caught.value) == "layer hand: policy zap-perfect needs ofmap_nonzero in the trace"


def test_policies_that_an_array_does_not_serve():
    for policy, fault in (
        ("skip-input", "inputs = skip; it supports: dense, gate"),
        ("early-exit", "outputs = early-exit; it supports: dense, gate, skip"),
    ):
        with pytest.raises(PolicyError) as caught:
            run(preset(policy, "dense"))
        assert str(caught.value) == f"policy {policy}: a row-stationary array does not support {fault}"


def test_a_batch_is_the_sum_of_its_images(rng):
    """With an engine that shares nothing between images."""
    batch = random_layer(rng, conv(N=3), correlated=True)

    def image(index):
        one = {name: getattr(batch, name) for name in ("ifmap_nonzero", "ofmap_nonzero", "mask")}
        cut = {name: PackedMap(found.bits[index : index + 1], found.channels) for name, found in one.items()}
        return LayerTrace(shape=conv(), setting=batch.setting, **cut)

    whole = run("zap", batch, **FREE)
    parts = [run("zap", image(index), **FREE) for index in range(3)]
    assert whole.counts == sum((part.counts for part in parts), Counts())
    assert whole.cycles.compute == sum(part.cycles.compute for part in parts)


def test_conservation_of_a_layer_with_every_option(rng):
    shape = ConvShape(
        "odd", N=2, C=6, H=9, W=7, K=9, R=2, S=3, stride=(2, 1), padding=(0, 1, 2, 0), dilation=(1, 2), groups=3
    )
    layer = random_layer(rng, shape, pattern="2/5")
    for policy in ("dense", "gate-input", "zap-gate", "zap", "zap-perfect", "oracle"):
        counts = run(policy, layer).counts
        assert counts.macs_dense == shape.macs
    assert random_map(rng, (1, 2, 2, 2), 0.0, correlated=True).count() == 0


@pytest.mark.parametrize("dataflow", ["weight-stationary", "output-lanes"])
def test_a_buffer_holds_a_tile(dataflow):
    least = {"weight-stationary": 60, "output-lanes": 24}[dataflow]  # 6×5 PEs, 2×2×3 lanes, words of 2 bytes
    for size in (least, least - 1):
        spec = arch(dataflow, buffers={"glb": {"size": f"{size} B"}})
        if size == least:
            assert time_layer(ENGINES[dataflow], spec, LAYER, PRESETS["zap"]).cycles.total
        else:
            with pytest.raises(
                MappingError, match=f"do not hold a tile, a word for each MAC unit; set at least {least} B"
            ):
                time_layer(ENGINES[dataflow], spec, LAYER, PRESETS["zap"])


# --- which layers are predicted -----------------------------------------------------------------------------------


def test_named_layers_alone_are_predicted():
    named = run("zap", predictor={"unit": "ideal", "layers": [SHAPE.name]})
    assert named == run("zap", **FREE)
    assert run("zap", predictor={"unit": "ideal", "layers": ["another"]}) == run("dense", **FREE)


def test_a_layer_that_does_not_pay_runs_dense():
    slow = {"unit": "dedicated", "lanes": 1, "latency": "1000 cycles", "layers": "paying"}
    assert run("zap", predictor=slow) == run("dense", predictor=slow)
    fast = {"unit": "ideal", "layers": "paying"}
    assert run("zap", predictor=fast).cycles.compute == 6 < run("dense", predictor=fast).cycles.compute


@pytest.mark.parametrize(("kept", "cycles"), [(0.25, 128), (1.0, 512)])
def test_a_mask_from_elsewhere_pays_where_it_leaves_something_out(kept: float, cycles: int) -> None:
    """A mask without a pattern leaves out three quarters of 8 × 8 pixels of 8 filters, or none."""
    shape = ConvShape("given", C=2, H=8, W=8, K=8, R=1, S=1)
    mask = np.zeros((1, 8, 8, 8), dtype=bool)
    mask[:, : round(8 * kept)] = True
    full = PackedMap.full(1, 8, 8, 2)
    setting = PredictorSetting(pattern=NO_PATTERN, threshold=0.0, method="given", work=GIVEN_WORK)
    layer = LayerTrace(shape=shape, ifmap_nonzero=full, mask=PackedMap.from_bool(mask), setting=setting)
    assert run("zap", layer, predictor={"unit": "ideal", "layers": "paying"}).cycles.compute == cycles


def test_a_layer_in_two_stages_computes_every_output_once(rng: np.random.Generator) -> None:
    """A quarter of 8 × 6 pixels, then the other three quarters."""
    layer = random_layer(rng, ConvShape("quarter", C=2, H=8, W=6, K=3, R=1, S=1), pattern="1/4")
    for policy in ("dense", "gate-input"):
        split = time_in_two_stages(OneCycleAnOutput(), arch(), layer, PRESETS[policy])
        assert split.cycles.compute == layer.shape.outputs
        assert split.counts.macs_dense == layer.shape.macs
        assert split.counts.macs_executed == run(policy, layer).counts.macs_executed


@pytest.mark.parametrize(("filters", "depths"), [(None, [1]), ({"size": "1 KiB"}, [1, 0])])
def test_what_takes_room_is_fetched_ahead_less_far(filters: dict[str, str] | None, depths: list[int]) -> None:
    """Strips take room in the GLB, and filters in a buffer of their own, if there is one."""
    prefetch = {"ifmap": 2, "filter": 1, "ofmap": 0}
    spec = arch(buffers={"glb": {"size": "8 KiB"}, "filters": filters, "prefetch": prefetch})
    ahead = [choice.buffers.prefetch for choice in with_idle_parts(spec, "layer")]
    assert [(less.ifmap, less.filter, less.ofmap) for less in ahead] == [
        (ifmap, filter_, 0) for ifmap in (2, 1, 0) for filter_ in depths
    ]


def test_an_even_mask_has_its_share_in_every_place(rng):
    positions = pattern_map("1/2", 16, 16)
    like = PackedMap.from_bool((rng.random((2, 16, 16, 32)) < 0.25) & positions[None, :, :, None])
    even = even_mask(like, positions).unpack()
    assert not (even & ~positions[None, :, :, None]).any()
    share = round(32 * like.count() / (2 * positions.sum() * 32))
    assert (even.sum(axis=3)[:, positions] == share).all(), "as many filters at every pixel"
    assert (even.sum(axis=(1, 2)) == share * 128 // 32).all(), "and as many pixels of every filter"


def test_stages_bear_the_names_under_which_their_mappings_are_pinned(rng: np.random.Generator) -> None:
    layer = random_layer(rng, conv(K=9))
    for policy, names in (("dense", [""]), ("zap", ["A", "B"]), ("oracle", [""])):
        demands = layer_demands(arch(), layer, PRESETS[policy]).demands
        assert [share.name for share in stage_shares(layer.shape, demands)] == names
