"""VGG-16, 13 layers, policy `zap`, mappings known: timing from unread masks, and from masks read before.

pytest benchmarks/test_summaries.py --benchmark-columns=min,median,rounds --benchmark-group-by=param:name

Processor time, so that other programs do not count; only ``time_layer``, no files and no energy.
"""

import time
from functools import cache

import pytest

from benchmarks.test_run_vgg16 import layers
from tests.builders import arch
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS, Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engines import ENGINES
from zapsim.timing.layer import LayerTiming, time_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace

SYSTOLIC = ("weight-stationary", "output-stationary", "input-stationary")
ARCHS: dict[str, ArchSpec] = {
    "eyeriss": load_arch("eyeriss"),
    **{
        f"{name} {side}x{side}": arch(
            name, array={"dataflow": name, "rows": side, "cols": side}, buffers={"glb": {"size": "1 MiB"}}
        )
        for name in SYSTOLIC
        for side in (16, 128)
    },
    "lanes_256": load_arch("lanes_256"),
}
POLICIES = {"zap": PRESETS["zap"], "zap, zero inputs gated": Policy("custom", outputs="skip", inputs="gate")}


def unread() -> list[LayerTrace]:
    """Return the layers with maps of which nothing is remembered."""
    kinds = ("ifmap_nonzero", "ofmap_nonzero", "mask")

    def copy(found: PackedMap | None) -> PackedMap | None:
        return None if found is None else PackedMap(found.bits, found.channels)

    return [
        LayerTrace(shape=layer.shape, setting=layer.setting, **{kind: copy(getattr(layer, kind)) for kind in kinds})
        for layer in layers()
    ]


def run(name: str, policy: str, of: list[LayerTrace]) -> list[LayerTiming]:
    spec = ARCHS[name]
    return [time_layer(ENGINES[spec.array.dataflow], spec, layer, POLICIES[policy]) for layer in of]


@cache
def expected(name: str, policy: str) -> list[LayerTiming]:
    """Return what both ways must find; calling this warms kernels and the search for mappings up."""
    return run(name, policy, unread())


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("summaries", ["unread", "remembered"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ARCHS)
def test_time_all_layers(benchmark, name, policy, summaries):
    wanted = expected(name, policy)
    known = unread()
    run(name, policy, known)

    def setup():
        return (name, policy, known if summaries == "remembered" else unread()), {}

    found = benchmark.pedantic(run, setup=setup, rounds=15)
    assert found == wanted
    for layer, timing in zip(layers(), found, strict=True):
        asked = layer.shape.outputs if layer.mask is None else layer.mask.count()
        assert timing.demanded_macs == asked * layer.shape.macs_per_output
        assert timing.counts.macs_dense == layer.shape.macs
