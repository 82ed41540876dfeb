"""``zapsim.compare`` from Python: what it takes, what it returns, and what it refuses."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.explore_support import labelled_trace, space_of
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.errors import ZapsimError
from zapsim.exploration.api import compare, explore
from zapsim.report.compare import render_comparison
from zapsim.report.formats import render
from zapsim.report.view import View
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return labelled_trace(tmp_path_factory.mktemp("compare") / "tiny.safetensors")


@pytest.fixture(scope="module")
def result(trace):
    arch = load_arch("eyeriss")
    return simulate(arch, Trace(trace), preset("zap", arch.inputs))


def test_all_kinds_of_one_design_are_equal(trace, result, tmp_path):
    file = tmp_path / "result.json"
    file.write_text(render(result, "json"))
    same = ["eyeriss", load_arch("eyeriss"), result, file, str(file)]
    for design in same:
        sides = compare("eyeriss", design, trace=trace)
        for record in sides.records():
            assert {record[f"{name}_a"] == record[f"{name}_b"] for name in ("cycles", "energy_mj", "bound")} == {True}
    assert compare(result, file).records()[-1]["cycles_a"] == result.total.policy.cycles.total


def test_the_total_is_that_of_the_run(trace, result):
    sides = compare(result, "eyeriss", trace=trace, overrides_b=["clock=100 MHz"])
    *layers, total = sides.records()
    assert [record["layer"] for record in layers] == ["conv1", "conv2", "fc"]
    assert total["latency_ms_a"] == pytest.approx(1e3 * result.total.policy.cycles.total / result.clock_hz)
    assert total["energy_mj_a"] == pytest.approx(result.total.policy.total_energy_pj / 1e9)
    assert total["dram_words_b"] == sum(record["dram_words_b"] for record in layers)
    frame = sides.to_dataframe()
    assert list(frame["layer"]) == ["conv1", "conv2", "fc", "total"]
    assert frame["latency_ms_b"].iloc[-1] > frame["latency_ms_a"].iloc[-1]


def test_text_and_html(result):
    sides = compare(result, result)
    text = str(sides)
    assert text.splitlines()[:2] == [f"{letter}: {sides.a.description}" for letter in "AB"]
    headings = ["layer", "time, ms: A", "B", "B / A", "energy, mJ: A", "DRAM words: A", "bound by: A"]
    assert all(heading in text.splitlines()[2] for heading in headings)
    assert len(text.splitlines()) == 3 + 4
    assert " 1 " in text
    assert sides._repr_html_().count("<tr>") == 1 + 4


def test_conditions_that_differ_are_warned_of(trace, result):
    sides = compare(result, "lanes_256", trace=trace, point="t1", overrides_b=["clock=100 MHz"])
    assert sides.conditions["process"] == ("65 nm, 1.0 V", "45 nm")
    assert sides.conditions["accuracy"] == ("top1 accuracy 91.50%", "top1 accuracy 89.00%")
    assert sides.conditions["measured on"] == ("4 pictures", "4 pictures")
    assert sides.conditions["batch"] == ("1 image", "1 image")
    names = [warning.removeprefix("A and B differ in ").partition(" (")[0] for warning in sides.warnings]
    assert names == ["operating point", "accuracy", "process", "clock"]
    assert all(f"warning: {warning}" in str(sides) for warning in sides.warnings)
    assert compare(result, result).warnings == []


def test_a_policy_that_skips_nothing_has_the_accuracy_of_the_network(trace, result):
    dense = simulate("eyeriss", trace, "dense", batch=2, images=[0, 0])
    sides = compare(result, dense)
    assert sides.conditions["accuracy"][1] == "that of the unmodified network"
    names = [warning.removeprefix("A and B differ in ").partition(" (")[0] for warning in sides.warnings]
    assert names == ["accuracy", "batch", "images"]


def test_a_result_that_records_no_process_says_so(result):
    old = replace(result, provenance={name: value for name, value in result.provenance.items() if name != "process"})
    assert compare(old, old).conditions["process"] == ("not recorded", "not recorded")


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown", "latex"])
def test_every_format_warns(trace, result, form):
    text = render_comparison(compare(result, "lanes_256", trace=trace), form, View())
    assert "A and B differ in process" in text or form == "table"  # the terminal has them on stderr
    if form == "json":
        record = json.loads(text)
        assert record["warnings"][0].startswith("A and B differ in process")
        assert record["conclusion"].startswith("Compared with A (eyeriss), B (lanes_256) takes ")
        assert record["b"]["conditions"]["process"] == "45 nm"
        assert record["b"]["provenance"]["batch"] == 1
        assert record["total"]["cycles_a"] == result.total.policy.cycles.total
    if form in ("table", "markdown"):
        assert text.startswith("Compared with A (eyeriss), B (lanes_256) takes ")
    if form == "table":
        assert max(map(len, text.splitlines())) <= 100
        assert " ≠ " in text


def test_columns_of_a_comparison(result):
    sides = compare(result, result)
    text = render_comparison(sides, "table", View(columns=("cycles", "energy_mj"), totals=True))
    totals = next(line for line in text.splitlines() if line.split()[:1] == ["total"])
    assert totals.split()[1] == format(result.total.policy.cycles.total, ",d")
    assert "conv1 " not in text
    with pytest.raises(ZapsimError, match=r"--columns: no column 'cycels' \(did you mean 'cycles'\?\)"):
        render_comparison(sides, "table", View(columns=("cycels",)))
    with pytest.raises(ZapsimError, match="--format csv holds everything; leave out --columns, --wide and --totals"):
        render_comparison(sides, "csv", View(totals=True))


def test_refused(trace, result):
    with pytest.raises(ZapsimError, match="eyeriss is an architecture and needs a trace to run; set trace"):
        compare("eyeriss", result)
    with pytest.raises(ZapsimError, match="overrides need the name or the file of an architecture"):
        compare(result, load_arch("eyeriss"), trace=trace, overrides_b=["clock=100 MHz"])


def test_missing_libraries_are_said_before_they_are_imported(trace, result, monkeypatch):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda name: None if name in {"pandas", "pyarrow"} else name)
    with pytest.raises(ZapsimError, match=r"exploring needs pandas, pyarrow: pip install 'zapsim\[explore\]'"):
        explore(space_of(trace.parent))
    with pytest.raises(ZapsimError, match=r"a table of a comparison needs pandas: pip install 'zapsim\[explore\]'"):
        compare(result, result).to_dataframe()


def test_importing_the_functions_needs_no_extra():
    code = (
        "import sys; import zapsim.exploration.api; "
        "sys.exit(bool({'pandas', 'pyarrow', 'optuna', 'distributed', 'moocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
