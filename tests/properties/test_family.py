"""Designs of a family that run at once take what each takes alone."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import arch
from tests.properties.test_cached_engine import LAYERS, archs
from zapsim.arch.policy import preset
from zapsim.arrays.engines import ENGINES
from zapsim.errors import ZapsimError
from zapsim.exploration.family import Family, Timelines, fair_baselines, family_key
from zapsim.kernels.timeline import run_layer
from zapsim.kernels.timeline_rows import JOB_LATENCY, UNIT_CYCLES, run_rows
from zapsim.simulation import layer_outcome, layer_timings
from zapsim.timing.layer import layer_work
from zapsim.timing.residency import NOTHING_STAYS
from zapsim.timing.timeline.schedule import layer_plan

pytestmark = pytest.mark.kernels

SPEEDS = st.lists(st.tuples(st.sampled_from([1, 2, 9, 500]), st.sampled_from([0, 3])), min_size=1, max_size=4)


def of_speed(spec, lanes, latency, mode):
    unit = spec.predictor.model_copy(update={"lanes": lanes, "latency": latency})
    gating = spec.clock_gating.model_copy(update={"mode": mode})
    return spec.model_copy(update={"predictor": unit, "clock_gating": gating})


@settings(max_examples=25)
@given(
    archs(),
    st.sampled_from(["dense", "gate-input", "zap-gate", "zap", "oracle", "skip-input"]),
    SPEEDS,
    st.sampled_from(["none", "stalled"]),
)
def test_together_is_alone(spec, name, speeds, mode):
    members = [of_speed(spec, *speed, mode) for speed in speeds]
    policy = preset(name, spec.inputs)
    policies = policy.baseline(), policy
    assert len({family_key(member, policy) for member in members}) == 1
    try:
        alone = [[layer_timings(member, layer, policies) for layer in LAYERS] for member in members]
    except ZapsimError:  # this array does not serve the policy
        with pytest.raises(ZapsimError):
            Family(members, policy, ENGINES).run(LAYERS[0], NOTHING_STAYS, Timelines())
        return
    families = [Family(members, one, ENGINES) for one in policies]
    for layer in LAYERS:
        timelines = Timelines()
        for family in families:
            family.run(layer, NOTHING_STAYS, timelines)
    for member, timings, *sums in zip(members, alone, *(family.sums() for family in families), strict=True):
        residency = [NOTHING_STAYS] * len(LAYERS)
        fair = fair_baselines(member, LAYERS, policies, tuple(sums), residency, ENGINES)
        for which, found in enumerate((fair, sums[1])):
            expected = [layer_outcome(member, timing[which]) for timing in timings]
            assert [found.layer(index, member) for index in range(len(LAYERS))] == expected
            assert found.total(member) == reduce(add, expected)
            assert found.plus(found).total(member).cycles == reduce(add, expected).cycles + reduce(add, expected).cycles


@settings(max_examples=25)
@given(archs(), st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([0, 5]), st.sampled_from([1, 7])), min_size=1))
def test_rows_of_numbers_are_layers(spec, changes):
    try:
        work = layer_work(ENGINES[spec.array.dataflow], spec, LAYERS[0], preset("zap", "dense"))
    except ZapsimError:
        return
    tiles = [stage.tiles for stage in work.stages]
    plan = layer_plan(work.arch, tiles, work.loads, work.ofmap_words, work.predictor.prediction)
    rows = np.repeat(plan.numbers[np.newaxis], len(changes), axis=0)
    for row, (cycles, latency, words) in zip(rows, changes, strict=True):
        row[UNIT_CYCLES], row[JOB_LATENCY] = cycles, latency
        row[0] *= words
    together = run_rows(*plan[:-1], rows)
    assert together.tolist() == [list(run_layer(*plan[:-1], row)) for row in rows]


@pytest.mark.parametrize(("layers", "same"), [("all", True), ("paying", False)])
def test_who_pays_depends_on_the_speed(layers, same):
    spec = arch("weight-stationary", predictor={"unit": "dedicated", "lanes": 2, "layers": layers})
    policy = preset("zap", "dense")
    assert (family_key(spec, policy) == family_key(of_speed(spec, 9, 0, "none"), policy)) == same
