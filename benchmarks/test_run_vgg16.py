"""VGG-16 on each array, dense and under `zap`; the reference is one count of the bits of all masks.

pytest benchmarks            # the bundled trace if it is there, else correlated random masks of the same shapes
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.builders import arch, random_layer
from tests.published.networks import vgg16
from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.policy import PRESETS
from zapsim.simulation import run_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace

BUNDLED = Path(__file__).parents[1] / "traces" / "vgg16_hed_chelsea.safetensors"
ARCHS = tuple(name for name in known_archs() if not name.startswith("eyeriss_4") and name != "eyeriss_alexnet")


@cache
def layers() -> tuple[LayerTrace, ...]:
    if BUNDLED.exists():
        return tuple(Trace(BUNDLED).layers())
    rng = np.random.default_rng(0)
    first, *others = (random_layer(rng, shape, correlated=True) for shape in vgg16(1).layers)
    return (
        LayerTrace(shape=first.shape, ifmap_nonzero=first.ifmap_nonzero, ofmap_nonzero=first.ofmap_nonzero),
        *others,
    )


def test_reference_count_all_masks(benchmark):
    """The least that anything that reads the masks takes; the table gives the others as multiples of it."""
    masks = [layer.mask for layer in layers() if layer.mask is not None]

    def unread():
        return [PackedMap(mask.bits, mask.channels) for mask in masks], {}

    # One round per set of maps: a map that has been counted remembers it.
    counted = benchmark.pedantic(
        lambda *maps: sum(packed.count() for packed in maps), setup=unread, rounds=50, iterations=1, warmup_rounds=2
    )
    assert counted == sum(int(np.bitwise_count(mask.bits).sum(dtype=np.int64)) for mask in masks)


def test_reference_read_all_masks(benchmark):
    """Memory bandwidth: one sum over the bytes of all masks."""
    masks = np.concatenate([layer.mask.bits.ravel() for layer in layers() if layer.mask is not None])
    words = masks[: len(masks) // 8 * 8].view(np.uint64)
    assert benchmark(lambda: int(np.bitwise_or.reduce(words))) == 2**64 - 1


@pytest.mark.parametrize("name", [*ARCHS, "output-stationary", "input-stationary"])
@pytest.mark.parametrize("policy", ["dense", "zap"])
def test_run_all_layers(benchmark, name, policy):
    spec = load_arch(name) if name in ARCHS else arch(name, array={"dataflow": name, "rows": 16, "cols": 16})

    def run():
        return [run_layer(spec, layer, PRESETS[policy]) for layer in layers()]

    outcomes = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    for layer, outcome in zip(layers(), outcomes, strict=True):
        counts = outcome.counts
        asked = layer.shape.outputs if policy == "dense" or layer.mask is None else layer.mask.count()
        assert outcome.demanded_macs == asked * layer.shape.macs_per_output
        assert counts.macs_executed - counts.macs_lost == outcome.demanded_macs
        assert counts.macs_executed + counts.macs_skipped == layer.shape.macs
