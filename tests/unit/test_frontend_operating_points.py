"""Operating points: near the exact optimum, within bounds that hold, budgets kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.choice_exhaustive import cheapest
from zapsim.errors import FrontendError
from zapsim.frontend.methods.registry import METHODS
from zapsim.frontend.tuning.curves import Curves, LayerCurve
from zapsim.frontend.tuning.knapsack import Options, choose, lower_hull
from zapsim.frontend.tuning.operating_points import (
    best_threshold,
    expected,
    for_error,
    for_saving,
    for_threshold,
    trade_off,
)
from zapsim.tracefile.predictor_work import ZAP_WORK
from zapsim.workload import ConvShape

pytestmark = pytest.mark.frontend

option = st.tuples(st.integers(0, 60).map(float), st.integers(0, 60).map(float))
lists_of_options = st.lists(st.lists(option, min_size=1, max_size=8), min_size=1, max_size=5)


@given(lists=lists_of_options, budget=st.integers(0, 200).map(float))
def test_the_choice_is_within_a_hull_step_of_the_optimum(lists: list[list[tuple[float, float]]], budget: float):
    options = [Options(np.array([o[0] for o in one]), np.array([o[1] for o in one])) for one in lists]
    exact = cheapest(lists, budget)
    found = choose(options, budget)
    if exact is None or found is None:
        assert exact is found
        return
    assert found.weight <= budget
    assert found.cost == sum(one.cost[index] for one, index in zip(options, found.taken, strict=True))
    assert found.bound - 1e-9 <= exact <= found.cost
    assert found.cost - exact <= found.step + 1e-9


def test_a_hull_leaves_out_what_lies_above_it():
    options = Options(np.array([10.0, 9.0, 4.0, 4.0, 0.0, 12.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0, 0.0]))
    assert lower_hull(options) == [0, 2, 4]


def curve(name: str, seed: int, steps: int = 2049) -> LayerCurve:
    """A layer of 1,000 MACs an output with random but monotone counts and errors."""
    random = np.random.default_rng(seed)
    shape = ConvShape(name, C=10, H=16, W=16, K=20, R=10, S=10, padding=(4, 5, 4, 5))
    falling = np.sort(random.integers(shape.outputs // 2, shape.outputs, steps))[::-1].astype(float)
    rising = np.sort(random.random(steps) ** 3)
    return LayerCurve(shape, "1/2", np.linspace(-1, 1, steps), falling, rising, predictor_macs=5000)


def curves(steps: int = 2049, layers: int = 5) -> Curves:
    made = tuple(curve(f"conv{seed}", seed, steps) for seed in range(layers))
    return Curves(made, sum(one.shape.macs for one in made) + 10_000_000, "nothing")


@pytest.mark.parametrize("budget", [0.0, 0.01, 0.1, 0.5, 2.0])
def test_an_error_budget_is_kept_and_the_exact_optimum_is_near(budget: float):
    few = curves(steps=65, layers=4)
    point = for_error(few, budget)
    assert point.quality["summed_error"] <= budget
    lists = [
        [(float(layer.shape.macs), 0.0), *zip(layer.macs.tolist(), layer.error.tolist(), strict=True)]
        for layer in few.layers
    ]
    exact = cheapest(lists, budget)
    assert exact is not None
    best = (sum(layer.shape.macs for layer in few.layers) - exact) / few.dense_macs
    assert point.quality["macs_saved"] <= best + 1e-12
    assert best <= point.quality["most_macs_saved"] + 1e-12
    assert best - point.quality["macs_saved"] < 0.005


def test_with_many_steps_the_bound_is_all_but_reached():
    point = for_error(curves(), 0.2)
    assert 0 <= point.quality["most_macs_saved"] - point.quality["macs_saved"] < 2e-4


def test_a_budget_for_each_layer_beats_one_threshold():
    one, many = best_threshold(curves(), 0.3), for_error(curves(), 0.3)
    assert one.quality["summed_error"] <= 0.3
    assert many.quality["macs_saved"] > one.quality["macs_saved"]
    assert len(set(one.thresholds.values())) == 1


def test_a_saving_is_reached_with_no_more_error_than_its_dual():
    point = for_saving(curves(), 0.2)
    assert point.quality["macs_saved"] >= 0.2
    assert point.quality["least_summed_error"] <= point.quality["summed_error"]
    assert (
        for_error(curves(), point.quality["summed_error"]).quality["macs_saved"] >= point.quality["macs_saved"] - 1e-4
    )


def test_more_budget_saves_more():
    points = trade_off(curves(), [0.0, 0.05, 0.1, 0.4])
    saved = [point.quality["macs_saved"] for point in points]
    assert saved == sorted(saved)
    assert [point.name for point in points] == ["e0", "e0.05", "e0.1", "e0.4"]


def test_a_layer_whose_predictor_costs_more_than_it_saves_goes_without():
    layer = curve("conv", 0)
    dear = LayerCurve(
        layer.shape, "1/2", layer.thresholds, layer.computed, layer.error, predictor_macs=layer.shape.macs
    )
    point = for_error(Curves((dear,), layer.shape.macs, ""), 1.0)
    assert point.thresholds == {}
    assert (point.quality["macs_saved"], point.quality["summed_error"]) == (0, 0)


def test_a_point_says_what_its_setting_saves_and_loses():
    found = for_error(curves(), 0.1)
    again = expected(curves(), found)
    asked = {"asked_summed_error": 0.1, "most_macs_saved": found.quality["most_macs_saved"]}
    assert found.quality == again.quality | asked
    uniform = for_threshold(curves(), 0.25)
    assert uniform.thresholds == dict.fromkeys((f"conv{i}" for i in range(5)), 0.25)
    assert uniform == expected(curves(), uniform)


def test_what_cannot_be_is_refused():
    with pytest.raises(FrontendError, match=r"a saving of 90\.0% cannot be reached: all thresholds at 1 save"):
        for_saving(curves(), 0.9)
    with pytest.raises(FrontendError, match="error budget must be 0 or more"):
        for_error(curves(), -0.1)
    with pytest.raises(FrontendError, match="must be a share"):
        for_saving(curves(), float("nan"))


def test_of_several_methods_each_layer_takes_the_one_that_pays():
    """One method is free but coarse, one exact but with MACs of its own, which pays in the large layer only."""

    def measured(name: str, filters: int, method: str, computed: float, macs: int) -> LayerCurve:
        shape = ConvShape(name, C=10, H=10, W=10, K=filters, R=1, S=1)
        scorer = METHODS[method](channels=filters, pattern="1/2")
        outputs = shape.outputs * np.array([1.0, computed])
        return LayerCurve(shape, "1/2", np.array([-0.5, 0.5]), outputs, np.array([0.0, 0.1]), macs, scorer)

    layers = (
        measured("small", 10, "zap", 0.5, 2500), measured("small", 10, "neighbours", 0.7, 0),
        measured("large", 100, "zap", 0.5, 15000), measured("large", 100, "neighbours", 0.7, 0),
    )  # fmt: skip
    point = for_error(Curves(layers, 110_000, "nothing"), 0.2)
    assert {name: setting.method for name, setting in point.predictors.items()} == {
        "small": "neighbours", "large": "zap",
    }  # fmt: skip
    assert point.predictors["large"].work == ZAP_WORK
    assert point.predictors["small"].work.sums_pattern
    assert point.quality["macs_saved"] == pytest.approx((3_000 + 50_000 - 15_000) / 110_000)
    assert expected(Curves(layers, 110_000, "nothing"), point).quality["macs_saved"] == point.quality["macs_saved"]
    with pytest.raises(FrontendError, match="name one method"):
        best_threshold(Curves(layers, 110_000, "nothing"), 0.1)
