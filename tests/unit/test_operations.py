"""How much Python a layer takes: calls are counted, not seconds, so that the test is the same on every machine."""

import cProfile
import pstats

import pytest

from tests.builders import arch, conv, random_layer
from zapsim.arch.policy import PRESETS
from zapsim.arrays.engines import ENGINES
from zapsim.exploration.family import Family
from zapsim.simulation import run_layer
from zapsim.timing.residency import NOTHING_STAYS

MOST_CALLS = {
    "row-stationary": 270,
    "weight-stationary": 260,
    "output-stationary": 260,
    "input-stationary": 420,
    "output-lanes": 350,
}
"""Calls of a predicted layer that has run before: about a quarter more than it takes."""


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
        family.run(layer, NOTHING_STAYS)
    family.sums()
    profile.disable()
    return pstats.Stats(profile).total_calls


def test_a_design_that_shares_its_tiles_takes_few_calls(rng):
    layers = [random_layer(rng, conv(C=8, K=16, H=8, W=9)) for _ in range(2)]
    calls_together(2, layers)
    few, many = calls_together(2, layers), calls_together(10, layers)
    assert many - few <= 8 * MOST_CALLS_OF_A_DESIGN
