"""Output lanes equal the cycle-by-cycle walk, for every sync, dispatch and kind of work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.lanes_cases import arrays, lanes_arch, shapes
from tests.reference.lanes_walker import walk, window_macs
from zapsim.arch.policy import PRESETS, Policy
from zapsim.arrays.engine import Demand
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.lanes.ifmap_buffer import segment_pixels, window_pixels
from zapsim.arrays.lanes.mapping import map_lanes
from zapsim.arrays.lanes.timing import LanesEngine
from zapsim.arrays.lanes.work import lane_work
from zapsim.simulation import run_layer
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
    """Check the work of one stage against the walk."""
    arch, pixels = lanes_arch(array), shape.N * shape.P * shape.Q
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
        assert int(work.loads().sum()) == len(seen.loads)
    return work


@given(shapes(), arrays(), SEEDS, st.booleans())
def test_even_outputs(shape, array, seed, masked):
    rng = np.random.default_rng(seed)
    kept = random_map(rng, (shape.N, shape.P, shape.Q, shape.K)) if masked else None
    macs = {(k, i): [shape.macs_per_output] for k, i, _ in outputs_of(shape, kept)}
    compare(shape, array, Demand(kept), macs)


@given(shapes(), arrays(), SEEDS, st.booleans())
def test_outputs_that_end_early(shape, array, seed, masked):
    rng = np.random.default_rng(seed)
    dims = (shape.N, shape.P, shape.Q, shape.K)
    kept = random_map(rng, dims) if masked else None
    exits = rng.integers(1, shape.macs_per_output + 1, dims).astype(np.uint16)
    step, most = array.check_interval, shape.macs_per_output
    macs = {}
    for k, i, place in outputs_of(shape, kept):
        done = int(exits[(*place, k)])
        while done % step and done < most:  # go on to the next check
            done += 1
        macs[k, i] = [done]
    work = compare(shape, array, Demand(kept, exit_macs=exits), macs)
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
