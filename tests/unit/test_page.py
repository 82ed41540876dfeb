"""Pages without a browser: the same bytes, their size, what they refuse, and what their plots hold."""

import csv
import json
import re
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from tests.builders import write_trace
from tests.explore_support import load, space_of
from zapsim.cli import main
from zapsim.exploration.command_line import choices, chosen, command_start
from zapsim.report.page.contents import Page, Plot, Section
from zapsim.report.page.designs import MOST_DESIGNS, Designs, designs_page
from zapsim.report.page.plots import waterfall
from zapsim.report.page.render import render_page
from zapsim.report.page.timeline import _shares

MOST_BYTES = 6_000_000


def data_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html)[1])


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A small trace."""
    return str(write_trace(tmp_path_factory.mktemp("page") / "small.safetensors"))


def test_the_same_run_gives_the_same_bytes_and_is_whole(tmp_path, trace, capsys):
    pages = tmp_path / "a.html", tmp_path / "b.html"
    for page in pages:
        assert main(["run", "--arch", "eyeriss", "--trace", trace, "--report", str(page)]) == 0
        assert capsys.readouterr().err == f"wrote {page}\n"
    html = pages[0].read_text(encoding="utf-8")
    assert html.encode() == pages[1].read_bytes()
    assert len(html.encode()) < MOST_BYTES
    assert html.count("plotly.js v") == 1
    assert set(data_of(html)["plots"]) == {
        "savings", "waterfall-cycles", "waterfall-energy", "cycles", "energy", "timeline",
    }  # fmt: skip


def test_the_timeline_has_the_cycles_of_the_run(tmp_path, trace, capsys):
    page = tmp_path / "a.html"
    run = ["run", "--arch", "eyeriss", "--trace", trace, "--format", "csv", "--report", str(page)]
    assert main(run) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    total = next(row for row in csv.DictReader(lines) if row["layer"] == "total")
    first = next(
        trace for trace in data_of(page.read_text())["plots"]["timeline"]["traces"] if trace["type"] == "heatmap"
    )
    assert len(first["z"][0]) * first["dx"] == pytest.approx(int(total["cycles"]) / 200e6 * 1e3)


def test_a_comparison_shows_both_configurations(tmp_path, trace, capsys):
    page, changed = tmp_path / "page.html", ["--set-b", "array.rows=6"]
    assert main(["compare", "eyeriss", "eyeriss", *changed, "--trace", trace, "--report", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    for caption in ("What A and B ran under", "A: architecture eyeriss: ", "B: architecture eyeriss: "):
        assert caption in html
    assert "(--set)" in html.split("B: architecture eyeriss: ", 1)[1]


def test_shares_of_bins_by_hand():
    busy = np.array([[0.0, 5.0], [5.0, 8.0], [15.0, 40.0]])
    assert _shares(busy, np.array([0.0, 10.0, 20.0, 30.0, 50.0])).tolist() == [0.8, 0.5, 1.0, 0.5]


def test_a_waterfall_ends_where_its_steps_do():
    plot = waterfall("w", "", {"zeros": 60.0, "nothing": 0.01, "loss": -75.0}, "saved", "%")
    trace = plot.traces[0]
    assert trace["x"] == ["zeros", "loss", "saved"]
    assert trace["y"] == [60.0, -75.0, -14.99]
    assert trace["measure"] == ["relative", "relative", "total"]
    low, high = plot.layout["yaxis"]["range"]
    assert low < -15
    assert high > 60


def test_nothing_in_a_page_is_taken_for_markup():
    bad = "</script><script>alert(1)</script><!-- & \u2028"
    plot = Plot("p", bad, [{"type": "bar", "x": [bad], "y": [1.0]}], {})
    page = Page(
        bad, bad, bad, sections=[Section("s", bad, bad, [plot])], provenance={bad: bad}, notes=[bad], warnings=[bad]
    )
    html = render_page(page)
    assert html.count("<script") == html.count("</script>") == 3
    assert "alert(1)</script>" not in html
    assert data_of(html)["plots"]["p"]["traces"][0]["x"] == [bad]


def test_a_large_exploration_stays_below_six_megabytes():
    row = {
        "latency_ms": 1.23456789,
        "energy_mj": 2.3456789,
        "area_mm2": 3.456789,
        "cycles": 123456789,
        "power_mw": 3.14159265,
    }
    names = [f"array.parameter_{index}" for index in range(10)]
    rows = [
        row | {"id": f"{index:016x}", "latency_ms": 1 + index * 0.123456, "energy_mj": 9 - index * 0.000123}
        for index in range(20_000)
    ]
    options = [
        SimpleNamespace(column=name, labels=["8", "16"], arguments=["--set a=8"] * 2)
        for name in ("arch", "policy", *names)
    ]
    goals = [("latency_ms", False), ("energy_mj", False)]
    chosen_options = [[1] * 12] * len(rows)
    designs = Designs(
        "large", rows, rows[:3000], chosen_options, goals, options, "zapsim run", "", {"ok": 20_000}, (), {}
    )  # fmt: skip
    page = designs_page("zapsim explore", designs)
    assert len(page.designs["rows"]) == MOST_DESIGNS
    assert "4,000 of 20,000 designs" in page.sections[0].lead
    assert len(render_page(page).encode()) < MOST_BYTES


def test_each_design_has_the_command_that_makes_it(tmp_path, monkeypatch, capsys):
    changes = {
        "set": {"inputs": "gate", "dram": {"bandwidth": "500 MB/s"}},
        "parameters": {
            "array": [{"rows": 6, "cols": 7}, {"rows": 9}],
            "predictor.lanes": {"values": [4], "when": {"policy": "zap"}},
        },
        "policy": ["zap", "gate-input"],
        "images": [0],
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(space_of(tmp_path, **changes)))
    assert main(["explore", str(tmp_path / "my.yaml"), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    space = load(tmp_path, **changes)
    from zapsim.exploration.store import DESIGNS, read_table

    rows = read_table(tmp_path / "out", DESIGNS).to_pylist()
    options = choices(space)
    monkeypatch.chdir(space.folder)
    for row in (rows[0], rows[-1]):
        indices = chosen(space, row["design"])
        parts = [option.arguments[index] for option, index in zip(options, indices, strict=True) if index is not None]
        _, *arguments = shlex.split(" ".join([command_start(space), *parts]))
        capsys.readouterr()
        assert main([*arguments, "--format", "json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["total"]["policy"]["total_cycles"] == row["cycles"]
        assert result["provenance"]["arch_sha256"] == row["arch_sha256"]


@pytest.mark.parametrize(
    "command", ["run --arch eyeriss", "explain --arch eyeriss", "compare eyeriss eyeriss", "explore digits --out {out}"]
)
@pytest.mark.parametrize(
    ("name", "fault"),
    [("page.pdf", "a report is a web page, so its name must end in .html"), ("none/page.html", "cannot be written")],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, command, name, fault):
    report = tmp_path / name
    arguments = command.format(out=tmp_path / "out").split()
    assert main([*arguments, "--report", str(report)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"zapsim: {report}: {fault}")
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_the_libraries_a_page_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda name: None if name in {"jinja2", "plotly"} else name)
    assert main(["run", "--arch", "eyeriss", "--report", str(tmp_path / "a.html")]) == 2
    assert capsys.readouterr().err == "zapsim: reports need jinja2, plotly: pip install 'zapsim[report]'\n"


def test_a_page_does_not_replace_what_is_read_or_written(tmp_path, trace, capsys):
    page = tmp_path / "a.html"
    assert main(["run", "--arch", "eyeriss", "--trace", trace, "--out", str(page), "--report", str(page)]) == 2
    assert "two results would go there" in capsys.readouterr().err
    arch = tmp_path / "arch.html"
    arch.write_text("base: eyeriss\n")
    assert main(["run", "--arch", str(arch), "--trace", trace, "--report", str(arch)]) == 2
    assert "it is read in the same run" in capsys.readouterr().err
    assert not page.exists()
