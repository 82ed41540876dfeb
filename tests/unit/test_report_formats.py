"""One result in five formats, against golden files (``pytest --overwrite`` writes them anew)."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.builders import conv
from zapsim.columns import DEFAULT, FILE_COLUMNS
from zapsim.comparison import Comparison, Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS
from zapsim.errors import ZapsimError
from zapsim.report.formats import FORMATS, print_table, render
from zapsim.report.view import View
from zapsim.results import LayerResult, RunResult
from zapsim.tracefile.reader import Trace


def outcome(cycles: Cycles, counts: Counts, *energy: float) -> Outcome:
    asked = counts.macs_executed + counts.macs_gated - counts.macs_lost
    return Outcome(cycles, counts, dict(zip(COMPONENTS, energy, strict=True)), asked, 40, 12)


PLAIN = Comparison(
    outcome(Cycles(compute=600_000, ramp=1000), Counts(macs_executed=2_000_000), 4e6, 1e6, 1e6, 1e6, 3e6, 0, 2e6, 0),
    outcome(Cycles(compute=600_000, ramp=1000), Counts(macs_executed=2_000_000), 4e6, 1e6, 1e6, 1e6, 3e6, 0, 2e6, 0),
)
PREDICTED = Comparison(
    outcome(Cycles(compute=4_000_000), Counts(macs_executed=30_000_000), 60e6, 2e7, 1e7, 1e7, 30e6, 0, 9e6, 0),
    outcome(
        Cycles(compute=2_000_000, psum_bus=2_500_000, predictor=100_000),
        Counts(macs_executed=24_000_000, macs_skipped=6_000_000, macs_lost=3_000_000, predictor_macs=90_000),
        48e6, 1.6e7, 1e7, 1e7, 30e6, 1.5e6, 1e7, 0,
    ),
)  # fmt: skip
RESULT = RunResult(
    network="tiny & co",
    images=("photo_1.png", "50% #2.png"),
    operating_point="t=0",
    patterns=("1/2",),
    thresholds=(0.25,),
    quality={"top1_agreement": 0.975},
    quality_note="2 pictures",
    arch="chip",
    arch_summary="12×14 row-stationary, 200 MHz",
    clock_hz=200e6,
    energy_note="energies scaled from 65 nm",
    policy="zap",
    baseline="gate-input",
    layers=(
        LayerResult(conv("conv_1"), "not predicted: first convolution", PLAIN),
        LayerResult(conv("a|b, {c}"), "pattern 1/2, threshold 0.25", PREDICTED),
    ),
    provenance={
        "zapsim": "0.1.0", "numpy": "2.0", "arch_sha256": "a" * 64, "trace_sha256": "b" * 64, "seed": 7,
        "policy": {"outputs": "skip", "inputs": "gate"},
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("form", "name"),
    [("table", "txt"), ("csv", "csv"), ("json", "json"), ("markdown", "md"), ("latex", "tex")],
)
def test_golden(golden, form, name):
    golden(f"result.{name}", render(RESULT, form))


def test_formats_are_those_of_the_command_line():
    from zapsim.cli.run import _FORMAT_OF, _FORMATS

    assert tuple(FORMATS) == _FORMATS
    assert set(_FORMAT_OF.values()) == set(FORMATS)


def test_json_holds_everything_with_its_provenance():
    found = json.loads(render(RESULT, "json"))
    assert found["provenance"] == RESULT.provenance
    assert [layer["shape"]["name"] for layer in found["layers"]] == ["conv_1", "a|b, {c}"]
    policy = found["layers"][1]["policy"]
    assert policy["counts"] == PREDICTED.policy.counts.as_dict()
    assert policy["total_cycles"] == sum(policy["cycles"].values()) == 4_600_000
    assert policy["total_energy_pj"] == pytest.approx(sum(policy["energy_pj"].values()))
    assert found["total"]["columns"] == {column.key: column.value(RESULT.total) for column in FILE_COLUMNS}


def test_csv_without_its_comments_is_a_table():
    lines = render(RESULT, "csv").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert any("trace_sha256 " + "b" * 64 in line and "seed 7" in line for line in comments)
    assert [row["layer"] for row in rows] == ["conv_1", "a|b, {c}", "total"]
    assert set(rows[0]) == {"layer", *(column.key for column in FILE_COLUMNS)}
    assert int(rows[2]["macs"]) == 32_000_000
    assert float(rows[1]["mac_saving"]) == 0.2
    assert float(rows[1]["skippable_share"]) == pytest.approx(0.3)


def test_markdown_has_one_cell_a_column():
    table = [line for line in render(RESULT, "markdown").splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in table} == {len(DEFAULT) + 2}


def test_latex_leaves_no_character_that_means_something_else():
    text = render(RESULT, "latex")
    assert r"tiny \& co on photo\_1.png, 50\% \#2.png" in text
    assert r"a|b, \{c\} & 30,000.0" in text
    for line in text.splitlines():
        if line.endswith(r" \\"):
            assert line.replace(r"\&", "").count("&") == len(DEFAULT)
            assert "%" not in line.replace(r"\%", "")


def test_names_are_shown_as_they_are(capsys):
    """Square brackets and colons are no markup."""
    odd = replace(RESULT, network="[red]net[/x]", layers=(LayerResult(conv("[/]:smile:"), "x", PLAIN),))
    text = render(odd, "table")
    assert "[red]net[/x] on" in text
    assert "[/]:smile:" in text


def test_files_have_no_colours_and_no_cell_is_cut(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    long = "features.denseblock4.denselayer16.conv2" * 4
    result = replace(RESULT, layers=(LayerResult(conv(long), "x", PLAIN),))
    text = render(result, "table", View())
    assert "\x1b" not in text
    assert long in text
    assert "Left out to fit 100 columns: MACs, skippable, cycles, stalled, energy, bound by (--wide" in text
    assert "skippable" in render(result, "table", View(wide=True)).split()


def test_terminal_table_says_the_same():
    terminal = Console(file=io.StringIO(), width=200, color_system=None)
    print_table(RESULT, terminal)
    assert terminal.file.getvalue().split() == render(RESULT, "table", View()).split()


def test_what_is_shown_can_be_chosen():
    view = View(columns=("latency", "energy_pj", "cycles"), totals=True)
    text = render(RESULT, "table", view)
    rows = [line.split() for line in text.splitlines()]
    assert ["layer", "µs", "µJ", "k"] in rows
    assert ["total", "26,005.0", "137.5", "5,201.0"] in rows
    assert not any(row[:1] == ["conv_1"] for row in rows)


def test_unknown_columns_are_refused_with_a_suggestion():
    with pytest.raises(ZapsimError, match=r"--columns: no column 'cylces' \(did you mean 'cycles'\?\); known: macs, "):
        render(RESULT, "table", View(columns=("cylces",)))
    with pytest.raises(ZapsimError, match="--columns and --wide exclude each other"):
        View(columns=("cycles",), wide=True)
    with pytest.raises(ZapsimError, match="--format json holds everything; leave out --columns, --wide and --totals"):
        render(RESULT, "json", View(totals=True))


def test_files_hold_the_provenance_and_the_terminal_one_line_of_it():
    short = render(RESULT, "table", View()).splitlines()
    assert short[-1] == "zapsim 0.1.0 · arch aaaaaaaa · trace bbbbbbbb · seed 7"
    assert max(map(len, short)) <= 100
    for form in ("table", "csv", "json", "markdown", "latex"):
        assert "b" * 64 in render(RESULT, form)


def test_headline_and_notes_are_single_lines():
    assert all("\n" not in line for line in (RESULT.headline, *RESULT.notes))
    bare = replace(
        RESULT, patterns=(), thresholds=(), quality={}, quality_note="", energy_note="", layers=RESULT.layers[1:]
    )
    assert bare.headline.split(" · ")[1:3] == ["no predictors", "chip (12×14 row-stationary, 200 MHz)"]
    assert len(bare.notes) == 1


@pytest.mark.parametrize(
    ("thresholds", "words"), [((0.0,), "threshold 0"), ((0.25, -0.5, 0.0), "thresholds -0.5 to 0.25 (t=0)")]
)
def test_headline_says_thresholds(thresholds, words):
    assert words in replace(RESULT, thresholds=thresholds).headline.split(" · ")


# --- savings --------------------------------------------------------------------------------------------------------


def test_savings_by_hand():
    assert PREDICTED.mac_saving == 0.2
    assert PREDICTED.cycle_saving == pytest.approx(1 - 4.6 / 4)
    assert PREDICTED.speedup == pytest.approx(4 / 4.6)
    assert PREDICTED.energy_saving == pytest.approx(1 - 125.5 / 139)
    assert PREDICTED.policy.predictor_share == pytest.approx(1.5 / 125.5)
    assert PREDICTED.policy.cycles.bound == "psum bus"
    assert PLAIN.mac_saving == PLAIN.cycle_saving == PLAIN.energy_saving == 0
    assert PLAIN.speedup == 1


def test_gated_macs_are_saved_too_and_all_of_what_the_baseline_does():
    gated = replace(PLAIN.policy, counts=Counts(macs_executed=500_000, macs_gated=1_500_000))
    assert Comparison(PLAIN.policy, gated).mac_saving == 0.75
    skipping = replace(PLAIN.policy, counts=Counts(macs_executed=400_000, macs_skipped=1_600_000))
    predicted = replace(PLAIN.policy, counts=Counts(macs_executed=300_000, macs_skipped=1_700_000))
    assert Comparison(PLAIN.policy, skipping).mac_saving == 0.8
    assert Comparison(skipping, predicted).mac_saving == 0.25  # of what the baseline leaves, as of its cycles
    more = replace(PLAIN.policy, counts=Counts(macs_executed=100_000, macs_gated=300_000, macs_skipped=1_600_000))
    assert Comparison(skipping, more).mac_saving == 0.75
    nothing = replace(PLAIN.policy, counts=Counts(macs_gated=2_000_000))
    assert Comparison(nothing, nothing).mac_saving == 0


def test_totals_are_sums():
    total = RESULT.total
    assert total.policy.counts == PLAIN.policy.counts + PREDICTED.policy.counts
    assert total.policy.cycles == PLAIN.policy.cycles + PREDICTED.policy.cycles
    assert total.policy.total_energy_pj == PLAIN.policy.total_energy_pj + PREDICTED.policy.total_energy_pj
    assert total.policy.demanded_macs == 23_000_000
    assert (total.policy.predictor_busy_cycles, total.policy.active_pes) == (80, 12)


def test_a_layer_that_takes_nothing():
    nothing = outcome(Cycles(), Counts(macs_skipped=2_000_000), 0, 0, 0, 0, 0, 0, 0, 0)
    dead = Comparison(PLAIN.baseline, nothing)
    assert (dead.speedup, dead.cycle_saving, dead.energy_saving, dead.mac_saving) == (math.inf, 1, 1, 1)
    assert nothing.predictor_share == 0
    result = replace(RESULT, layers=(LayerResult(conv(), "x", dead),))
    assert json.loads(render(result, "json"))["layers"][0]["columns"]["speedup"] is None
    assert " inf " in render(result, "table", View(wide=True))
    unpriced = Comparison(nothing, nothing)
    assert unpriced.energy_saving == 0


# --- in a terminal ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_gets_the_table_in_parts(width):
    narrow, wide = (Console(file=io.StringIO(), width=one, color_system=None) for one in (width, 200))
    for console in (narrow, wide):
        print_table(RESULT, console)
    lines = narrow.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in narrow.file.getvalue()
    parts = sum(line.lstrip().startswith("layer ") for line in lines)
    assert parts == {40: 3, 80: 2, 120: 1}[width]
    for name in ("conv_1", "total"):
        cells = [" ".join(line.split()[1:]) for line in lines if line.split()[:1] == [name]]
        whole = [line for line in wide.file.getvalue().splitlines() if line.split()[:1] == [name]]
        assert " ".join(cells) == " ".join(whole[0].split()[1:])


@pytest.mark.parametrize(
    "trace", sorted(set(Path("traces").glob("*.safetensors")) - set(Path("traces").glob("*.zap.*")))
)
def test_the_table_of_every_shipped_trace_fits(trace):
    """Values of ten digits are as long as any: the unit follows the largest, and the smallest have no more digits."""
    most = 9_999_999_999
    longest = outcome(
        Cycles(filter_load=most, dram_write=most - 1),
        Counts(macs_executed=most, macs_skipped=1),
        *[9_999_999_999.0] * 8,
    )
    names = [layer.shape.name for layer in Trace(trace).header.layers]
    layers = tuple(LayerResult(conv(name), "x", Comparison(PLAIN.baseline, longest)) for name in names)
    lines = render(replace(RESULT, layers=layers), "table", View()).splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:1] == ["total"] for line in lines)
