"""``zapsim explore``, ``pareto`` and ``compare`` as a user runs them."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from tests.explore_support import labelled_trace, space_of
from zapsim.cli import main
from zapsim.exploration.pareto import load_front
from zapsim.report.pareto import cell


@pytest.fixture(scope="module")
def explored(tmp_path_factory) -> Path:
    """A folder with a space file and the results of exploring it."""
    folder = tmp_path_factory.mktemp("explored")
    space = space_of(
        folder, constraints=["accuracy_drop <= 1"], objectives=["latency", "area"], policy=["zap", "dense"]
    )
    (folder / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    assert run("explore", folder / "space.yaml", "--out", folder / "out", "--workers", 1) == 0
    return folder


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def fault(capsys, *arguments) -> str:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("zapsim: ").rstrip("\n")


def test_explore_says_what_became_of_it(explored, capsys):
    assert run("explore", explored / "space.yaml", "--out", explored / "out") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("0 of 24 designs evaluated in ")
    assert err.splitlines()[0].endswith("; 18 were evaluated before")
    assert "  excluded by accuracy_drop <= 1: 6" in err
    assert f"`zapsim pareto {explored / 'out'}`" in err


def test_no_bar_where_there_is_no_terminal(explored, capsys, tmp_path):
    assert run("explore", explored / "space.yaml", "--out", tmp_path / "new", "--workers", 1) == 0
    err = capsys.readouterr().err
    assert "━" not in err
    assert "exploring" not in err


def test_a_large_grid_asks(explored, capsys, tmp_path):
    space = yaml.safe_load((explored / "space.yaml").read_text())
    space["parameters"] = {path: {"from": 1, "to": 60, "steps": 60} for path in ("array.rows", "array.cols", "clock")}
    space["parameters"]["clock"] = {"from": "100 MHz", "to": "159 MHz", "steps": 60}
    (tmp_path / "large.yaml").write_text(yaml.safe_dump(space))
    line = fault(capsys, "explore", tmp_path / "large.yaml", "--out", tmp_path / "out")
    assert line.startswith("large.yaml: the grid has 864,000 designs (2 × 2 × 60 × 60 × 60); evaluate all with --yes")
    assert not (tmp_path / "out").exists()


def test_the_front_as_a_table_and_as_csv(explored, capsys):
    assert run("pareto", explored / "out", "--csv", explored / "front.csv") == 0
    out = capsys.readouterr().out
    front = load_front(explored / "out")
    assert out.splitlines()[0] == f"space: {len(front.best)} of 18 designs on the front (18 ok)"
    assert "latency_ms ↓" in out
    assert "Quality of 2 operating points measured on: 4 pictures" in out
    lines = [line for line in (explored / "front.csv").read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert [float(row["latency_ms"]) for row in rows] == [row["latency_ms"] for row in front.best]
    assert all(row["id"][:8] in out for row in rows)


def dominated(row, rows, names) -> bool:
    return any(
        all(other[name] <= row[name] for name in names) and any(other[name] < row[name] for name in names)
        for other in rows
    )


@pytest.mark.parametrize("names", [["latency_ms", "area_mm2"], ["energy_mj"], ["cycles", "energy_mj", "accuracy_drop"]])
def test_the_front_by_other_columns(explored, names):
    front = load_front(explored / "out", minimise=names)
    best = {row["design"] for row in front.best}
    assert best == {row["design"] for row in front.rows if not dominated(row, front.rows, names)}


def test_where_and_maximise(explored):
    front = load_front(
        explored / "out", maximise=["energy"], where=["policy == 'zap' and latency <= 1 s", "array.rows > 6"]
    )
    assert {row["policy"] for row in front.rows} == {"zap"}
    assert [row["energy_mj"] for row in front.best] == [max(row["energy_mj"] for row in front.rows)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--minimise", "latencyy"],
            "'latencyy': no such column in the results (did you mean 'latency_ms'?); known: ",
        ),
        (
            ["--where", "latency <= 3"],
            "--where: 'latency <= 3': a number for latency needs a unit, or compare latency_ms",
        ),
        (["--where", "latency"], "--where: expected a condition such as 'accuracy_drop <= 1.0', got 'latency'"),
        (["--limit", "0"], "--limit must be at least 1, got 0"),
        (["--plot", "front.gif"], "front.gif: a plot's name must end in one of .png, .svg, .pdf"),
    ],
)
def test_pareto_refuses(explored, capsys, arguments, line):
    assert fault(capsys, "pareto", explored / "out", *arguments).startswith(line)


def test_pareto_of_other_folders(tmp_path, capsys):
    assert (
        fault(capsys, "pareto", tmp_path) == f"{tmp_path}: holds no results of `zapsim explore` (no exploration.json)"
    )


def test_no_design_meets_the_conditions(explored, capsys):
    line = fault(capsys, "pareto", explored / "out", "--where", "array.rows > 99")
    assert line == f"{explored / 'out'}: no design meets the constraints"


def test_plots_are_the_same_twice(explored):
    for name in ("front.svg", "front.html"):
        plots = []
        for place in ("a", "b"):
            (explored / place).mkdir(exist_ok=True)
            assert run("pareto", explored / "out", "--plot", explored / place / name) == 0
            plots.append((explored / place / name).read_bytes())
        assert plots[0] == plots[1]
    page = (explored / "a" / "front.html").read_text()
    assert "parcoords" in page
    assert all(row["id"][:8] in page for row in load_front(explored / "out").best)


def test_compare_architectures(explored, capsys):
    trace = explored / "tiny.safetensors"
    out = explored / "sides.csv"
    assert run("compare", "eyeriss", "eyeriss", "--set-b", "clock=100 MHz", "--trace", trace, "--csv", out) == 0
    text = capsys.readouterr().out
    assert "B: eyeriss (12×14 row-stationary, 100 MHz, clock=100 MHz), policy zap" in text
    rows = list(csv.DictReader(line for line in out.read_text().splitlines() if not line.startswith("#")))
    assert [row["layer"] for row in rows] == ["conv1", "conv2", "fc", "total"]
    assert sum(int(row["cycles_a"]) for row in rows[:3]) == int(rows[3]["cycles_a"])
    assert all(float(row["latency_ms_b"]) > float(row["latency_ms_a"]) for row in rows)


def test_compare_results_and_designs(explored, capsys):
    """A design of an exploration, and the same as a result file, are the same on every layer."""
    row = load_front(explored / "out").best[0]
    result = explored / "result.json"
    sets = [f"--set=array.rows={row['array.rows']}", f"--set=predictor.lanes={row['predictor.lanes']}"]
    trace = ["--trace", explored / "tiny.safetensors", "--point", row["point"], "--policy", row["policy"]]
    assert run("run", "--arch", "eyeriss", *sets, *trace, "--out", result) == 0
    out = explored / "both.csv"
    plot = explored / "both.png"
    sides = f"{explored / 'out'}@{row['id'][:8]}", result
    assert run("compare", *sides, "--csv", out, "--plot", plot) == 0
    rows = list(csv.DictReader(line for line in out.read_text().splitlines() if not line.startswith("#")))
    assert len(rows) == 4
    for one in rows:
        assert one["cycles_a"] == one["cycles_b"]
        assert float(one["energy_mj_a"]) == pytest.approx(float(one["energy_mj_b"]), rel=1e-12)
        assert one["bound_a"] == one["bound_b"]
    assert rows[3]["cycles_a"] == str(row["cycles"])
    assert plot.stat().st_size > 1000
    capsys.readouterr()
    assert run("compare", explored / "out", result) == 0
    assert f"\nA: space {row['id'][:8]}: " in capsys.readouterr().out


def test_compare_refuses(explored, capsys, tmp_path):
    trace = "--trace", explored / "tiny.safetensors"
    (tmp_path / "odd.json").write_text(json.dumps({"layers": 3}))
    odd = tmp_path / "odd.json"
    line = fault(capsys, "compare", odd, "eyeriss", *trace)
    assert line.startswith(f"{odd}: not a result of `zapsim run --format json` (")
    none = tmp_path / "none.json"
    assert fault(capsys, "compare", none, "eyeriss", *trace) == f"{none}: no such JSON result file"
    line = fault(capsys, "compare", "eyeris", "eyeriss", *trace)
    assert line.startswith("eyeris: no such architecture (did you mean 'eyeriss'?)")
    line = fault(capsys, "compare", f"{explored / 'out'}@zz", "eyeriss", *trace)
    assert line == f"{explored / 'out'}: has no evaluated design whose id begins with 'zz'"
    line = fault(capsys, "compare", explored / "out", "eyeriss", "--trace", "traces/digits_cnn.safetensors")
    assert line == "out@" + line[4:12] + " and eyeriss are of different networks: they differ in layer fc"


def test_a_changed_trace_is_noticed_before_designs_are_compared(explored, capsys, tmp_path):
    trace = labelled_trace(tmp_path / "tiny.safetensors")
    space = space_of(tmp_path, trace=str(trace))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    assert run("explore", tmp_path / "space.yaml", "--out", tmp_path / "out", "--workers", 1) == 0
    capsys.readouterr()
    labelled_trace(trace, labels=False)
    line = fault(capsys, "compare", tmp_path / "out", "eyeriss", "--trace", trace)
    assert line.startswith(f"{tmp_path / 'out'}: holds results of another space: trace.tiny was ")
    assert line.endswith("; explore it again")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1234567, "1,234,567"), (0.123456789, "0.12346"), (1234567.8, "1,234,568"), ("zap", "zap")],
)
def test_cells(value, text):
    assert cell(value) == text


@pytest.mark.parametrize("command", ["explore", "pareto"])
def test_without_the_extra(explored, capsys, monkeypatch, command):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda name: None if name == "pyarrow" else name)
    arguments = [explored / "space.yaml", "--out", explored / "out"] if command == "explore" else [explored / "out"]
    assert fault(capsys, command, *arguments) == "exploring needs pyarrow: pip install 'zapsim[explore]'"
