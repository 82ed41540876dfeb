"""examples/experiments: rows of tables are chosen on calibration images, never on those that they show."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from zapsim.frontend.evaluation import Evaluation, LayerEvaluation
from zapsim.frontend.intervals import paired_loss
from zapsim.frontend.quality import ImageOutcomes

FOLDER = Path(__file__).parents[2] / "examples" / "experiments"
IMAGES = 200

pytestmark = pytest.mark.frontend


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("comparison", "result_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("result_tables")


def evaluation(lost: int, saved: float) -> Evaluation:
    """An evaluation that loses some of 200 images, and saves this share of the MACs of each."""
    right = np.arange(IMAGES) >= lost
    before = np.ones(IMAGES, dtype=bool)
    ones = np.ones(IMAGES)
    outcomes = ImageOutcomes(np.arange(IMAGES), 0.1 * ones, ones, right, {1: right}, {1: before}, saved * ones)
    layer = LayerEvaluation("conv", "1/2", 1, zero_skipped=round(1000 * saved))
    return Evaluation("m", IMAGES, IMAGES, (layer,), 1000, outcomes.figures(), "on x", outcomes)


def rows(tables, method: str, seed: int, points: dict[str, tuple[int, int, float]]) -> list:
    """Rows of a method: by budget what is lost on calibration images, what on others, and what is saved."""
    row = tables.Row
    return [
        row("1/2", method, budget, seed, evaluation(calibrate, saved), evaluation(test, saved))
        for budget, (calibrate, test, saved) in points.items()
    ]


def table_of(tables, all_rows: list, seeds: list[int], limit: float) -> list[dict[str, str]]:
    experiment = tables.Experiment(None, None, None, None, (), ())
    text = tables.chosen_table(experiment, all_rows, [("ZAP", limit), ("neighbours", limit)], seeds)
    heads, _, *lines = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in text.splitlines()]
    return [dict(zip(heads, line, strict=False)) for line in lines]


def test_the_row_is_chosen_where_it_is_not_shown(tables):
    # On the images that are shown, the second point would look as if it kept within 1 %; on the others it does not.
    points = {"0.1": (1, 3, 0.2), "0.2": (5, 0, 0.3)}
    perfect = rows(tables, "perfect", tables.NO_SEED, {"": (0, 0, 0.4)})
    neighbours = rows(tables, "neighbours", tables.NO_SEED, {"0.1": (0, 0, 0.15)})
    zap, rule = table_of(tables, [*perfect, *rows(tables, "ZAP", 0, points), *neighbours], [0], 0.01)
    assert (zap["E"], zap["lost, calibrate"], zap["lost"]) == ("0.1", "0.50%", "1.50%")
    assert zap["net saved less the neighbours'"] == "+5.0%"
    assert (rule["E"], rule["seeds"]) == ("0.1", "1")


def test_seeds_choose_for_themselves_and_a_seed_without_a_row_skips_nothing(tables):
    perfect = rows(tables, "perfect", tables.NO_SEED, {"": (0, 0, 0.4)})
    neighbours = rows(tables, "neighbours", tables.NO_SEED, {"0.1": (0, 0, 0.1)})
    zap = rows(tables, "ZAP", 0, {"0.1": (1, 2, 0.2)}) + rows(
        tables, "ZAP", 1, {"0.1": (1, 4, 0.2), "0.2": (2, 6, 0.3)}
    )
    zap += rows(tables, "ZAP", 2, {"0.1": (9, 0, 0.2)})
    shown, _ = table_of(tables, [*perfect, *zap, *neighbours], [0, 1, 2], 0.01)
    assert (shown["E"], shown["seeds"], shown["lost"]) == ("0.1 / 0.2 / none", "3", "1.33%")
    assert shown["net saved less the neighbours'"] == f"{(0.1 + 0.2 - 0.1) / 3:+.1%}"
    records = tables.summaries(tables.Experiment(None, None, None, None, (), ()), [*perfect, *zap])
    first = next(record for record in records if (record["method"], record["budget"]) == ("ZAP", "0.1"))
    assert (first["seeds"], first["least"], first["most"]) == (3, 0.0, 0.02)
    # The same images come with every seed: three times as many are not three times as much.
    as_if_others = paired_loss(np.ones(600, dtype=bool), np.arange(600) >= 6, np.arange(600))
    assert first["images"] == first["photographs"] == IMAGES
    assert float(first["high"]) - float(first["low"]) > 1.2 * (as_if_others.high - as_if_others.low)
