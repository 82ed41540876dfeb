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
from zapsim.arrays.engines import ENGINES
from zapsim.exploration.family import Family, Timelines
from zapsim.simulation import layer_timing, run_layer
from zapsim.timing.residency import NOTHING_STAYS

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


MOST_CALLS_OF_A_DESIGN = 230
"""Calls that one more design takes for a network of two layers, if only its predictor is faster: its sums and energies,
whatever its array; about a quarter more than it takes."""


def calls_together(designs, layers) -> int:
    spec = arch("row-stationary")
    faster = [spec.predictor.model_copy(update={"lanes": lanes}) for lanes in range(1, designs + 1)]
    family = Family([spec.model_copy(update={"predictor": unit}) for unit in faster], PRESETS["zap"], ENGINES)
    profile = cProfile.Profile()
    profile.enable()
    for layer in layers:
        family.run(layer, NOTHING_STAYS, Timelines())
    family.sums()
    profile.disable()
    return pstats.Stats(profile).total_calls


def test_a_design_that_shares_its_tiles_takes_few_calls(rng):
    layers = [random_layer(rng, conv(C=8, K=16, H=8, W=9)) for _ in range(2)]
    calls_together(2, layers)
    few, many = calls_together(2, layers), calls_together(10, layers)
    assert many - few <= 8 * MOST_CALLS_OF_A_DESIGN


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
        assert layer_timing(spec, layer, PRESETS["zap"]).timeline.schedule is not None  # compiles, finds mappings
    called = kernels_called()
    for layer, most_tiles in zip(layers, MOST_TILES[dataflow], strict=True):
        called.clear()
        timing = layer_timing(spec, layer, PRESETS["zap"])
        assert 0 < len(called) <= MOST_KERNELS[dataflow], called
        called.clear()
        assert 0 < len(timing.timeline.schedule.cycles) <= most_tiles
