"""Two explorations by their fronts: hypervolume against a count of cells, attainment by hand, and the command."""

import csv
import json
from itertools import product

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.explore_support import space_of
from zapsim.cli import main
from zapsim.errors import ConfigError
from zapsim.exploration.api import explore
from zapsim.exploration.fronts import compare_explorations
from zapsim.exploration.hypervolume import attained_share, compare_fronts, hypervolume
from zapsim.exploration.pareto import Front, Goal
from zapsim.report.figures.fronts import attainment_corners

CELLS = 6


def counted(costs):
    """Return the dominated share of the unit box by counting its CELLS^goals cells."""
    goals = costs.shape[1]
    cells = product(range(CELLS), repeat=goals)
    dominated = sum(any(all(cell[goal] >= row[goal] for goal in range(goals)) for row in costs) for cell in cells)
    return dominated / CELLS**goals


@settings(max_examples=30)
@given(st.integers(1, 4), st.data())
def test_hypervolume_is_that_of_the_cells(goals, data):
    rows = data.draw(st.lists(st.tuples(*[st.integers(0, CELLS + 1)] * goals), min_size=1, max_size=8))
    costs = np.array(rows, dtype=float)
    assert hypervolume(costs / CELLS) == pytest.approx(counted(costs), abs=1e-12)


def front(points, maximise=(False, False)):
    goals = tuple(Goal(name, most) for name, most in zip("xy", maximise, strict=True))
    rows = tuple({"x": x, "y": y, "design": n, "finished": f"{n:03}"} for n, (x, y) in enumerate(points))
    return Front("space", goals, (), rows, rows, {"ok": len(rows)}, ())


def test_two_fronts_by_hand():
    """Reference point: 4 + 0.1 · 3 in both goals, so the box has 3.3² = 10.89."""
    result = compare_fronts(front([(1, 4), (2, 2), (4, 1)]), front([(2, 2)]))
    assert result.reference == pytest.approx((4.3, 4.3))
    assert result.ideal == (1, 1)
    b = 2.3 * 2.3
    a = b + 1.0 * 0.3 + 0.3 * 1.0  # what (1, 4) and (4, 1) add beside (2, 2)
    assert result.volumes == pytest.approx((a / 10.89, b / 10.89))
    assert result.alone == pytest.approx(((a - b) / 10.89, 0.0))
    assert result.attained == (1.0, pytest.approx(1 / 3))
    assert [designs for designs, _ in result.courses[0]] == [1, 2, 3]
    assert result.courses[0][-1][1] == pytest.approx(result.volumes[0])
    assert list(result.courses[0]) == sorted(result.courses[0], key=lambda step: step[1])


def test_maximised_goals_and_a_given_reference_point():
    a, b = front([(1, 10)], (False, True)), front([(1, 20)], (False, True))
    result = compare_fronts(a, b, reference=(2, 0))
    assert result.ideal == (1, 20)
    assert result.reference == (2, 0)
    assert result.volumes == pytest.approx((0.5, 1.0))
    assert result.attained == (0.0, 1.0)
    with pytest.raises(ConfigError, match=r"the reference point needs 2 values \(x, y\), got 1"):
        compare_fronts(a, b, reference=(2,))
    with pytest.raises(ConfigError, match="no design on either front is better than the reference point in every goal"):
        compare_fronts(a, b, reference=(0.5, 0))


def test_equal_fronts_of_one_design():
    result = compare_fronts(front([(1, 1)]), front([(1, 1)]))
    assert result.attained == (1.0, 1.0)
    assert result.alone == (0.0, 0.0)
    assert result.volumes[0] == result.volumes[1] == pytest.approx(1.0)


def test_attained_share():
    assert attained_share(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0], [0.0, 3.0], [2.0, 2.0]])) == 2 / 3


def test_corners_of_an_attainment_surface():
    points = [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0), (2.5, 2.0), (1.0, 4.0)]
    assert attainment_corners(points, [False, False]) == [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]
    assert attainment_corners(points, [False, True]) == [(1.0, 4.0)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two explorations of one trace, of which the second may use more rows and lanes and other policies."""
    folder = tmp_path_factory.mktemp("fronts")
    for name, changes in (("small", {"parameters": {"array.rows": [6]}}), ("large", {"policy": ["zap", "dense"]})):
        explore(space_of(folder, **changes), folder / name, workers=1, progress=False)
    explore(space_of(folder, objectives=["latency"]), folder / "other", workers=1, progress=False)
    return folder


def test_the_command(folders, capsys):
    small, large, plot = folders / "small", folders / "large", folders / "fronts.svg"
    assert (
        main(
            [
                "compare",
                str(small),
                str(large),
                "--plot",
                str(plot),
                "--csv",
                str(folders / "fronts.csv"),
                "--report",
                str(folders / "fronts.html"),
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert out.startswith("The front of B (large) attains all of that of A (small), which attains ")
    assert max(map(len, out.splitlines())) <= 100
    assert "to the reference point (cycles: " in " ".join(out.split())
    assert "zapsim: warning: A and B differ in evaluated (" in err
    assert "warning: A and B differ in policies (zap; zap, dense): " in err
    assert "trace (" not in err
    assert plot.read_text().startswith("<?xml")
    lines = (folders / "fronts.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    page = (folders / "fronts.html").read_text(encoding="utf-8")
    assert '<p class="conclusion">The front of B (large) attains all of that of A (small)' in page
    assert "A and B differ in policies (zap; zap, dense)" in page
    assert [name in page for name in ('id="plot-front-0-1"', 'id="plot-course"')] == [True, True]
    result = compare_explorations(small, large)
    assert [row["exploration"] for row in rows] == ["A"] * len(result.a.front.best) + ["B"] * len(result.b.front.best)


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "latex"])
def test_formats(folders, capsys, form):
    assert main(["compare", str(folders / "small"), str(folders / "large"), "--format", form]) == 0
    text = capsys.readouterr().out
    assert "The front of B (large) attains all of that of A (small)" in text
    assert "A and B differ in policies" in text
    if form == "json":
        record = json.loads(text)
        assert record["b"]["attained_of_other_front"] == 1.0
        assert 0 < record["a"]["hypervolume"] < record["b"]["hypervolume"] < 1
        assert record["a"]["course"][-1]["hypervolume"] == pytest.approx(record["a"]["hypervolume"])
        assert len(record["reference_point"]) == len(record["goals"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["small", "other"], "have other objectives (minimise cycles, minimise energy_mj; minimise latency_ms)"),
        (["small", "large", "--columns", "cycles"], "--columns has no meaning for two explorations; leave it out"),
        (["small", "large", "--set-a", "clock=1 MHz"], "--set-a and --set-b change architectures, not explorations"),
        (["small", "large", "--reference", "1"], "the reference point needs 2 values (cycles, energy_mj), got 1"),
        (
            ["small", "large", "--minimise", "cycels"],
            "'cycels': no such column in the results (did you mean 'cycles'?)",
        ),
    ],
)
def test_refusals(folders, capsys, options, words):
    places = [str(folders / one) if one in ("small", "large", "other") else one for one in options]
    assert main(["compare", *places]) == 2
    assert words in capsys.readouterr().err


def test_goals_are_for_explorations(capsys):
    assert main(["compare", "eyeriss", "eyeriss", "--minimise", "cycles"]) == 2
    assert "--minimise, --maximise and --reference are for two folders of results" in capsys.readouterr().err


def test_goals_can_be_named(folders, capsys):
    goals = ["--minimise", "latency", "--maximise", "accuracy"]
    assert main(["compare", str(folders / "small"), str(folders / "other"), *goals, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["goals"][1] == {"column": "accuracy", "maximise": True}


def test_no_feasible_design(folders, capsys):
    space = space_of(folders, constraints=["latency <= 1 ns"], parameters={"array.rows": [6]})
    (folders / "none.yaml").write_text(yaml.safe_dump(space))
    explore(folders / "none.yaml", folders / "none", workers=1, progress=False)
    assert main(["compare", str(folders / "none"), str(folders / "large")]) == 2
    assert "no design meets the constraints" in capsys.readouterr().err
