"""How much a layer takes: calls, kernels and tiles are counted, not seconds: the same on every machine."""

import cProfile
import pstats
import sys

import numpy as np
import pytest
from numba.core import config
from numba.core.dispatcher import Dispatcher

from tests.builders import arch, conv, random_layer
from zapsim.arch.policy import PRESETS
from zapsim.simulation import layer_timing, run_layer

MOST_CALLS = {
    "row-stationary": 270,
    "weight-stationary": 260,
    "output-stationary": 260,
    "input-stationary": 420,
    "output-lanes": 350,
}
"""Calls of a predicted layer that has run before: about a quarter more than it takes."""

MOST_KERNELS = {
    "row-stationary": 13,
    "weight-stationary": 6,
    "output-stationary": 6,
    "input-stationary": 8,
    "output-lanes": 6,
}
"""Kernels that Python calls for such a layer."""

MOST_TILES = {
    "row-stationary": (4, 16),
    "weight-stationary": (684, 720),
    "output-stationary": (44, 179),
    "input-stationary": (744, 696),
    "output-lanes": (128, 512),
}
"""Tiles that the timeline of the small and of the large layer walks."""


def calls(dataflow, layer, spec) -> int:
    run_layer(spec, layer, PRESETS["zap"])
    profile = cProfile.Profile()
    profile.runcall(run_layer, spec, layer, PRESETS["zap"])
    return pstats.Stats(profile).total_calls


@pytest.mark.parametrize("dataflow", MOST_CALLS)
def test_calls_do_not_grow_with_the_layer(rng, dataflow):
    spec = arch(dataflow)
    small, large = (random_layer(rng, conv(C=8, K=16, H=size, W=9)) for size in (8, 32))
    few, many = calls(dataflow, small, spec), calls(dataflow, large, spec)
    assert many <= few + 30
    assert many <= MOST_CALLS[dataflow]


@pytest.fixture
def kernels_called(monkeypatch):
    """Start to note the names of kernels that Python calls; those that kernels call are not among them."""
    called = []

    def counted(kernel):
        def call(*args):
            called.append(kernel.__name__)
            return kernel(*args)

        return call

    def start():
        for module in [module for name, module in sys.modules.items() if name.startswith("zapsim.")]:
            for name, value in list(vars(module).items()):
                if isinstance(value, Dispatcher):
                    monkeypatch.setattr(module, name, counted(value))
        return called

    return start


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="kernels are plain functions where nothing is compiled")
@pytest.mark.parametrize("dataflow", MOST_KERNELS)
def test_kernels_and_tiles_are_few(kernels_called, dataflow):
    spec = arch(dataflow)
    layers = [random_layer(np.random.default_rng(0), conv(C=8, K=16, H=size, W=9)) for size in (8, 32)]
    for layer in layers:
        run_layer(spec, layer, PRESETS["zap"])  # compiles, finds mappings
    called = kernels_called()
    for layer, most_tiles in zip(layers, MOST_TILES[dataflow], strict=True):
        called.clear()
        timing = layer_timing(spec, layer, PRESETS["zap"])
        assert 0 < len(called) <= MOST_KERNELS[dataflow], called
        called.clear()
        assert 0 < len(timing.timeline.schedule.cycles) <= most_tiles
