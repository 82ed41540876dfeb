"""What holds on every engine, under every policy, for any layer and mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import ARRAYS, OneCycleAnOutput, arch, conv, random_layer, with_mask
from tests.reference.systolic_cases import shapes
from zapsim.arch.policy import PRESETS, Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engines import ENGINES
from zapsim.errors import PolicyError
from zapsim.patterns import PATTERNS
from zapsim.timing.combination import LayerTiming
from zapsim.timing.layer import time_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace

pytestmark = pytest.mark.kernels

ANY_ENGINE: dict[str, tuple[Engine, ArchSpec]] = {
    "one cycle an output": (OneCycleAnOutput(), arch()),
    **{dataflow: (ENGINES[dataflow], arch(dataflow)) for dataflow in ARRAYS},
}
on_every_engine = pytest.mark.parametrize("name", ANY_ENGINE)
few = settings(max_examples=15)

POLICIES = [
    policy
    for name in ("dense", "gate-input", "zap-gate", "zap", "zap-perfect", "oracle")
    for policy in (
        PRESETS[name],
        Policy(f"{name}, gated inputs", PRESETS[name].outputs, "gate", PRESETS[name].knowledge),
    )
]
EXACT = ("one cycle an output", "row-stationary", "output-lanes")
"""Engines that execute just what is asked for; the others execute whole vectors."""


def serves(name: str, policy: Policy) -> bool:
    """Say whether an engine serves the policy: an output-stationary array cannot gate outputs."""
    return policy.outputs in ANY_ENGINE[name][0].served.outputs


def run(name: str, layer: LayerTrace, policy: Policy) -> LayerTiming:
    engine, spec = ANY_ENGINE[name]
    return time_layer(engine, spec, layer, policy)


@st.composite
def layers(draw: st.DrawFn, miss: float | None = None) -> LayerTrace:
    """Draw a predicted layer with correlated or independent masks."""
    return random_layer(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        draw(shapes(largest=4)),
        pattern=draw(st.sampled_from(PATTERNS)),
        density=draw(st.sampled_from([0.0, 0.2, 0.5, 0.9])),
        correlated=draw(st.booleans()),
        miss=draw(st.sampled_from([0.0, 0.1, 0.5])) if miss is None else miss,
    )


def full(layer: LayerTrace) -> PackedMap:
    shape = layer.shape
    return PackedMap.full(shape.N, shape.P, shape.Q, shape.K)


@on_every_engine
@few
@given(layers(), st.sampled_from(POLICIES))
def test_macs_are_conserved(name: str, layer: LayerTrace, policy: Policy) -> None:
    if not serves(name, policy):
        return
    timing = run(name, layer, policy)
    counts, shape = timing.counts, layer.shape
    assert counts.macs_executed + counts.macs_gated + counts.macs_skipped == counts.macs_dense == shape.macs
    assert min(counts.as_dict().values()) >= 0
    assert min(timing.cycles.as_dict().values()) >= 0
    if policy.outputs == "skip":
        # What nobody asked for is skipped, or else lost to the array's rigidity.
        assert counts.macs_skipped + counts.macs_lost == shape.macs - timing.demanded_macs
    else:
        assert counts.macs_skipped == counts.macs_lost == 0
    if name in EXACT:
        assert counts.macs_lost == 0


@on_every_engine
@few
@given(layers(), st.sampled_from(POLICIES))
def test_an_all_ones_mask_is_the_dense_layer(name: str, layer: LayerTrace, policy: Policy) -> None:
    if not serves(name, policy):
        return
    ones = LayerTrace(
        shape=layer.shape,
        ifmap_nonzero=layer.ifmap_nonzero,
        ofmap_nonzero=full(layer),
        mask=full(layer),
        setting=layer.setting,
    )
    assert run(name, ones, policy) == run(name, ones, Policy("dense", inputs=policy.inputs))


@on_every_engine
@few
@given(layers())
def test_gated_outputs_take_dense_cycles(name: str, layer: LayerTrace) -> None:
    if not serves(name, PRESETS["zap-gate"]):
        with pytest.raises(PolicyError, match="use zap, which skips"):
            run(name, layer, PRESETS["zap-gate"])
        return
    dense, gated = run(name, layer, PRESETS["dense"]), run(name, layer, PRESETS["zap-gate"])
    array = {part: cycles for part, cycles in gated.cycles.as_dict().items() if part != "predictor"}
    assert array == {part: cycles for part, cycles in dense.cycles.as_dict().items() if part != "predictor"}
    # The predictor delays the array only where it is slower than the whole layer.
    assert gated.cycles.predictor == max(gated.predictor_busy_cycles - dense.cycles.total, 0)
    # How early an array knows that an output is to be gated is its own affair.
    demanded = layer.mask.count() * layer.shape.macs_per_output
    assert demanded <= gated.counts.macs_executed <= layer.shape.macs


@on_every_engine
@few
@given(layers(miss=0.3))
def test_gated_inputs_change_no_cycles(name: str, layer: LayerTrace) -> None:
    for outputs in sorted({"dense", "gate", "skip"} & ANY_ENGINE[name][0].served.outputs):
        plain, gated = (run(name, layer, Policy("custom", outputs, inputs)) for inputs in ("dense", "gate"))
        assert plain.cycles == gated.cycles
        assert gated.counts.macs_executed <= plain.counts.macs_executed
        assert gated.counts.macs_skipped == plain.counts.macs_skipped


@on_every_engine
@few
@given(st.data())
def test_who_executes_less(name: str, data: st.DataObject) -> None:
    """Dense ≥ zap ≥ zap-perfect ≥ oracle, as far as each computes what the next one computes.

    A perfect predictor computes the pattern and all non-zeros, an oracle the non-zeros alone. A real predictor computes
    all that a perfect one does only if it never skips a non-zero; else it may execute less, at the price of errors.
    """
    layer = data.draw(layers())
    careful = with_mask(layer, layer.mask | layer.ofmap_nonzero)
    executed = [
        run(name, careful, PRESETS[policy]).counts.macs_executed for policy in ("dense", "zap", "zap-perfect", "oracle")
    ]
    if name == "input-stationary":
        # One stage streams to a tile of pixels all filters that any of them needs; two stages stream fewer to each.
        executed, oracle = executed[:3], executed[3]
        assert oracle <= executed[0]
    assert executed == sorted(executed, reverse=True)


def test_a_predictor_that_errs_can_execute_less_than_a_perfect_one() -> None:
    layer = random_layer(np.random.default_rng(0), conv(), density=0.9)
    blind = with_mask(layer, layer.pattern_outputs())
    perfect = run("one cycle an output", layer, PRESETS["zap-perfect"])
    assert run("one cycle an output", blind, PRESETS["zap"]).counts.macs_executed < perfect.counts.macs_executed


@on_every_engine
@few
@given(st.data())
def test_more_zeros_never_raise_executed_macs(name: str, data: st.DataObject) -> None:
    layer = data.draw(layers())
    kept = np.random.default_rng(data.draw(st.integers(0, 99))).random(layer.mask.unpack().shape) < 0.7
    fewer = with_mask(layer, layer.mask & PackedMap.from_bool(kept) | layer.pattern_outputs())
    policies = (PRESETS["zap"], PRESETS["zap-gate"], Policy("custom", "skip", "gate"))
    for policy in (policy for policy in policies if serves(name, policy)):
        more, less = run(name, layer, policy), run(name, fewer, policy)
        assert less.counts.macs_executed <= more.counts.macs_executed
        dense = run(name, layer, Policy("dense", inputs=policy.inputs))
        assert more.counts.macs_executed <= dense.counts.macs_executed
    zeros = layer.ifmap_nonzero & PackedMap.from_bool(
        np.random.default_rng(1).random((layer.shape.N, layer.shape.H, layer.shape.W, layer.shape.C)) < 0.5
    )
    sparser = LayerTrace(
        **{field: getattr(layer, field) for field in LayerTrace.model_fields} | {"ifmap_nonzero": zeros}
    )
    for policy in (policy for policy in POLICIES[1::2] if serves(name, policy)):
        assert run(name, sparser, policy).counts.macs_executed <= run(name, layer, policy).counts.macs_executed


@on_every_engine
@few
@given(layers())
def test_stages_are_timed_by_what_they_ask_for(name: str, layer: LayerTrace) -> None:
    """The parts of the cycles are the stages'; predictor and DRAM are all that adds to them."""
    ideal = arch(predictor={"unit": "ideal"}, array=ANY_ENGINE[name][1].array)
    free = time_layer(ANY_ENGINE[name][0], ideal, layer, PRESETS["zap"])
    paid = run(name, layer, PRESETS["zap"])
    waits = {"predictor": 0, "dram_read": 0, "dram_write": 0, "buffer": 0}
    assert paid.cycles.but(**waits) == free.cycles.but(**waits)
    assert paid.cycles.total >= free.cycles.total
    assert free.cycles.predictor == free.predictor_busy_cycles == free.counts.predictor_macs == 0
    assert paid.demanded_macs == free.demanded_macs == layer.mask.count() * layer.shape.macs_per_output
