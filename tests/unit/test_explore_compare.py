"""``zapsim.compare`` from Python: what it takes, what it returns, and what it refuses."""

import subprocess
import sys

import pytest

from tests.explore_support import labelled_trace, space_of
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.errors import ZapsimError
from zapsim.exploration.api import compare, explore
from zapsim.report.formats import render
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
        "sys.exit(bool({'pandas', 'pyarrow', 'optuna', 'distributed'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
