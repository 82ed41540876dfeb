"""examples/experiments/hed_vgg16.py: settings are chosen on calibration photographs, and nothing is measured twice."""

import importlib.util
import sys
from dataclasses import replace
from math import exp
from pathlib import Path

import pytest

from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.skipping import predicting, uniform_points

FOLDER = Path(__file__).parents[2] / "examples" / "experiments"

pytestmark = pytest.mark.frontend


@pytest.fixture
def hed_vgg16(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("hed_vgg16", FOLDER / "hed_vgg16.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "hed_vgg16", module)
    spec.loader.exec_module(module)
    return module


def test_error_and_macs_are_those_of_an_evaluation(hed_vgg16):
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph, "1/2r")
    images = replace(smooth_images(6), names=("a", "a", "b", "b", "c", "c"))
    method = predicting(predictors, uniform_points([0.1], predictors)[0])
    ours = hed_vgg16.Photographs(network, graph, images).measure(method)
    theirs = run_methods(network.model, graph, [method], images)[0]
    assert ours["error"] == pytest.approx(theirs.figures["relative_output_error"].value)
    assert ours["skipped"] == pytest.approx(theirs.macs_skipped)
    assert ours["low"] <= ours["error"] <= ours["high"]


class Exponential:
    """Photographs whose error is an exponential function of the setting, which is taken for a method."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.seen: list[float] = []

    def measure(self, setting: float) -> dict[str, float]:
        self.seen.append(setting)
        return {"error": self.scale * exp(5 * setting)}


def test_the_setting_is_chosen_on_calibration_photographs_only(hed_vgg16, tmp_path):
    splits = {"calibrate": Exponential(0.02), "test": Exponential(0.5), "traced": Exponential(0.9)}
    bench = hed_vgg16.Bench(None, None, splits, asked=0.02 * exp(5 * 0.057))
    rows = list(bench.rows("1/3", "ZAP", lambda setting: setting, hed_vgg16.Notebook(tmp_path / "n", ["x"])))
    assert [(row["setting"], row["chosen"]) for row in rows] == [(0.05, True), (0.1, False), (0.0, False)]
    assert rows[0]["calibrate_error"] == 0.02 * exp(5 * 0.05)
    assert rows[0]["traced_error"] == 0.9 * exp(5 * 0.05)
    assert "traced_error" not in rows[1]


def test_what_was_measured_is_not_measured_again_unless_something_changed(hed_vgg16, tmp_path):
    runs = []
    for predictors in ("one", "one", "other"):
        splits = {name: Exponential(0.02) for name in ("calibrate", "test", "traced")}
        bench = hed_vgg16.Bench(None, None, splits, asked=0.025)
        notebook = hed_vgg16.Notebook(tmp_path / "notes.json", [predictors])
        rows = list(bench.rows("1/3", "neighbours", lambda setting: setting, notebook))
        runs.append((rows, [len(one.seen) for one in splits.values()]))
    assert [measured for _, measured in runs] == [[3, 1, 1], [0, 0, 0], [3, 1, 1]]
    assert runs[0][0] == runs[1][0]
