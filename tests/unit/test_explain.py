"""Where the savings go: steps sum to the saving, a hand-worked layer, the command."""

import csv
import json
from pathlib import Path

import pytest

from tests.builders import write_trace
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.cli import main
from zapsim.errors import ZapsimError
from zapsim.report.attribution import CYCLE_CAUSES, explain
from zapsim.report.explanation import MEANINGS, render_explanation
from zapsim.report.view import View
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

ARRAYS = (
    ("eyeriss", ()), ("systolic_16x16", ()), ("systolic_16x16", ("array.dataflow=input-stationary",)),
    ("tpu_128x128", ("predictor.granularity=tile",)), ("lanes_256", ("predictor.unit=array",)),
)  # fmt: skip


def runs(name, changes=(), trace="traces/digits_cnn.safetensors"):
    arch, found = load_arch(name, changes), Trace(trace)
    return [simulate(arch, found, preset(policy, arch.inputs)) for policy in ("oracle", "zap-perfect", "zap")]


@pytest.mark.parametrize(("name", "changes"), ARRAYS)
def test_steps_sum_to_what_is_saved(name, changes):
    oracle, perfect, predicted = runs(name, changes)
    found = explain(oracle, perfect, predicted)
    assert sum(step.share for step in found.cycles) == pytest.approx(predicted.total.cycle_saving, abs=1e-12)
    assert sum(step.share for step in found.energy) == pytest.approx(predicted.total.energy_saving, abs=1e-12)


def test_steps_by_hand():
    oracle, perfect, predicted = runs("lanes_256")
    found = {step.cause: step.share for step in explain(oracle, perfect, predicted).cycles}
    weights = [layer.comparison.baseline.cycles.total for layer in predicted.layers]

    def left_out(run, layers):
        """Return the share of the cycles that would be saved if they fell as the demanded MACs."""
        skippable = [layer.comparison.skippable_share for layer in run.layers]
        return sum(skippable[layer] * weights[layer] for layer in layers) / sum(weights)

    everywhere, predicting = range(len(weights)), [1, 2]  # the first of three convolutions has no predictor
    assert found["zero outputs"] == pytest.approx(left_out(oracle, everywhere))
    assert found["no predictor"] == pytest.approx(-left_out(oracle, [0]))
    assert found["pattern"] == pytest.approx(left_out(perfect, predicting) - left_out(oracle, predicting))
    assert found["errors"] == pytest.approx(left_out(predicted, predicting) - left_out(perfect, predicting))
    waits = sum(layer.comparison.policy.cycles.predictor for layer in predicted.layers)
    assert found["predictor"] == pytest.approx(-waits / sum(weights))


def test_every_part_of_the_cycles_has_a_cause():
    cycles = runs("lanes_256")[0].total.policy.cycles
    named = [part for parts in CYCLE_CAUSES.values() for part in parts]
    assert sorted(named) == sorted(cycles.as_dict())
    assert set(CYCLE_CAUSES) < set(MEANINGS)


def test_runs_of_different_designs_are_refused():
    oracle, perfect, _ = runs("lanes_256")
    with pytest.raises(ZapsimError, match="different architectures"):
        explain(oracle, perfect, runs("lanes_256", ("array.pes=8",))[2])


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_on_the_command_line(tmp_path: Path, form: str, capsys):
    trace = str(write_trace(tmp_path / "t.safetensors"))
    out, plot = tmp_path / "out", tmp_path / "out.svg"
    command = ["explain", "--arch", "eyeriss", "--trace", trace, "--format", form, "--plot", str(plot)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert main([*command, "--out", str(out)]) == 0
    # A table on the screen has lines that fit, and less of what ran.
    shown, written = ((text.split()[:-40] if form == "table" else text) for text in (printed, out.read_text()))
    assert written[: len(shown)] == shown
    assert "zero outputs" in printed
    if form == "json":
        found = json.loads(printed)
        assert sum(found["cycles"].values()) == pytest.approx(found["saved"]["cycles"])
    if form == "csv":
        rows = list(csv.DictReader(line for line in printed.splitlines() if not line.startswith("#")))
        assert {row["of"] for row in rows} == {"cycles", "energy"}
    first = plot.read_bytes()
    assert main(command) == 0
    assert plot.read_bytes() == first


def test_what_is_shown_can_be_chosen(capsys):
    """Every figure has its unit, the table fits, and mistakes are refused before the work."""
    oracle, perfect, predicted = runs("lanes_256")
    explanation = explain(oracle, perfect, predicted)
    text = render_explanation(explanation, "table", View())
    assert text.startswith("Zero outputs could save ")
    assert max(map(len, text.splitlines())) <= 100
    assert "of the cycles, %  left, %" in text
    totals = render_explanation(explanation, "table", View(columns=("amount",), totals=True))
    saved = predicted.total.baseline.cycles.total - predicted.total.policy.cycles.total
    row = next(line.split() for line in totals.splitlines() if line.startswith(" cycles saved"))
    assert float(row[2].replace(",", "")) == pytest.approx(saved / 1e3, abs=0.05)  # in thousands
    for options, words in (
        (["--columns", "shares"], "--columns: no column 'shares' (did you mean 'share'?); known: share, left, amount"),
        (["--wide", "--format", "csv"], "--format csv holds everything"),
        (["--wide", "--columns", "share"], "--columns and --wide exclude each other"),
    ):
        assert main(["explain", "--arch", "lanes_256", "--trace", "digits_cnn", *options]) == 2
        assert words in capsys.readouterr().err


def test_a_plot_that_cannot_be_drawn_is_said_before_the_work(capsys):
    assert main(["explain", "--arch", "eyeriss", "--plot", "x.jpg"]) == 2
    assert "must end in one of" in capsys.readouterr().err
