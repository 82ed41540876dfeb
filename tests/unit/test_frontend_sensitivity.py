"""Sensitivities: what a layer's errors do to the output, against passes written out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend_predictors import random_predictors
from tests.frontend_support import GREY, small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.network import Network
from zapsim.frontend.tuning.curves import measure_curves
from zapsim.frontend.tuning.operating_points import expected, for_error
from zapsim.frontend.tuning.sensitivity import LEAST_WEIGHT, PROBE_ERROR, measure_sensitivities, weighted

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(24)


def sensitivities(network: Network) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Weights, and the probe of each layer: its threshold and its error."""
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph, "1/2")
    curves = measure_curves(network.model, graph, predictors, IMAGES)
    probes = {}
    for layer in curves.layers:
        index = min(range(len(layer.error)), key=lambda i: abs(layer.error[i] - PROBE_ERROR))
        probes[layer.name] = float(layer.thresholds[index]), float(layer.error[index])
    return measure_sensitivities(network.model, graph, predictors, curves, IMAGES), probes


def test_weights_follow_the_error_of_the_class_probabilities():
    network = small_network()
    weights, probes = sensitivities(network)
    predictors = random_predictors(network.model, small_graph(network), "1/2")

    def run(skipped: str | None) -> torch.Tensor:
        values = IMAGES.tensor(range(len(IMAGES)))
        for index, module in enumerate(network.model.eval()):
            values = module(values)
            if (skipped == "2" and index == 4) or (skipped == "6" and index == 7):  # the ReLUs behind them
                values = values * predictors[skipped].mask(values, probes[skipped][0])
        return values.double().softmax(dim=1)

    with torch.no_grad():
        expected = run(None)
        slopes = {name: float((run(name) - expected).norm() / expected.norm()) / probes[name][1] for name in probes}
    assert set(weights) == {"2", "6"}
    assert np.mean(list(weights.values())) == pytest.approx(1)
    assert weights["2"] / weights["6"] == pytest.approx(slopes["2"] / slopes["6"], rel=1e-5)


def test_a_layer_that_does_no_harm_keeps_a_little_weight():
    network = small_network()
    with torch.no_grad():
        network.model[6].weight.zero_()  # nothing of layer 2 gets through
    weights, _ = sensitivities(network)
    # Its slope is 0 and the other's twice the mean.
    assert weights["2"] / weights["6"] == pytest.approx(LEAST_WEIGHT / 2)
    assert np.mean(list(weights.values())) == pytest.approx(1)


def test_a_heavy_layer_gets_less_of_the_budget():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph, "1/2")
    curves = measure_curves(network.model, graph, predictors, IMAGES)
    heavy = weighted(curves, {"2": 1.9, "6": 0.1})
    assert np.array_equal(heavy.layer("2").error, 1.9 * curves.layer("2").error)
    assert np.array_equal(heavy.layer("2").computed, curves.layer("2").computed)
    plain, tuned = (for_error(one, 0.3) for one in (curves, heavy))
    assert expected(heavy, tuned).quality["summed_error"] <= 0.3
    assert tuned.thresholds.get("2", -2) < plain.thresholds.get("2", -2)
    assert tuned.thresholds.get("6", -2) > plain.thresholds.get("6", -2)


def test_an_output_of_zeros_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
    for value in model[4].parameters():
        nn.init.zeros_(value)
    with pytest.raises(FrontendError, match="output is zero or not finite"):
        sensitivities(Network(model, "zero", "zeros", GREY))
