"""One sentence about a result: true when things are equal, better, worse or tied, and about what dominates a loss."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import conv
from zapsim.comparison import Comparison, Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS
from zapsim.report.attribution import Explanation, Step, cycle_losses, energy_losses
from zapsim.report.conclusion import (
    of_comparison,
    of_evaluations,
    of_explanation,
    of_fronts,
    of_run,
)
from zapsim.report.phrases import change, main_causes
from zapsim.results import LayerResult, RunResult
from zapsim.workloads.synthetic import SYNTHETIC_NOTE


def outcome(skipped=0, energy=1e6, macs=1000, **cycles):
    """Return an outcome with `skipped` of its MACs left out, and all of its energy in one component."""
    counts = Counts(macs_executed=macs - skipped, macs_skipped=skipped)
    parts = dict.fromkeys(COMPONENTS, 0.0) | {"mac": energy}
    return Outcome(Cycles(**cycles), counts, parts, macs - skipped, 0, 1)


BEFORE = outcome(compute=800, filter_load=100, dram_read=100)


def run(after, before=BEFORE, **changes):
    result = RunResult(
        network="net", images=("a",), operating_point="t=0", patterns=("1/2",), thresholds=(0.0,), quality={},
        quality_note="", arch="chip", arch_summary="2×2", clock_hz=1e6, energy_note="", policy="zap", baseline="dense",
        layers=(LayerResult(conv(), "pattern 1/2, threshold 0", Comparison(before, after)),), provenance={},
    )  # fmt: skip
    return replace(result, **changes)


@pytest.mark.parametrize(
    ("before", "after", "noun", "words"),
    [
        (100, 65, "MACs", "35 % fewer MACs"),
        (100, 113, "cycles", "13 % more cycles"),
        (100, 96.4, "energy", "3.6 % less energy"),
        (100, 100, "cycles", "as many cycles"),
        (100, 100, "energy", "as much energy"),
        (0, 0, "time", "as much time"),
        (1e6, 1e6 + 1, "cycles", "nearly as many cycles"),
        (100, 342, "time", "3.4 times as much time"),
        (1, 20, "time", "20 times as much time"),
        (1e6, 1, "MACs", "over 99.9 % fewer MACs"),
        (100, 0, "cycles", "no cycles"),
        (100, 190.04, "time", "90 % more time"),
    ],
)
def test_changes_in_words(before, after, noun, words):
    assert change(before, after, noun) == words


def test_fewer_macs_and_more_cycles_is_said_with_its_main_cause():
    after = outcome(350, energy=1.04e6, compute=520, filter_load=200, dram_read=410)
    # Had everything fallen by 35 %: 520, 65 and 65 cycles. DRAM loses 345 cycles of 480, filter loads 135.
    assert of_run(run(after)) == (
        "Compared with dense, chip under zap does 35 % fewer MACs, takes 13 % more cycles and 4.0 % more energy; "
        "the masks could save 35 % of the cycles; the loss is mostly due to waiting for DRAM."
    )


def test_two_causes_are_named_if_neither_outweighs_the_rest():
    after = outcome(500, energy=0.9e6, compute=400, imbalance=100, filter_load=200, dram_read=150)
    # Lost: 100 to imbalance, 150 to filter loads, 100 to DRAM: only two of them make more than half of 350.
    assert of_run(run(after)) == (
        "Compared with dense, chip under zap does 50 % fewer MACs, takes 15 % fewer cycles and 10 % less energy; "
        "the masks could save 50 % of the cycles; the loss is mostly due to loading the array and "
        "waiting for the busiest PE."
    )


def test_no_more_than_two_causes_are_named():
    lost = {"imbalance": 26.0, "DRAM": 24.0, "buses": 23.0, "predictor": 22.0, "errors": 5.0}
    assert main_causes(lost) == ("above all", "waiting for the busiest PE and waiting for DRAM")
    assert main_causes({"DRAM": 1.0, "buses": 0.0}) == ("mostly", "waiting for DRAM")


def test_the_same_causes_are_named_once():
    steps = (Step("zero outputs", 0.5), Step("pattern", -0.2))
    text = of_explanation(Explanation(run(outcome(500, energy=0.95e6, compute=850)), steps, steps))
    assert text.endswith("; the loss of both is mostly due to zeros in the pattern.")


def test_equal_and_without_a_loss():
    assert of_run(run(BEFORE)).startswith(
        "Compared with dense, chip under zap does as many MACs, takes as many cycles and as much energy; most of "
        "the cycles (80 %) are spent computing"
    )
    ideal = outcome(500, energy=0.5e6, compute=400, filter_load=50, dram_read=50)
    assert of_run(run(ideal)).endswith("the masks could save 50 % of the cycles, and hardly any of that is lost.")


def test_a_policy_that_only_gates_is_judged_by_its_energy():
    after = replace(outcome(500, energy=0.8e6, compute=800, filter_load=100, dram_read=100))
    text = of_run(run(after, policy="zap-gate"))
    assert "takes as many cycles and 20 % less energy" in text
    assert text.endswith("could save 50 % of the energy; the loss is mostly due to the MAC units.")


def test_a_dense_run_is_not_compared_with_itself():
    assert of_run(run(BEFORE, policy="dense")) == (
        "Under dense, chip takes 1 ms and 0.001 mJ; most of the cycles (80 %) are spent computing."
    )


def test_a_reference_is_compared_in_time():
    fast = run(outcome(compute=500), policy="dense", arch="other", clock_hz=2e6)
    text = of_run(run(BEFORE), fast)
    assert text.endswith("; against other under dense it takes 4.0 times as much time and as much energy.")


def test_synthetic_masks_are_named():
    assert "under zap (synthetic masks)" in of_run(run(BEFORE, quality_note=SYNTHETIC_NOTE))


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 1000), min_size=10, max_size=10),
    st.lists(st.integers(0, 1000), min_size=10, max_size=10),
    st.integers(0, 1000),
)
def test_losses_sum_to_what_is_missing(before, after, skipped):
    names = list(Cycles().as_dict())
    before[0] += 1
    result = run(
        outcome(skipped, energy=2e6, **dict(zip(names, after, strict=True))),
        outcome(energy=5e6, **dict(zip(names, before, strict=True))),
    )
    total = result.total
    possible = skipped / 1000
    assert sum(step.share for step in cycle_losses(result)) == pytest.approx(total.cycle_saving - possible)
    assert sum(step.share for step in energy_losses(result)) == pytest.approx(total.energy_saving - possible)
    assert of_run(result).endswith(".")


def test_an_explanation():
    cycles = (Step("zero outputs", 0.5), Step("pattern", -0.2), Step("imbalance", -0.1), Step("DRAM", -0.05))
    energy = (Step("zero outputs", 0.4), Step("pattern", -0.1), Step("clock", -0.25))
    result = run(outcome(500, energy=0.95e6, compute=850))
    assert of_explanation(Explanation(result, cycles, energy)) == (
        "Zero outputs could save 50 % of the cycles and 40 % of the energy of chip; zap takes 15 % fewer cycles and "
        "5.0 % less energy; the loss of cycles is mostly due to zeros in the pattern; the loss of energy is "
        "mostly due to the clock network."
    )
    lossless = Explanation(result, cycles[:1], energy[:1])
    assert of_explanation(lossless).endswith("; nothing is lost.")


@dataclass
class Design:
    """A design of one layer."""

    name: str
    layer: Outcome
    clock: float = 1e6

    @property
    def layers(self):
        return {"conv": self.layer}


def test_two_designs():
    other = outcome(energy=1.5e6, compute=300, filter_load=100, dram_read=100)
    assert of_comparison(Design("x", BEFORE), Design("y", other)) == (
        "Compared with A (x), B (y) takes 50 % less time but 50 % more energy; the saved time was mostly spent "
        "computing."
    )
    slow = Design("y", BEFORE, 0.5e6)
    assert of_comparison(Design("x", BEFORE), slow).endswith(
        "takes 2.0 times as much time and as much energy; the extra time is mostly spent computing."
    )
    assert of_comparison(Design("x", BEFORE), Design("x", BEFORE)) == (
        "Compared with A (x), B (x) takes as much time and as much energy."
    )


def test_different_work_is_compared_per_mac():
    twice = BEFORE + BEFORE
    assert of_comparison(Design("x", BEFORE), Design("y", twice)) == (
        "Per MAC (A runs 0.001 M, B 0.002 M), compared with A (x), B (y) takes as much time and as much energy."
    )


@pytest.mark.parametrize(
    ("volumes", "attained", "words"),
    [
        ((2.0, 2.0), (1.0, 1.0), "A (x) and B (y) reach the same front."),
        (
            (2.0, 1.0), (1.0, 0.0),
            "The front of A (x) attains all of that of B (y), which attains none of it; A's dominates 2.0 times as "
            "much hypervolume as B's.",
        ),
        (
            (1.0, 1.2), (0.25, 1.0),
            "The front of B (y) attains all of that of A (x), which attains only 25 % of it; B's dominates 20 % more "
            "hypervolume than A's.",
        ),
        (
            (1.0, 1.0), (0.5, 0.4),
            "Neither front attains the other: A (x) attains 50 % of the designs on B's front, and B (y) 40 % of those "
            "on A's; both dominate the same hypervolume.",
        ),
    ],
)  # fmt: skip
def test_two_fronts(volumes, attained, words):
    assert of_fronts("x", "y", volumes, attained) == words


@dataclass
class Figure:
    """A figure with its interval."""

    value: float
    low: float
    high: float


@dataclass
class Row:
    """A row of an evaluation."""

    name: str
    macs_saved: float
    lost: float
    images: int = 500
    figures: dict = field(default_factory=dict)

    def __post_init__(self):
        self.figures = {"top1_lost": Figure(self.lost, self.lost - 0.01, self.lost + 0.01)}


def test_an_evaluation():
    rows = [Row("perfect", 0.5, 0.0), Row("t=0", 0.3, 0.005), Row("random", 0.3, 0.2)]
    assert of_evaluations(rows, "t=0") == (
        "t=0 saves 30 % of the MACs, net of the predictors' own, and loses 0.50 points of top-1 accuracy (95 %: -0.50 "
        "to 1.50) on 500 images; no other row saves as much and loses less."
    )
    assert of_evaluations([*rows, Row("neighbours", 0.31, 0.004)], "t=0").endswith(
        "; neighbours saves at least as much and loses less."
    )
    assert of_evaluations([Row("t=0", -0.01, -0.002)], "t=0") == (
        "t=0 adds 1.0 % to the MACs, net of the predictors' own, and gains 0.20 points of top-1 accuracy (95 %: -0.80 "
        "to 1.20) on 500 images."
    )
