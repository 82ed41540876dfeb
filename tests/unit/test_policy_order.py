"""What better policies must be better at, on the bundled traces of real networks, on every kind of array."""

from functools import cache
from pathlib import Path

import pytest

from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.comparison import Comparison
from zapsim.errors import PolicyError
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

TRACES = Path(__file__).parents[2] / "traces"
NETWORKS = ("digits_cnn", "vgg16_hed_chelsea")
ARRAYS = {
    "eyeriss": (),
    "systolic_16x16": (),
    "systolic_16x16, output-stationary": ("array.dataflow=output-stationary",),
    "systolic_16x16, input-stationary": ("array.dataflow=input-stationary",),
    "tpu_128x128": (),
    "lanes_256": (),
    "snapea": (),
    "cnvlutin_like": (),
}

pytestmark = [pytest.mark.parametrize("array", ARRAYS), pytest.mark.parametrize("network", NETWORKS)]


@cache
def run(array: str, network: str, policy: str) -> Comparison:
    spec = load_arch(array.split(",", maxsplit=1)[0], ARRAYS[array])
    return simulate(spec, Trace(TRACES / f"{network}.safetensors"), preset(policy, spec.inputs)).total


def test_executed_macs_fall_as_masks_shrink(array: str, network: str) -> None:
    """A predictor's mask need not hold a perfect one's: it also leaves out outputs that are not zero."""
    policies = ("dense", "zap-perfect", "oracle", "zap")
    dense, perfect, oracle, zap = (run(array, network, policy).policy.counts for policy in policies)
    assert dense.macs_executed == dense.macs_dense
    assert dense.macs_executed >= perfect.macs_executed >= oracle.macs_executed
    assert zap.macs_executed <= dense.macs_executed
    assert dense.macs_dense == perfect.macs_dense == oracle.macs_dense


def test_a_perfect_predictor_asks_for_less(array: str, network: str) -> None:
    asked = [run(array, network, policy).policy.demanded_macs for policy in ("dense", "zap", "zap-perfect", "oracle")]
    assert asked == sorted(asked, reverse=True)


def test_gated_outputs_take_the_array_s_time_and_less_energy(array: str, network: str) -> None:
    """The total may differ: a busy predictor, and an ofmap with more zeros where DRAM holds it coded.

    Lanes finish an output before the next one, so they can gate all MACs of a predicted output. Row-stationary and
    systolic arrays know the mask so late that the MACs which they gate may be worth less than the predictor.
    """
    if "output-stationary" in array:
        with pytest.raises(PolicyError, match="use zap, which skips"):
            run(array, network, "zap-gate")
        return
    found = run(array, network, "zap-gate")
    before, after = (one.cycles.as_dict() for one in (found.baseline, found.policy))
    for part in ("compute", "imbalance", "ifmap_bus", "psum_bus", "filter_load", "ramp"):
        assert after[part] == before[part], part
    assert found.policy.cycles.total - after["predictor"] <= found.baseline.cycles.total
    if array in {"lanes_256", "snapea", "cnvlutin_like"}:
        assert found.energy_saving > 0
    assert found.policy.counts.macs_executed < found.baseline.counts.macs_executed
    assert found.policy.energy_pj["mac"] < found.baseline.energy_pj["mac"]


def test_perfect_knowledge_never_costs_energy(array: str, network: str) -> None:
    """Unless it executes more: on a rigid array, errors inside regions of zeros may free whole vectors."""
    zap, perfect = run(array, network, "zap").policy, run(array, network, "zap-perfect").policy
    oracle = run(array, network, "oracle").policy
    assert oracle.total_energy_pj <= perfect.total_energy_pj * (1 + 1e-9)
    if perfect.counts.macs_executed <= zap.counts.macs_executed:
        assert perfect.total_energy_pj <= zap.total_energy_pj * (1 + 1e-9)
