"""Harm: what zeroing outputs does to the network's output, against forward passes with the outputs zeroed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend_predictors import random_predictors
from tests.frontend_support import GREY, small_graph, small_network, smooth_images
from zapsim.errors import FrontendError, ZapsimError
from zapsim.frontend.api import train, tune
from zapsim.frontend.harm import DRAWS, LEAST_WEIGHT, Contributions, channel_weights, contributions
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import ConvSite, Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.frontend.training.learner import Learner
from zapsim.frontend.training.losses import harm_error, weighted_error
from zapsim.frontend.tuning.harm_curves import choose_by_harm, measure_harm_curves
from zapsim.frontend.tuning.operating_points import best_threshold, expected, for_error, for_saving

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(12)


def linear_network(outputs: int = 1) -> Network:
    """A network with one predicted layer, linear behind it."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(5, 2, 3),
        nn.Flatten(),
        nn.Linear(2 * 14 * 14, outputs),
    )
    return Network(model, "linear", "random", GREY)


def measure(network: Network, graph: Graph, method: Method | None = None, steps: int = 2, seed: int = 7):
    inputs = IMAGES.tensor(range(len(IMAGES)))
    names = [site.name for site in graph.eligible]
    with frozen(network.model):
        random = torch.Generator().manual_seed(seed)
        return contributions(network.model, graph, names, inputs, random, method=method, steps=steps)


def run(network: Network, graph: Graph, method: Method | None) -> torch.Tensor:
    inputs = IMAGES.tensor(range(len(IMAGES)))
    with frozen(network.model):
        if method is None:
            return network.model(inputs)
        with Interception(graph, on_ofmap=method.skipping()):
            return network.model(inputs)


def drawn(shape: tuple[int, ...], seed: int = 7) -> list[torch.Tensor]:
    """The projections that a seed gives."""
    random = torch.Generator().manual_seed(seed)
    return [2.0 * torch.randint(0, 2, shape, generator=random) - 1 for _ in range(DRAWS)]


def skipped_sums(measured: Contributions, masks: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Sum of the contributions of all skipped outputs, by draw: (images,)."""
    return [
        sum(((measured.layers[name][draw] * ~masks[name]).sum(dim=(1, 2, 3)) for name in masks), torch.zeros(()))
        for draw in range(DRAWS)
    ]


@pytest.mark.parametrize("steps", [1, 3])
def test_of_a_linear_network_contributions_sum_to_the_measured_change(steps: int):
    network = linear_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    method = predicting(predictors, operating_point("point", predictors, {"2": 0.1}))
    masks = record_masks(network, graph, method)
    change = (run(network, graph, None) - run(network, graph, method))[:, 0]
    assert change.abs().min() > 1e-4
    for sign, total in zip(drawn((12, 1)), skipped_sums(measure(network, graph, method, steps), masks), strict=True):
        torch.testing.assert_close(total, sign[:, 0] * change, rtol=1e-4, atol=1e-6)


def test_of_any_network_they_do_so_on_a_fine_path():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    method = predicting(predictors, operating_point("point", predictors, {"2": 0.1, "6": 0.0}))
    masks = record_masks(network, graph, method)
    change = run(network, graph, None) - run(network, graph, method)
    signs = drawn((12, 5))
    errors = {}
    for steps in (1, 64):
        totals = skipped_sums(measure(network, graph, method, steps), masks)
        right = [(sign * change).sum(dim=1) for sign in signs]
        errors[steps] = float((torch.cat(totals) - torch.cat(right)).norm() / torch.cat(right).norm())
    assert errors[64] < 0.01 < errors[1] < 0.3


def record_masks(network: Network, graph: Graph, method: Method) -> dict[str, torch.Tensor]:
    masks = {}

    def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        if site.name in method.patterns:
            masks[site.name] = method.mask(site, ofmap)
            return ofmap * masks[site.name]
        return None

    with frozen(network.model), Interception(graph, on_ofmap=skip):
        network.model(IMAGES.tensor(range(len(IMAGES))))
    return masks


def test_each_contribution_is_a_finite_difference():
    network = small_network()
    graph = small_graph(network)
    network.model.double()
    inputs = IMAGES.tensor([0, 1]).double()
    names = [site.name for site in graph.eligible]
    with frozen(network.model):
        measured = contributions(network.model, graph, names, inputs, torch.Generator().manual_seed(7))
    sign = drawn((2, 5))[0].double()

    def projected(layer: str, place: tuple[int, ...], share: float) -> float:
        def scale(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
            if site.name != layer:
                return None
            changed = ofmap.clone()
            changed[place] *= share
            return changed

        with frozen(network.model), Interception(graph, on_ofmap=scale):
            return float((network.model(inputs) * sign).sum())

    random = np.random.default_rng(0)
    for layer in names:
        values = measured.layers[layer][0]
        places = values.nonzero().tolist()
        assert len(places) > 100
        for number in random.choice(len(places), 12, replace=False):
            place = tuple(places[number])
            slope = (projected(layer, place, 1 + 1e-6) - projected(layer, place, 1 - 1e-6)) / 2e-6
            assert float(values[place]) == pytest.approx(slope, rel=1e-4)


def test_curves_of_a_linear_network_are_the_measured_error():
    network = linear_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    curve = measure_harm_curves(network.model, graph, predictors, IMAGES, progress=False).layer("2")
    reference = run(network, graph, None).double()
    # Where contributions cancel the curve stays level; where it rises it is the error of that very threshold.
    rising = 1 + np.flatnonzero(np.diff(curve.error) > 0)
    assert len(rising) > 20
    for index in rising[:: len(rising) // 12]:
        point = operating_point("point", predictors, {"2": float(curve.thresholds[index])})
        change = run(network, graph, predicting(predictors, point)).double() - reference
        assert curve.error[index] == pytest.approx(float(change.square().sum() / reference.square().sum()), rel=1e-3)


def test_curves_count_what_is_computed_while_the_point_skips():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    point = operating_point("point", predictors, {"2": 0.5})
    curves = measure_harm_curves(network.model, graph, predictors, IMAGES, point=point, progress=False)
    masks = record_masks(
        network, graph, predicting(predictors, operating_point("p", predictors, {"2": 0.5, "6": 0.25}))
    )
    for name, threshold in (("2", 0.5), ("6", 0.25)):
        layer = curves.layer(name)
        assert layer.computed[layer.index(threshold)] == masks[name].sum() / len(IMAGES)


def test_the_budget_is_the_error_of_the_output():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph, deviation=0.3)
    curves = measure_harm_curves(network.model, graph, predictors, IMAGES, progress=False)
    choose = partial(for_saving, saving=0.05)
    point = choose_by_harm(network.model, graph, predictors, IMAGES, curves, choose, progress=False)
    reference = run(network, graph, None)
    outputs = run(network, graph, predicting(predictors, point))
    reached = float((outputs - reference).norm() / reference.norm())
    assert point.quality["summed_error"] == pytest.approx(reached, rel=0.3)
    budget = for_error(curves, 0.7)
    assert 0 < budget.quality["summed_error"] <= 0.7
    assert budget.quality["summed_error"] ** 2 == pytest.approx(
        sum(
            layer.error[layer.index(budget.thresholds[layer.name])]
            for layer in curves.layers
            if layer.name in budget.thresholds
        )
    )
    assert expected(curves, budget).quality["summed_error"] == budget.quality["summed_error"]
    assert best_threshold(curves, 0.7).quality["summed_error"] <= 0.7


def test_weights_are_positive_and_tell_channels_without_harm():
    network = linear_network()
    with torch.no_grad():
        network.model[4].weight[:, 0] = 0.0  # nothing of channel 0 gets through
        network.model[2].weight[1], network.model[2].bias[1] = 0.0, -1.0  # channel 1 is always zero
    graph = small_graph(network)
    weights = channel_weights(network.model, graph, {"2": "1/2"}, IMAGES)["2"]
    assert weights.shape == (5,)
    assert (weights > 0).all()
    assert float(weights.mean()) == pytest.approx(1)
    assert weights[0] == weights.min()
    assert weights[2:].max() > 5 * weights[0]
    assert float(weights[0] / weights[1]) == pytest.approx(LEAST_WEIGHT)


def test_the_seed_decides_and_the_network_comes_back_bit_for_bit():
    network = small_network()
    graph = small_graph(network)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    flags = [module.training for module in network.model.modules()]
    patterns = {"2": "1/2", "6": "1/2"}
    once, again, other = (channel_weights(network.model, graph, patterns, IMAGES, seed) for seed in (0, 0, 1))
    assert all(torch.equal(once[name], again[name]) for name in patterns)
    assert not torch.equal(once["6"], other["6"])
    assert all(torch.equal(before[name], value) for name, value in network.model.state_dict().items())
    assert [module.training for module in network.model.modules()] == flags
    assert all(value.grad is None and value.requires_grad for value in network.model.parameters())


class Ungradient(nn.Module):
    """A layer that lets no gradient through."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return values * 2


def test_a_network_without_gradients_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.ReLU(), Ungradient())
    network = Network(model, "ungradient", "random", GREY)
    graph = trace_graph(model, network.example())
    with pytest.raises(
        FrontendError, match=r"cannot be differentiated by its layers' outputs .*: use harm 'activation'"
    ):
        channel_weights(model, graph, {"2": "1/2"}, IMAGES)


def test_the_recipe_learns_and_its_points_are_tuned_in_output_errors():
    network = small_network()
    trained = train(network, smooth_images(64), epochs=8, recipe="harm", seed=2)
    assert all(losses[-1] < losses[0] for losses in trained.losses.values())
    again = train(network, smooth_images(64), epochs=8, recipe="harm", seed=2)
    assert again.predictors.header.tensors_sha256 == trained.predictors.header.tensors_sha256
    others = replace(smooth_images(12, seed=9), names=tuple(f"other {i}" for i in range(12)))
    tuned = tune(network, trained.predictors, others, error=[0.05], threshold=[0.25], harm="output")
    assert tuned.curves.squared
    assert [point.name for point in tuned.points] == ["e0.05", "t0.25"]
    quality = tuned.points[0].quality
    assert quality["summed_error"] <= 0.05
    assert quality["achieved_summed_error"] == quality["achieved_relative_output_error"]


def test_the_gradient_is_that_of_the_deviance():
    torch.manual_seed(0)
    harm = torch.relu(torch.randn(3, 2, 6, 6)).square()
    pattern = ZapPredictor(2, "1/2").pattern_of(harm)
    scores = (1.5 * torch.randn(3, 2, 6, 6)).requires_grad_()
    mean = nn.functional.softplus(8 * (scores - 0.5))
    target = harm / 0.8
    deviance = mean - target + torch.where(target > 0, target * (target.clamp(min=1e-30) / mean).log(), 0.0)
    (deviance / 4)[..., ~pattern].sum().backward()
    shown, slope = harm_error(scores.detach(), harm, pattern, 0.8)
    assert shown == pytest.approx(float(deviance[..., ~pattern].sum().detach()), rel=1e-4)
    torch.testing.assert_close(2 * slope, scores.grad)


def test_scores_rank_large_activations_better_than_chances_do():
    ranks = {}
    for recipe, error, weights in (("weighted", weighted_error, None), ("harm", harm_error, torch.ones(16))):
        predictor = ZapPredictor(16, "1/2")
        predictor.start(saturating=recipe == "weighted")
        learner = Learner("layer", predictor, error, weights)
        for step in range(60):
            learner.step(smooth_maps(step), 0.03, estimate=False, settled=step >= 30)
        predictor.eval()
        ranks[recipe] = np.mean([rank_of_the_highest(predictor, smooth_maps(seed)) for seed in (97, 98, 99)])
    assert ranks["harm"] > ranks["weighted"] + 0.03, ranks


@torch.no_grad()
def rank_of_the_highest(predictor: ZapPredictor, ofmap: torch.Tensor) -> float:
    """Rank correlation of scores and activations in the upper half of the scores."""
    outside = ~predictor.pattern_of(ofmap)
    scores, values = predictor(ofmap)[..., outside].flatten(), ofmap[..., outside].flatten()
    highest = scores.argsort()[len(scores) // 2 :]
    ranks = torch.stack([each[highest].argsort().argsort().double() for each in (scores, values)])
    return float(torch.corrcoef(ranks)[0, 1])


def smooth_maps(seed: int) -> torch.Tensor:
    """Ofmaps whose neighbouring outputs are alike: half of them zeros, and large ones beside large ones."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(4, 16, 5, 5, generator=random)
    return torch.relu(nn.functional.interpolate(coarse, size=(20, 20), mode="bilinear")).square()


def test_scores_start_without_an_upper_end():
    torch.manual_seed(0)
    ofmap = torch.relu(torch.randn(8, 3, 9, 8))
    predictor = ZapPredictor(3, "1/2")
    predictor.start(saturating=False)
    pattern = predictor.pattern_of(ofmap)
    sums = nn.functional.avg_pool2d(ofmap * pattern, 3, stride=1, padding=1, divisor_override=1)
    scores = predictor.train()(ofmap).detach()
    for channel in range(3):
        values, order = scores[:, channel][..., ~pattern].flatten(), sums[:, channel][..., ~pattern].flatten().argsort()
        assert (values[order].diff() >= -1e-6).all()
        largest = values[order][-len(values) // 20 :]
        assert largest[-1] > largest[0] + 0.1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"harm": "both"}, "harm must be one of activation, output"),
        ({"harm": "output", "weigh": True}, "need no weights"),
    ],
)
def test_other_kinds_of_harm_are_refused(fault: dict[str, object], message: str):
    network = small_network()
    trained = train(network, smooth_images(8), epochs=1)
    with pytest.raises(ZapsimError, match=message):
        tune(network, trained.predictors, IMAGES, error=0.1, **fault)
