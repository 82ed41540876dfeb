"""Maps are read once: what is remembered of them is what reading them again would find."""

import numpy as np
import pytest

from tests.builders import arch, conv, random_layer, random_map
from zapsim.arch.policy import PRESETS, preset
from zapsim.arrays.engines import ENGINES
from zapsim.timing.layer import time_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace


def test_a_summary_is_computed_once_for_each_map_and_argument(rng):
    calls = []

    def scaled(found: PackedMap, factor: int) -> int:
        calls.append((found, factor))
        return factor * found.count()

    maps = [random_map(rng, (1, 3, 4, 9), 0.5) for _ in range(2)]
    for _ in range(3):
        for found in maps:
            for factor in (2, 3):
                assert found.summary(scaled, factor) == factor * found.unpack().sum()
    assert calls == [(found, factor) for found in maps for factor in (2, 3)]


@pytest.mark.parametrize("channels", [1, 8, 9, 63, 64, 65, 200])
def test_words_hold_the_channels_in_order(rng, channels):
    values = rng.random((2, 3, 2, channels)) < 0.5
    words = PackedMap.from_bool(values).words()
    assert words.dtype == np.uint64
    assert words.shape == (2, 3, 2, -(-channels // 64))
    for c in range(words.shape[3] * 64):
        bit = words[..., c // 64] >> np.uint64(c % 64) & np.uint64(1)
        assert (bit == (values[..., c] if c < channels else 0)).all()


@pytest.mark.parametrize("start", [0, 1, 3])
def test_maps_may_lie_anywhere_in_a_file(rng, start):
    values = rng.random((1, 4, 2, 64)) < 0.5
    stored = np.concatenate([np.zeros(start, np.uint8), PackedMap.from_bool(values).bits.reshape(-1)])
    found = PackedMap(stored[start:].reshape(1, 4, 2, 8), 64)
    assert found.count() == values.sum()
    assert found.words().flags.aligned
    assert (found.words() == PackedMap.from_bool(values).words()).all()


def test_layers_of_one_shape_share_their_pattern(rng):
    first, second = (random_layer(rng, conv(name)) for name in ("a", "b"))
    assert first.pattern_outputs() is second.pattern_outputs()
    assert (first.pattern_outputs().unpack()[0, :, :, 0] == first.pattern_positions()).all()


@pytest.mark.kernels
@pytest.mark.parametrize("dataflow", ENGINES)
def test_what_is_remembered_changes_nothing(rng, dataflow):
    layer = random_layer(rng, conv(N=2, K=70, C=6, groups=2), correlated=True)

    def unread() -> LayerTrace:
        maps = {name: getattr(layer, name) for name in ("ifmap_nonzero", "ofmap_nonzero", "mask")}
        copies = {name: PackedMap(found.bits, found.channels) for name, found in maps.items()}
        return LayerTrace(shape=layer.shape, setting=layer.setting, **copies)

    gate = ["zap-gate"] if "gate" in ENGINES[dataflow].served.outputs else []
    for name in ("dense", "zap", *gate, "zap-perfect", "oracle"):
        policy = preset(name, "gate") if name != "dense" else PRESETS[name]
        assert time_layer(ENGINES[dataflow], arch(dataflow), layer, policy) == time_layer(
            ENGINES[dataflow], arch(dataflow), unread(), policy
        )
