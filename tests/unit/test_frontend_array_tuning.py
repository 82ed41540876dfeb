"""Thresholds chosen for an array: costs equal simulations, choices equal brute force, mistakes are one line."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import zapsim
from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.arch.load import load_arch
from zapsim.errors import FrontendError, MappingError, PolicyError, ZapsimError
from zapsim.frontend.api import trace, tune
from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.pooling import UnitScorer
from zapsim.frontend.training.predictor import save_predictors
from zapsim.frontend.tuning.array_cost import ArrayCosts, LayerCosts, measure_array_costs
from zapsim.frontend.tuning.array_points import ArrayTradeOff, settings_to_simulate
from zapsim.frontend.tuning.array_tuning import ArrayGoal, Calibration, tune_for_array
from zapsim.frontend.tuning.array_units import units_of
from zapsim.frontend.tuning.budgets import Budgets
from zapsim.frontend.tuning.curves import measure_curves
from zapsim.patterns import pattern_map
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint, PredictorSetting

pytestmark = pytest.mark.frontend

ARCHS = {
    "weight-stationary": ("systolic_16x16", {"array.rows": 4, "array.cols": 4, "array.fill": "overlapped"}),
    "input-stationary": ("systolic_16x16", {"array.dataflow": "input-stationary", "array.rows": 4, "array.cols": 4}),
    "lanes": ("lanes_256", {"array.pes": 2, "array.lanes": 4}),
    "row-stationary": ("eyeriss", {}),
}


class Small:
    """A network of two predicted layers, its predictors, and a few images."""

    def __init__(self, images: int = 2):
        self.network = small_network()
        self.graph: Graph = small_graph(self.network)
        self.model = self.network.model
        self.scorers = random_predictors(self.model, self.graph)
        self.images = smooth_images(images, seed=5)

    def trace(self, path: Path, point: OperatingPoint) -> Trace:
        header = trace_header(self.network, self.graph, self.scorers, [point], self.images, {})
        capture(path, header, self.network, self.graph, self.scorers, self.images)
        return Trace(path)

    def trade_off(self, arch, minimise="cycles", most=0.3, count=4) -> ArrayTradeOff:
        curves = {}
        for unit in units_of(arch):
            scorers = self.scorers
            if unit is not None:
                scorers = {name: UnitScorer(scorer, unit, 1) for name, scorer in self.scorers.items()}
            curves[unit] = measure_curves(self.model, self.graph, scorers, self.images)
        settings = settings_to_simulate(curves, most, count)
        costs = measure_array_costs(self.model, self.graph, self.scorers, settings, arch, self.images)
        return ArrayTradeOff(curves, costs, minimise)


@pytest.fixture(scope="module")
def small() -> Small:
    return Small()


@pytest.mark.parametrize("name", ARCHS)
def test_the_cost_of_a_layer_is_that_of_a_trace_in_which_it_skips_alone(small: Small, name: str, tmp_path: Path):
    arch = load_arch(*ARCHS[name])
    layer = small.graph.eligible[0].name
    settings = tuple(
        PredictorSetting(pattern="1/2", threshold=threshold, unit=unit)
        for unit in units_of(arch)
        for threshold in (-0.25, 0.25)
    )
    costs = measure_array_costs(small.model, small.graph, small.scorers, {layer: settings}, arch, small.images)
    (measured,) = (one for one in costs.layers if one.site.name == layer)
    assert measured.settings == (None, *settings)
    for option, setting in enumerate(settings, 1):
        point = OperatingPoint(name="p", predictors={layer: setting})
        result = zapsim.simulate(arch, small.trace(tmp_path / f"{option}.safetensors", point))
        (simulated,) = (one for one in result.layers if one.shape.name == layer)
        assert measured.cycles[option] == simulated.comparison.policy.cycles.total
        assert measured.energy_pj[option] == pytest.approx(simulated.comparison.policy.total_energy_pj, rel=1e-12)
        assert measured.cycles[0] == simulated.comparison.baseline.cycles.total
    if arch.dram.compression == "none":  # else what the layer skips makes the next one's ifmap smaller
        assert costs.dense_cycles == result.total.baseline.cycles.total


@pytest.mark.parametrize("name", ["weight-stationary", "lanes"])
def test_what_is_expected_of_a_point_is_what_a_simulation_of_its_trace_gives(small: Small, name: str, tmp_path: Path):
    arch = load_arch(*ARCHS[name])
    curves = measure_curves(small.model, small.graph, small.scorers, small.images)
    calibration = Calibration(small.model, small.graph, small.scorers, small.images, curves)
    budgets, goal = Budgets(errors=(0.4,), thresholds=(0.0,)), ArrayGoal(arch, thresholds=8)
    points = tune_for_array(calibration, budgets, goal, ["density"])
    assert [point.name for point in points] == ["e0.4", "t0", "e0.4-density", "t0-density"]
    for point in points:
        assert point.predictors
        traced = small.trace(tmp_path / f"{point.name}.safetensors", point)
        result = zapsim.simulate(arch, traced)
        assert point.quality["expected_cycle_saving"] == result.total.cycle_saving
        assert point.quality["expected_energy_saving"] == pytest.approx(result.total.energy_saving, rel=1e-12)
        assert "all predictors at work on 2 smooth images" in point.quality_note
        assert (point.order is None) == (not point.name.endswith("-density"))
        assert traced.header.operating_points[0].predictors == point.predictors


@pytest.mark.parametrize(("name", "minimise"), [("weight-stationary", "cycles"), ("lanes", "energy")])
def test_the_choice_equals_brute_force(small: Small, name: str, minimise: str):
    options = small.trade_off(load_arch(*ARCHS[name]), minimise)
    costs = [layer.cycles if minimise == "cycles" else layer.energy_pj for layer in options.costs.layers]
    errors = options._errors()
    chosen = 0
    for budget in (0.0, 0.02, 0.1, 0.3):
        point = options.for_error(budget)
        every = list(product(*(range(len(cost)) for cost in costs)))
        within = [taken for taken in every if sum(e[i] for e, i in zip(errors, taken, strict=True)) <= budget]
        least = min(sum(c[i] for c, i in zip(costs, taken, strict=True)) for taken in within)
        dense = sum(cost[0] for cost in costs)
        key = f"layerwise_{'cycle' if minimise == 'cycles' else 'energy'}_saving"
        assert point.quality[key] == pytest.approx(1 - least / dense, abs=1e-12)
        assert point.quality["summed_error"] <= budget
        chosen += len(point.predictors)
        if point.quality[key] > 0:
            again = options.for_saving(point.quality[key] - 1e-9)
            assert again.quality["summed_error"] <= point.quality["summed_error"] + 1e-12
    assert chosen


def random_options(seed: int, minimise: str) -> ArrayTradeOff:
    """Layers with random costs and errors, in no order."""
    random, graph = np.random.default_rng(seed), small_graph(small_network())
    small = Small(1)
    curves = measure_curves(small.model, graph, small.scorers, small.images)
    settings = settings_to_simulate({None: curves}, 1.0, 12)
    layers = []
    for site in graph.sites:
        count = 1 + len(settings.get(site.name, ()))
        layers.append(
            LayerCosts(
                site, (None, *settings.get(site.name, ())), random.random(count) * 1e6, random.random(count) * 1e9
            )
        )
    return ArrayTradeOff({None: curves}, ArrayCosts(tuple(layers), "random"), minimise)


@pytest.mark.parametrize("minimise", ["cycles", "energy", "edp"])
def test_a_coarser_budget_never_costs_more(minimise: str):
    for seed in range(4):
        options, before = random_options(seed, minimise), np.inf
        for budget in np.linspace(0, 1.5, 13):
            quality = options.for_error(float(budget)).quality
            cycles, energy = 1 - quality["layerwise_cycle_saving"], 1 - quality["layerwise_energy_saving"]
            cost = {"cycles": cycles, "energy": energy, "edp": cycles * energy}[minimise]
            assert cost <= 1 + 1e-12
            if minimise != "edp":  # a descent may end elsewhere
                assert cost <= before + 1e-12
            before = cost


@pytest.mark.parametrize("saving", [0.05, 0.15, 0.25])
@pytest.mark.parametrize("minimise", ["cycles", "energy", "edp"])
def test_savings_are_shares_of_the_cost(minimise: str, saving: float):
    quality = random_options(1, minimise).for_saving(saving).quality
    cycles, energy = 1 - quality["layerwise_cycle_saving"], 1 - quality["layerwise_energy_saving"]
    assert {"cycles": cycles, "energy": energy, "edp": cycles * energy}[minimise] <= 1 - saving + 1e-9


def test_an_infeasible_saving_says_what_can_be_reached(small: Small):
    options = small.trade_off(load_arch(*ARCHS["lanes"]), count=2)
    with pytest.raises(FrontendError, match=r"a saving of 99.0% cannot be reached: no thresholds save over .* cycles"):
        options.for_saving(0.99)


def test_an_array_with_a_predictor_that_costs_more_than_it_saves_stays_dense(small: Small):
    arch = load_arch("systolic_16x16", {"array.rows": 4, "array.cols": 4, "predictor.latency": "10000 cycles"})
    assert not small.trade_off(arch, count=2).for_error(0.3).predictors


def test_a_python_call_takes_an_architecture(small: Small, tmp_path: Path):
    predictors = save_predictors(
        tmp_path / "p.safetensors", small.network.name, small.network.weights_sha256, small.scorers, {}
    )
    changes = {"array.pes": 2, "array.lanes": 4}
    how = {"arch": "lanes_256", "overrides": changes, "minimise": "edp", "out": tmp_path / "points.json"}
    tuned = tune(
        small.network, predictors, smooth_images(6, seed=5), error=[0.1, 0.4], array_crops=2, weigh=True, **how
    )
    stored = json.loads((tmp_path / "points.json").read_text())
    array = stored["provenance"]["array"]
    assert (array["arch"], array["minimise"], array["unit"]) == ("lanes_256", "edp", "auto")
    assert array["arch_sha256"] == load_arch("lanes_256", changes).hash
    traced = trace(small.network, predictors, small.images, tmp_path / "t.safetensors", points=tmp_path / "points.json")
    assert traced.header.operating_points[1].predictors == tuned.points[1].predictors
    saving = zapsim.simulate("lanes_256", traced, overrides=changes, point="e0.4").total.cycle_saving
    assert saving == tuned.points[1].quality["expected_cycle_saving"]  # the images are the first two that were tuned on
    assert {"achieved_top1_agreement", "asked_summed_error"} <= set(tuned.points[1].quality)


def test_points_share_maps_only_if_they_make_the_same_decisions(small: Small, tmp_path: Path):
    order = FilterOrder(
        rule="density", filters={"2": tuple(reversed(range(9)))}, channels={"6": tuple(reversed(range(9)))}
    )
    points = []
    for unit in (None, DecisionUnit(filters=4), DecisionUnit(pixels=4)):
        setting = PredictorSetting(pattern="1/2", threshold=0.1, unit=unit)
        points.append(OperatingPoint(name=str(unit), predictors={"2": setting}))
        points.append(points[-1].model_copy(update={"name": f"{unit} in order", "order": order}))
    predictors = save_predictors(None, small.network.name, small.network.weights_sha256, small.scorers, {})
    traced = trace(small.network, predictors, small.images, tmp_path / "t.safetensors", points=points)
    shared = [point.maps is not None for point in traced.header.operating_points]
    assert shared == [False, True, False, False, False, False]
    natural, ordered = (
        next(layer.mask for layer in traced.layers(point.name) if layer.shape.name == "2").unpack()
        for point in points[2:4]
    )
    assert (natural[..., ::-1] != ordered).any()  # tiles of 4 filters of 9 hold others from the other end
    outside = ~pattern_map("1/2", 16, 16)
    for mask in (natural, ordered):
        tiles = [mask[..., first : first + 4][:, outside] for first in (0, 4, 8)]
        assert all((tile.any(axis=-1) == tile.all(axis=-1)).all() for tile in tiles)


def test_no_images_no_cost(small: Small):
    with pytest.raises(FrontendError, match="needs at least one image"):
        measure_array_costs(small.model, small.graph, small.scorers, {}, load_arch("eyeriss"), smooth_images(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimise": "cycles"}, "minimise need an architecture: give arch (--arch), such as eyeriss"),
        ({"arch": "lanes_256", "minimise": "cycle"}, "unknown cost 'cycle' to minimise (did you mean 'cycles'?)"),
        ({"arch": "eyeriss", "unit": "filters"}, "unit 'filters' is nothing that eyeriss"),
        ({"arch": "lanes_256", "array_crops": 0}, "at least one crop must be simulated, got 0"),
        ({"arch": "lanes_256", "array_crops": 7}, "7 crops are to be simulated, but there are only 6 (--crops)"),
        ({"arch": load_arch("eyeriss"), "overrides": ["clock=1 MHz"]}, "overrides need the name or path"),
        ({"arch": "systolic_16x16", "overrides": {"inputs": "skip"}}, "does not support inputs = skip"),
        ({"arch": "eyeriss", "overrides": {"array.rows": 2}}, "layer 0 cannot be mapped: 3 filter rows"),
    ],
)
def test_what_an_array_cannot_do_is_one_line_before_the_work(small: Small, options: dict, message: str, tmp_path: Path):
    out = tmp_path / "points.json"
    predictors = save_predictors(None, small.network.name, small.network.weights_sha256, small.scorers, {})
    with pytest.raises((FrontendError, MappingError, PolicyError, ZapsimError)) as caught:
        tune(small.network, predictors, smooth_images(6), error=0.1, out=out, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not out.exists()
