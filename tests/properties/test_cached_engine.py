"""A cached engine gives what a fresh one gives, whatever changes in the architecture in between."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.builders import ARRAYS, BUSES, SPADS, arch, conv, random_layer
from zapsim.arch.policy import preset
from zapsim.arch.spec import ArchSpec
from zapsim.arch.tables import ENERGY_ACTIONS
from zapsim.arrays.engine import StageShare
from zapsim.arrays.engine_inputs import engine_inputs
from zapsim.arrays.engines import ENGINES
from zapsim.errors import ZapsimError
from zapsim.exploration.cached_engine import CachedEngine, EngineCache
from zapsim.simulation import layer_outcome, layer_timing
from zapsim.timing.stages import layer_mask, stage_demands

pytestmark = pytest.mark.kernels

LAYERS = [random_layer(np.random.default_rng(seed), conv(f"conv{seed}", K=8), correlated=True) for seed in range(2)]
OF_EVERY_ARRAY = {"rows": [5, 6, 7], "cols": [4, 5]}
OF_ROW_STATIONARY: dict[str, list[Any]] = {
    "spads": [SPADS, SPADS | {"filter": "40 words"}, SPADS | {"psum": "2 words"}, SPADS | {"ifmap": "4 words"}],
    "buses": [BUSES, BUSES | {"ifmap": 2}, BUSES | {"psum": 1}, BUSES | {"filter": 1}],
    "balance": ["none", "filter-sort", "row-pairing"],
    "mapping": [{"objective": "latency"}, {"objective": "energy"}, {"objective": "edp"}],
}
OF_SYSTOLIC: dict[str, list[Any]] = {
    "drain": ["overlapped", "serial"],
    "partial_folds": ["full", "shrunk"],
    "fold_boundary": ["crossed", "kept"],
    "pixel_order": ["raster", "grouped"],
    "channel_order": ["as-is", "by-density"],
}
OF_LANES: dict[str, list[Any]] = {
    "clusters": [1, 2], "pes": [1, 2], "lanes": [2, 3], "macs_per_lane": [1, 2], "sync": ["lane", "pe", "array"],
    "dispatch": ["static", "queue"], "filter_buffer": ["64 words", "512 words"], "buses": [BUSES, BUSES | {"ifmap": 2}],
    "spread": [{"pes": "filters"}, {"lanes": "filters"}],
}  # fmt: skip
OF_ARRAY = {
    "row-stationary": OF_EVERY_ARRAY | OF_ROW_STATIONARY,
    "weight-stationary": OF_EVERY_ARRAY | OF_SYSTOLIC,
    "output-stationary": OF_EVERY_ARRAY | OF_SYSTOLIC,
    "input-stationary": OF_EVERY_ARRAY | OF_SYSTOLIC,
    "output-lanes": OF_LANES,
}
OF_THE_REST: dict[str, list[Any]] = {
    "word": ["16 bit", "8 bit"],
    "clock": ["100 MHz", "300 MHz"],
    "buffers": [
        {"glb": {"size": "2 KiB"}},
        {"glb": {"size": "32 KiB"}, "prefetch": {"ifmap": 0}},
        {"glb": {"size": "8 KiB", "resident": "2 KiB"}, "prefetch": {"ofmap": 0, "filter": 2}},
        {"glb": {"size": "8 KiB"}, "filters": {"size": "1 KiB"}},
    ],
    "predictor": [
        {"unit": "array"},
        {"unit": "ideal"},
        {"unit": "dedicated", "lanes": 2, "latency": "3 cycles"},
        {"unit": "dedicated", "lanes": 9, "weights": "40 words", "granularity": "tile"},
    ],
    "energy": [
        {"technology": "none", "actions": dict.fromkeys(ENERGY_ACTIONS, "1 pJ") | {"dram_reads": price}}
        for price in ("1 pJ", "500 pJ")
    ],
}


@st.composite
def archs(draw) -> ArchSpec:
    dataflow = draw(st.sampled_from(sorted(ENGINES)))
    array = ARRAYS[dataflow] | {
        key: draw(st.sampled_from(values)) for key, values in OF_ARRAY[dataflow].items() if draw(st.booleans())
    }
    rest = {key: draw(st.sampled_from(values)) for key, values in OF_THE_REST.items() if draw(st.booleans())}
    coding = draw(st.sampled_from(["none", "rlc"])) if dataflow == "row-stationary" else "none"
    dram = {
        "bandwidth": draw(st.sampled_from(["400 MB/s", "4 GB/s"])),
        "latency": draw(st.sampled_from(["0 ns", "50 ns"])),
        "burst": draw(st.sampled_from(["1 B", "64 B"])),
        "compression": coding,
    }
    try:
        return arch(dataflow, array={"dataflow": dataflow} | array, dram=dram, **rest)
    except ValidationError:  # lanes that share an output and do not wait for one another, and the like
        return arch(dataflow)


def run(spec, layer, policy, engines):
    return layer_outcome(spec, layer_timing(spec, layer, policy, engines=engines))


def outcome(spec, layer, name, engines):
    try:
        return run(spec, layer, preset(name, spec.inputs), engines)
    except ZapsimError as error:
        return str(error)


CACHE = EngineCache()
"""Shared by all examples, so that what one example leaves behind would show in another."""


def cached(spec, cache=CACHE, engine=None):
    dataflow = spec.array.dataflow
    return {dataflow: CachedEngine(engine or ENGINES[dataflow], cache)}


@given(
    archs(),
    st.sampled_from(LAYERS),
    st.sampled_from(["dense", "gate-input", "zap-gate", "zap", "oracle", "skip-input"]),
)
def test_cached_is_fresh(spec, layer, name):
    assert outcome(spec, layer, name, cached(spec)) == outcome(spec, layer, name, ENGINES)


class Watched:
    """Looks like an architecture and notes what is read of it."""

    def __init__(self, spec):
        self._spec, self.read = spec, set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self._spec, name)


DERIVED = {"word_bytes": {"word"}, "glb_words": {"buffers", "word"}, "prices": {"energy", "word"}, "name": set()}
"""What properties of an architecture follow from; the name is read for messages only."""


@given(archs())
def test_engines_read_no_more_than_is_in_the_key(spec):
    engine, shape = ENGINES[spec.array.dataflow], LAYERS[0].shape
    key, to_map, to_time = Watched(spec), Watched(spec), Watched(spec)
    engine_inputs(key)
    try:
        mapping = engine.map_stages(shape, to_map, (StageShare(0.5), StageShare(0.25)))[0]
        engine.time_stage(shape, to_time, mapping, _first_demand(engine, spec))
    except ZapsimError:
        return
    for watched in (to_map, to_time):
        assert set().union(*(DERIVED.get(name, {name}) for name in watched.read)) <= key.read
    assert "clock" not in to_time.read
    assert not {"prices", "energy"} & to_time.read
    assert "dram" not in to_time.read
    assert "predictor" not in to_map.read | to_time.read or spec.array.tiles_by_granularity


def test_the_key_differs_where_the_architecture_does():
    plain = arch("row-stationary")
    for section, values in OF_THE_REST.items():
        changed = engine_inputs(arch("row-stationary", **{section: values[-1]}))
        assert changed.to_map != engine_inputs(plain).to_map, section
        assert (changed.to_time == engine_inputs(plain).to_time) == (section in {"clock", "energy"}), section


def _first_demand(engine, spec):
    policy = preset("zap", spec.inputs)
    return stage_demands(spec, LAYERS[0], policy, layer_mask(LAYERS[0], policy))[0]


def test_equal_layers_are_timed_once_where_no_mask_matters():
    class Counting:
        served = ENGINES["output-stationary"].served

        def __init__(self):
            self.timed = 0

        def map_stages(self, *arguments):
            return ENGINES["output-stationary"].map_stages(*arguments)

        def time_stage(self, *arguments):
            self.timed += 1
            return ENGINES["output-stationary"].time_stage(*arguments)

    counting = Counting()
    spec = arch("output-stationary")
    engines = cached(spec, EngineCache(), counting)
    for layer in LAYERS:  # of one shape, with different masks
        run(spec, layer, preset("dense", "dense"), engines)
    assert counting.timed == 1
    for layer in (*LAYERS, *LAYERS):
        run(spec, layer, preset("zap", "dense"), engines)
    assert counting.timed == 1 + 1 + 2  # they share the pattern's stage, not the rest


def test_designs_share_what_their_arrays_share():
    cache = EngineCache()
    for clock in ("100 MHz", "300 MHz"):
        spec = arch("output-stationary", clock=clock)
        run(spec, LAYERS[0], preset("zap", "dense"), cached(spec, cache))
    assert len(cache.mappings) == 2
    assert len(cache.stages) == 2, "the pattern's and the rest's"


def test_drops_what_was_used_least_recently():
    small, large = EngineCache(capacity=40_000), EngineCache()
    for rows in (2, 3, 4, 5, 6):
        spec = arch("weight-stationary", array={"dataflow": "weight-stationary", "rows": rows, "cols": 4})
        for cache in (small, large):
            run(spec, LAYERS[0], preset("zap", "dense"), cached(spec, cache))
    assert 0 < small.used <= 40_000
    assert 0 < len(small.stages) < len(large.stages)
    assert list(small.stages) == list(large.stages)[-len(small.stages) :]


def test_a_stage_larger_than_the_cache_is_timed_all_the_same():
    cache, spec = EngineCache(capacity=1), arch("weight-stationary")
    policy = preset("zap", "dense")
    assert run(spec, LAYERS[0], policy, cached(spec, cache)) == run(spec, LAYERS[0], policy, ENGINES)
    assert cache.used == 0
