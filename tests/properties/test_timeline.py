"""Both timeline engines give every tile the same cycles, and every cycle in which the array waits has one cause."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.builders import ARRAYS, arch, conv, random_layer
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS, preset
from zapsim.arrays.engines import ENGINES
from zapsim.simulation import run_layer
from zapsim.timing.layer import time_layer
from zapsim.timing.timeline.event import run_events
from zapsim.timing.timeline.fast import run_fast, run_with_stalls
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import Times, stalls
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.kernels


def same(fast: Times, event: Times) -> None:
    for name in ("start", "load_end", "store_end", "job_end"):
        assert (getattr(fast, name) == getattr(event, name)).all(), name
    assert fast.end == event.end


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    tiles = draw(st.integers(0, 12))
    most = draw(st.sampled_from([1, 3, 30]))

    def cycles(*size: int) -> np.ndarray:
        found: np.ndarray = draw(hnp.arrays(np.int64, size, elements=st.integers(0, most)))
        return found

    jobs = draw(st.integers(0, 4)) if tiles else 0
    after = np.sort(draw(hnp.arrays(np.int64, jobs, elements=st.integers(-1, max(tiles - 1, 0)))))
    # A tile may wait for any job whose inputs come from an earlier tile.
    known = [int(np.searchsorted(after, tile)) for tile in range(tiles)]
    waits = np.array([draw(st.integers(-1, count - 1)) for count in known], dtype=np.int64)
    return Schedule(
        cycles=cycles(tiles), stage=np.zeros(tiles, dtype=np.int64), loads=cycles(tiles, 3), stores=cycles(tiles),
        waits_for=waits, job_after=after, job_cycles=cycles(jobs),
        depths=draw(st.tuples(*[st.integers(0, 3)] * 4)),
        latency=draw(st.integers(0, 4)), job_latency=draw(st.integers(0, 4)),
    )  # fmt: skip


@settings(max_examples=300)
@given(schedules())
def test_engines_agree_on_every_tile(schedule: Schedule) -> None:
    fast, found = run_with_stalls(schedule)
    same(fast, run_events(schedule))
    assert found == stalls(schedule, fast)
    parts = (found.dram_read, found.dram_write, found.buffer, found.predictor)
    assert min(parts) >= 0
    assert sum(parts) + schedule.cycles.sum() == fast.end


@settings(max_examples=100)
@given(schedules())
def test_what_every_schedule_keeps_to(schedule: Schedule) -> None:
    """Nothing starts before what it needs is there, and the channel does one thing at a time."""
    times = run_fast(schedule)
    finish = times.start + schedule.cycles
    loads, stores = schedule.loads, schedule.stores
    busy = [(times.load_end[at] - loads[at], times.load_end[at]) for at in zip(*np.nonzero(loads), strict=True)]
    busy += [(times.store_end[at] - stores[at], times.store_end[at]) for at in np.flatnonzero(stores)]
    busy.sort()
    assert all(before[1] <= after[0] for before, after in pairwise(busy))
    for tile in range(len(finish)):
        assert tile == 0 or times.start[tile] >= finish[tile - 1]
        for tensor in np.flatnonzero(loads[tile]):
            assert times.start[tile] >= times.load_end[tile, tensor] + schedule.latency
            freed = tile - schedule.depths[tensor] - 1
            assert freed < 0 or times.load_end[tile, tensor] - loads[tile, tensor] >= finish[freed]
        assert not stores[tile] or times.store_end[tile] - stores[tile] >= finish[tile]
        gone = tile - schedule.depths[3] - 1
        assert gone < 0 or times.start[tile] >= times.store_end[: gone + 1].max()
        job = schedule.waits_for[tile]
        assert job < 0 or times.start[tile] >= times.job_end[job] + schedule.job_latency


@settings(max_examples=60)
@given(schedules())
def test_a_faster_channel_is_never_slower(schedule: Schedule) -> None:
    """With nothing to store; a store that comes earlier may push a load back, as on any first-come channel."""
    alone = replace(schedule, stores=np.zeros_like(schedule.stores))
    faster = replace(alone, loads=alone.loads // 2)
    assert run_fast(faster).end <= run_fast(alone).end


@pytest.mark.parametrize("unit", ["dedicated", "array", "ideal"])
@pytest.mark.parametrize("granularity", ["layer", "tile"])
@pytest.mark.parametrize("dataflow", ARRAYS)
def test_layers_of_every_array(dataflow: str, granularity: str, unit: str) -> None:
    """Masks of every policy on every array: the engines agree, and cycles and words of the tiles are the layer's."""
    rng = np.random.default_rng(3)
    layer = random_layer(rng, conv(N=2, C=7, H=9, W=8, K=11), pattern="2/5", correlated=True)
    predictor = {"unit": unit, "lanes": 2, "latency": "3 cycles", "granularity": granularity, "weights": "60 words"}
    prefetch = {"ifmap": 0, "filter": 2, "ofmap": 1}
    dram = {"bandwidth": "150 MB/s", "latency": "25 ns", "burst": "16 B", "refresh": 0.05, "compression": "bitmask"}
    spec = arch(dataflow, predictor=predictor, dram=dram, buffers={"glb": {"size": "2 KiB"}, "prefetch": prefetch})
    served = ENGINES[dataflow].served.outputs
    for policy in ("dense", *(["zap-gate"] if "gate" in served else []), "zap", "zap-perfect", "oracle"):
        fast = time_layer(ENGINES[dataflow], spec, layer, PRESETS[policy])
        event = time_layer(ENGINES[dataflow], spec, layer, PRESETS[policy], timeline=run_events)
        same(fast.timeline.times, event.timeline.times)
        assert fast == event
        beside = fast.cycles.total - fast.timeline.times.end  # only a unit beside gated outputs goes on longer
        assert beside == 0 or policy == "zap-gate"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["digits_cnn", "vgg16_hed_chelsea", "efficientnet_lite0_chelsea", "vgg8_fashion_1_3", "vgg8_fashion_3_5"]
)
@pytest.mark.parametrize("arch_name", ["eyeriss", "tpu_128x128", "lanes_256"])
def test_bundled_traces(name: str, arch_name: str) -> None:
    trace = Trace(f"traces/{name}.safetensors")
    spec = load_arch(arch_name)
    layers = list(trace.layers(trace.header.operating_points[0].name, [0]))
    for layer in layers[:: max(1, len(layers) // 3)]:
        for policy in ("dense", "zap"):
            chosen = preset(policy, spec.inputs)
            fast, event = (
                time_layer(ENGINES[spec.array.dataflow], spec, layer, chosen, timeline=engine)
                for engine in (run_fast, run_events)
            )
            same(fast.timeline.times, event.timeline.times)
            assert run_layer(spec, layer, chosen).cycles == fast.cycles == event.cycles
