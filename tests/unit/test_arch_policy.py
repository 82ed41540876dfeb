"""Policies: presets, and what each is compared with."""

import pytest

from zapsim.arch.policy import PRESETS, Policy, preset
from zapsim.errors import PolicyError


def test_presets_carry_their_names():
    assert all(policy.name == name for name, policy in PRESETS.items())


@pytest.mark.parametrize("name", ["zap", "zap-gate", "zap-perfect", "oracle"])
@pytest.mark.parametrize("inputs", ["dense", "gate"])
def test_output_policies_take_the_inputs_of_the_architecture(name, inputs):
    policy = preset(name, inputs)
    assert (policy.name, policy.inputs) == (name, inputs)
    assert (policy.outputs, policy.knowledge) == (PRESETS[name].outputs, PRESETS[name].knowledge)


@pytest.mark.parametrize("inputs", ["dense", "gate"])
def test_dense_and_gate_input_say_themselves_what_inputs_do(inputs):
    assert preset("dense", inputs).inputs == "dense"
    assert preset("gate-input", inputs).inputs == "gate"


@pytest.mark.parametrize(
    ("name", "inputs", "baseline"),
    [
        ("dense", "gate", "dense"),
        ("gate-input", "gate", "dense"),
        ("zap", "gate", "gate-input"),
        ("zap", "dense", "dense"),
        ("oracle", "gate", "gate-input"),
    ],
)
def test_baseline_has_dense_outputs_and_the_same_inputs(name, inputs, baseline):
    assert preset(name, inputs).baseline() == PRESETS[baseline]


def test_baseline_of_a_custom_policy():
    assert Policy("custom", outputs="gate", inputs="gate").baseline() == PRESETS["gate-input"]


def test_unknown_policy():
    with pytest.raises(PolicyError) as caught:
        preset("zapp", "dense")
    known = ", ".join(PRESETS)
    assert str(caught.value) == f"unknown policy 'zapp' (did you mean 'zap'?); known: {known}"
