"""examples/experiments/harm.py: budgets that meet a limit on calibration images, and their summary over seeds."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "experiments"

pytestmark = pytest.mark.frontend


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return module


def test_losses_rise_after_neighbours_that_fall_were_averaged(load):
    rising = load("harm").rising
    np.testing.assert_allclose(rising([0.0, 0.3, 0.1, 0.2, 0.5]), [0.0, 0.2, 0.2, 0.2, 0.5])
    np.testing.assert_allclose(rising([3.0, 2.0, 1.0]), [2.0, 2.0, 2.0])
    np.testing.assert_allclose(rising([0.0, 1.0, 2.0]), [0.0, 1.0, 2.0])


def test_the_budget_is_the_largest_on_the_lines_that_keeps_the_limit(load):
    reaching = load("harm").reaching
    budgets, losses = np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.0, 0.01, 0.01, 0.03])
    assert reaching(budgets, losses, 0.005) == pytest.approx(0.05)
    assert reaching(budgets, losses, 0.01) == pytest.approx(0.2)
    assert reaching(budgets, losses, 0.02) == pytest.approx(0.3)
    assert reaching(budgets, losses, 0.5) == 0.4


def record(method: str, seed: int, saved: float, *, calibrate: float = 0.0, figure: str = "top1_lost") -> dict:
    row = {"network": "n", "figure": figure, "asked": 0.01, "seed": seed, "method": method}
    row |= {"macs_saved": saved, "equal": saved + 0.01, "loss": 0.02, "calibrate_saved": calibrate}
    return row | {"limit": "1.0% top-1"}


def test_methods_are_compared_seed_by_seed_and_chosen_on_calibration(load):
    summaries = load("harm_page").summaries
    rows = [record("ZAP harm", seed, 0.2 + 0.02 * seed) for seed in (0, 1)]
    rows += [record("neighbours", seed, 0.5, calibrate=0.1) for seed in (0, 1)]
    rows += [record("neighbours, by harm", seed, 0.3, calibrate=0.2) for seed in (0, 1)]
    rows += [record("best, by harm", seed, 0.31 + 0.04 * seed) for seed in (0, 1)]
    (line,) = summaries(rows)
    shown = {name: line[name] for name in ("seeds", "zap", "rule", "best", "best_less", "best_low", "best_high")}
    expected = {"zap": 0.21, "rule": 0.3, "best": 0.33, "best_less": 0.03, "best_low": 0.01, "best_high": 0.05}
    assert shown == pytest.approx({"seeds": 2, **expected})


def test_errors_of_the_output_are_compared_at_the_error_that_was_asked(load):
    names = ("ZAP harm", "neighbours, by harm", "best, by harm")
    rows = [record(name, 0, 0.2, figure="relative_output_error") for name in names]
    (line,) = load("harm_page").summaries(rows)
    assert (line["zap"], line["best_less"]) == pytest.approx((0.21, 0.0))
