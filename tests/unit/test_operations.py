"""How much Python a layer takes: calls are counted, not seconds, so that the test is the same on every machine."""

import cProfile
import pstats

import pytest

from tests.builders import arch, conv, random_layer
from zapsim.arch.policy import PRESETS
from zapsim.simulation import run_layer

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
