"""Output lanes equal the cycle-by-cycle walk, for every sync, dispatch and kind of work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.lanes_cases import arrays, lanes_arch, shapes
from tests.reference.lanes_walker import walk, window_macs
from zapsim.arch.arrays import OutputLanesArray
from zapsim.arch.policy import PRESETS, Policy
from zapsim.arrays.engine import Demand
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.lanes.ifmap_buffer import segment_pixels, window_pixels
from zapsim.arrays.lanes.mapping import map_lanes
from zapsim.arrays.lanes.timing import LanesEngine
from zapsim.arrays.lanes.work import lane_work
from zapsim.energy.model import energy_by_component
from zapsim.patterns import PATTERNS, pattern_map
from zapsim.simulation import run_layer
from zapsim.timing.combination import combine_stages
from zapsim.timing.layer import time_layer
from zapsim.timing.predictor import run_predictor
from zapsim.timing.residency import operand_loads
from zapsim.timing.stages import ofmap_dram_words, stage_demands
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace, PredictorSetting

pytestmark = [pytest.mark.kernels, pytest.mark.reference]

SEEDS = st.integers(0, 2**32 - 1)


def random_map(rng, dims):
    return PackedMap.from_bool(rng.random(dims) < rng.choice([0.1, 0.5, 0.9]))


def outputs_of(shape, kept):
    """Yield filter, pixel number and place of every kept output."""
    keep = np.ones((shape.N, shape.P, shape.Q, shape.K), dtype=bool) if kept is None else kept.unpack()
    for n, y, x, k in np.argwhere(keep):
        yield int(k), int((n * shape.P + y) * shape.Q + x), (int(n), int(y), int(x))


def compare(shape, array, demand, macs):
    """Check the work of one stage against the walk, in which only the stage's positions are numbered."""
    arch, pixels = lanes_arch(array), shape.N * shape.P * shape.Q
    if demand.positions is not None:
        order = [i for i in range(pixels) if demand.positions.ravel()[i % (shape.P * shape.Q)]]
        macs = {(k, order.index(i)): one for (k, i), one in macs.items()}
        pixels = len(order)
    mapping = map_lanes(shape, arch)
    work = lane_work(shape, mapping, demand)
    limited = array.ifmap_buffer is not None
    segment = segment_pixels(shape, mapping, pixels) if limited and array.dispatch != "block-queue" else None
    window = window_pixels(shape, mapping, pixels) if limited and array.dispatch == "block-queue" else None
    seen = walk(array.model_dump(), macs, shape.K, pixels, segment, window)
    assert (work.cycles, work.busy_lane_cycles) == (seen.cycles, seen.busy)
    assert work.outputs == len(macs)
    assert int(work.groups.sum()) == len(seen.streams)
    if demand.exit_macs is not None:
        assert work.streamed_macs == sum(seen.streams.values())
    else:
        assert work.streamed_macs == len(seen.streams) * shape.macs_per_output
    if array.dispatch != "block-queue":
        assert work.loads == len(seen.loads)
    return work


def stage_masks(draw, shape, rng):
    """Draw what a stage computes: everything, any mask, or one within some positions."""
    kind = draw(st.sampled_from(["all", "mask", "positions"]))
    kept = None if kind == "all" else random_map(rng, (shape.N, shape.P, shape.Q, shape.K))
    if kind != "positions":
        return kept, None
    positions = pattern_map(draw(st.sampled_from(PATTERNS)), shape.P, shape.Q)
    positions = ~positions if draw(st.booleans()) else positions
    return kept & PackedMap.of_pattern(positions, shape.N, shape.K), positions


@given(shapes(), arrays(), SEEDS, st.data())
def test_even_outputs(shape, array, seed, data):
    rng = np.random.default_rng(seed)
    kept, positions = stage_masks(data.draw, shape, rng)
    macs = {(k, i): [shape.macs_per_output] for k, i, _ in outputs_of(shape, kept)}
    compare(shape, array, Demand(kept, positions), macs)


@given(shapes(), arrays(), SEEDS, st.data())
def test_outputs_that_end_early(shape, array, seed, data):
    rng = np.random.default_rng(seed)
    dims = (shape.N, shape.P, shape.Q, shape.K)
    kept, positions = stage_masks(data.draw, shape, rng)
    exits = rng.integers(1, shape.macs_per_output + 1, dims).astype(np.uint16)
    step, most = array.check_interval, shape.macs_per_output
    macs = {}
    for k, i, place in outputs_of(shape, kept):
        done = int(exits[(*place, k)])
        while done % step and done < most:  # go on to the next check
            done += 1
        macs[k, i] = [done]
    work = compare(shape, array, Demand(kept, positions, exit_macs=exits), macs)
    assert work.macs == sum(sum(one) for one in macs.values())


@pytest.mark.parametrize("sliced", [False, True])
@given(shape=shapes(), data=st.data(), seed=SEEDS, masked=st.booleans())
def test_skipped_inputs(sliced, shape, data, seed, masked):
    array = data.draw(arrays(lanes=("slices",)) if sliced else arrays())
    rng = np.random.default_rng(seed)
    kept = random_map(rng, (shape.N, shape.P, shape.Q, shape.K)) if masked else None
    inputs = random_map(rng, (shape.N, shape.H, shape.W, shape.C))
    plain, slices = inputs.unpack().tolist(), array.lanes if sliced else 1
    macs = {}
    for k, i, (n, y, x) in outputs_of(shape, kept):
        macs[k, i] = window_macs(plain[n], shape, k // shape.K_per_group, y, x, array.brick, slices)
    window = window_nonzero(shape, inputs)
    compare(shape, array, Demand(kept, window_nonzero=window, ifmap_nonzero=inputs), macs)
    arch = lanes_arch(array)
    demand = Demand(kept, window_nonzero=window, ifmap_nonzero=inputs)
    counts = LanesEngine().time_stage(shape, arch, map_lanes(shape, arch), demand).counts
    assert (counts.macs_executed, counts.macs_gated) == (sum(sum(one) for one in macs.values()), 0)


def traced(shape, rng, *, all_ones=False):
    """Return random maps of a layer with a predictor."""
    dims = (shape.N, shape.P, shape.Q, shape.K)
    nonzero = random_map(rng, dims)
    layer = LayerTrace(
        shape=shape,
        ifmap_nonzero=random_map(rng, (shape.N, shape.H, shape.W, shape.C)),
        ofmap_nonzero=nonzero,
        mask=PackedMap.full(*dims),
        setting=PredictorSetting(pattern="1/2", threshold=0.0),
        early_exit_macs=rng.integers(1, shape.macs_per_output + 1, dims).astype(np.uint16),
    )
    return layer if all_ones else layer.model_copy(update={"mask": layer.pattern_outputs() | nonzero})


@given(
    shapes(), arrays(), SEEDS, st.sampled_from(["zap", "zap-gate", "zap-perfect"]), st.sampled_from(["gate", "skip"])
)
def test_an_all_ones_mask_is_dense(shape, array, seed, name, inputs):
    layer = traced(shape, np.random.default_rng(seed), all_ones=True)
    arch = lanes_arch(array)
    policy = Policy(name, outputs=PRESETS[name].outputs, inputs=inputs)
    assert run_layer(arch, layer, policy) == run_layer(arch, layer, policy.baseline())


@given(shapes(), arrays(), SEEDS, st.sampled_from(sorted(PRESETS)))
def test_macs_are_conserved(shape, array, seed, name):
    layer = traced(shape, np.random.default_rng(seed))
    found = run_layer(lanes_arch(array), layer, PRESETS[name])
    dense = run_layer(lanes_arch(array), layer, PRESETS["dense"])
    assert found.counts.macs_dense == dense.counts.macs_executed == shape.macs
    assert min(found.counts.as_dict().values()) >= 0
    assert found.counts.macs_executed <= shape.macs
    assert found.counts.macs_lost == 0


@given(shapes(), arrays(), SEEDS)
def test_more_zeros_never_raise_macs_nor_a_lanes_work(shape, array, seed):
    rng = np.random.default_rng(seed)
    dims = (shape.N, shape.P, shape.Q, shape.K)
    more, arch = random_map(rng, dims), lanes_arch(array)
    fewer, mapping = more & random_map(rng, dims), map_lanes(shape, arch)
    after, before = (lane_work(shape, mapping, Demand(kept)) for kept in (fewer, more))
    assert after.cycles <= before.cycles
    assert after.macs <= before.macs


@given(shapes(), arrays(), SEEDS)
def test_a_block_queue_takes_full_steps(shape, array, seed):
    """steps = Σ over blocks of ⌈Σ mask / lanes⌉, each as long as an output; with all ones, those of static dealing."""
    array = array.model_copy(update={"dispatch": "block-queue", "ifmap_buffer": None})
    mapping = map_lanes(shape, lanes_arch(array))
    kept = random_map(np.random.default_rng(seed), (shape.N, shape.P, shape.Q, shape.K))
    work, whole = lane_work(shape, mapping, Demand(kept)), mapping.whole
    starts = np.arange(0, shape.K, whole.filters)
    in_block = np.add.reduceat(kept.unpack().sum(axis=(0, 1, 2)), starts)
    assert work.cycles == int((-(-in_block // whole.lanes)).sum()) * mapping.dense_cycles(shape)
    if shape.N * shape.P * shape.Q % whole.pixels == 0 and shape.K % whole.filters == 0:
        dealt = map_lanes(shape, lanes_arch(array.model_copy(update={"dispatch": "static"})))
        assert lane_work(shape, mapping, Demand()).cycles == lane_work(shape, dealt, Demand()).cycles


@given(shapes(), st.integers(1, 400))
def test_a_buffer_holds_the_windows_of_its_pixels(shape, words):
    """Counted value by value: the windows of neighbouring pixels, without the wrap from one ofmap row to the next."""
    array = OutputLanesArray(
        dataflow="output-lanes", clusters=1, pes=1, lanes=1, filter_buffer="1 words", ifmap_buffer=f"{words} words",
        buses={"ifmap": 2, "filter": 3, "psum": 1},
    )  # fmt: skip
    held = window_pixels(shape, map_lanes(shape, lanes_arch(array)), shape.N * shape.P * shape.Q)
    assert 1 <= held <= shape.N * shape.P * shape.Q
    if held == 1:
        return
    (down, right), (rows, cols) = shape.stride, (shape.R, shape.S)
    for first in range(shape.P * shape.Q - held + 1):
        if held <= shape.Q and first % shape.Q + held > shape.Q:
            continue
        places = {
            (place // shape.Q * down + r - shape.padding[0], place % shape.Q * right + s - shape.padding[2])
            for place in range(first, first + held)
            for r in range(rows)
            for s in range(cols)
        }
        inside = [(y, x) for y, x in places if 0 <= y < shape.H and 0 <= x < shape.W]
        assert len(inside) * shape.C_per_group <= words


@given(shapes(), arrays(), SEEDS, st.sampled_from(PATTERNS), st.integers(0, 400), st.sampled_from(["dense", "gate"]))
def test_what_leaves_nothing_out_never_beats_the_dense_layer(shape, array, seed, pattern, free, inputs):
    """A pattern and all the rest of the outputs, predicted non-zero: two stages do no less than one."""
    layer = traced(shape, np.random.default_rng(seed), all_ones=True)
    layer = layer.model_copy(update={"setting": PredictorSetting(pattern=pattern, threshold=0.0)})
    arch = lanes_arch(array)
    glb = arch.buffers.glb.model_copy(update={"size": 2 * (array.pe_count + free)})
    arch = arch.model_copy(update={"buffers": arch.buffers.model_copy(update={"glb": glb})})
    policy = Policy("zap", outputs="skip", inputs=inputs)
    demands = stage_demands(arch, layer, policy, PackedMap.full(shape.N, shape.P, shape.Q, shape.K))
    mapping, engine = map_lanes(shape, arch), LanesEngine()
    stages = [engine.time_stage(shape, arch, mapping, demand) for demand in demands]
    loads, room = operand_loads(arch, [stage.tiles for stage in stages])
    predictor = run_predictor(engine, arch, shape, layer.pattern_outputs(), stages[0].tiles, room)
    timing = combine_stages(arch, shape, stages, loads, predictor, ofmap_dram_words(arch, layer, None), shape.macs)
    dense = time_layer(engine, arch, layer, policy.baseline())
    assert timing.cycles.total >= dense.cycles.total
    joules = [sum(energy_by_component(arch, run.counts, run.cycles.total).values()) for run in (timing, dense)]
    assert joules[0] >= joules[1] * (1 - 1e-12)
