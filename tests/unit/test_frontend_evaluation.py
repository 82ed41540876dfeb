"""Evaluation: counts that add up, figures with intervals, all predictors at work."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend_predictors import random_predictors
from tests.frontend_support import GREY, small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.baselines import perfect
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.network.weights import weights_digest
from zapsim.frontend.quality import measure_quality
from zapsim.frontend.skipping import operating_point, predicting

pytestmark = pytest.mark.frontend

THRESHOLDS = {"2": 0.25, "6": 0.0}


def evaluated(labels: bool = True, images: int = 20) -> Evaluation:
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    method = predicting(predictors, operating_point("here", predictors, THRESHOLDS))
    return run_methods(network.model, graph, [method], smooth_images(images, labels=labels))[0]


def test_the_confusion_adds_up_to_what_the_masks_say():
    found = evaluated()
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    model = network.model.eval()
    with torch.no_grad():
        before = model[1](model[0](smooth_images(20).tensor(range(20))))
        ofmap = torch.relu(model[3](model[2](before)))
        mask = predictors["2"].mask(ofmap, 0.25)
        behind = model[7](model[6](model[5](ofmap * mask)))  # the second layer sees what the first one skipped
        second = predictors["6"].mask(behind, 0.0)
    for layer, values, kept in zip(found.layers, (ofmap, behind), (mask, second), strict=True):
        outside = ~predictors[layer.name].pattern_of(values)
        zero, skipped = (values == 0)[..., outside], ~kept[..., outside]
        assert layer.outputs == values.numel()
        assert layer.zero_skipped == int((zero & skipped).sum())
        assert layer.zero_computed == int((zero & ~skipped).sum())
        assert layer.nonzero_skipped == int((~zero & skipped).sum())
        assert layer.nonzero_computed == int((~zero & ~skipped).sum())
        assert 0 < layer.zeros_found < 1


def test_macs_are_net_of_the_predictors_own():
    found = evaluated()
    skipped = sum(layer.skipped * layer.macs_per_output for layer in found.layers)
    shapes = {site.name: site.shape for site in small_graph(small_network()).sites}
    assert found.dense_macs == 20 * sum(shape.macs for shape in shapes.values())
    # 9 MACs per output: at half of the positions for the second filter, and half the taps everywhere for the first one.
    predictors = sum(20 * 9 * shapes[name].outputs for name in ("2", "6"))
    assert found.macs_saved == pytest.approx((skipped - predictors) / found.dense_macs)


def test_quality_is_that_of_a_trace():
    network = small_network()
    graph = small_graph(network)
    predictors, images = random_predictors(network.model, graph), smooth_images(20, labels=True)
    point = operating_point("here", predictors, THRESHOLDS)
    expected = measure_quality(network, graph, predictors, [point], images)[0].quality
    figures = evaluated().figures
    for name in ("top1_agreement", "top1_accuracy", "top1_accuracy_unmodified"):
        assert figures[name].value == pytest.approx(expected[name])
        assert figures[name].low <= figures[name].value <= figures[name].high
    lost = figures["top1_accuracy_unmodified"].value - figures["top1_accuracy"].value
    assert figures["top1_lost"].value == pytest.approx(lost)


def test_without_labels_there_is_no_accuracy():
    assert set(evaluated(labels=False).figures) == {"top1_agreement", "relative_output_error"}


def test_top_5_comes_with_more_than_five_classes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 7))
    graph = trace_graph(model, torch.zeros(1, 1, 16, 16))
    found = run_methods(model, graph, [perfect({"2": "1/2"})], smooth_images(9, labels=True))[0]
    assert {"top5_accuracy", "top5_accuracy_unmodified", "top5_lost"} <= set(found.figures)
    assert found.figures["top5_accuracy"].value >= found.figures["top1_accuracy"].value


def test_a_network_of_maps_has_an_output_error():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3), nn.ReLU())
    graph = trace_graph(model, torch.zeros(1, 1, 16, 16))
    predictors = random_predictors(model, graph)
    method = predicting(predictors, operating_point("s", predictors, {"2": 0.0}))
    found = run_methods(model, graph, [method], smooth_images(9))[0]
    assert set(found.figures) == {"relative_output_error"}
    error = found.figures["relative_output_error"]
    assert 0 < error.low < error.value < error.high


def test_the_model_comes_back_unchanged_and_another_can_be_the_reference():
    network, other = small_network(1), small_network(2)
    graph = small_graph(network)
    digest, training = weights_digest(network.model), network.model.training
    same = run_methods(network.model, graph, [perfect({})], smooth_images(4), reference=other.model)[0]
    assert same.figures["relative_output_error"].value > 0
    assert (weights_digest(network.model), network.model.training) == (digest, training)


def test_bad_input_is_one_clear_line():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    with pytest.raises(FrontendError, match="point s sets layer '22', which has no predictor"):
        operating_point("s", predictors, {"22": 0.0})
    point = operating_point("s", predictors, {"2": 0.0})
    with pytest.raises(FrontendError, match=r"operating point s: no predictor of layer '2' \(did you mean '22'\?\)"):
        predicting({"22": predictors["2"]}, point)
    with pytest.raises(FrontendError, match="layer '2' has pattern 1/2, but its predictor was made for 1/4"):
        predicting(random_predictors(network.model, graph, "1/4"), point)
    with pytest.raises(FrontendError, match="at least one image and one method"):
        run_methods(network.model, graph, [], smooth_images(4))
    wrong = smooth_images(4, labels=True)
    wrong.labels[:] = 9
    with pytest.raises(FrontendError, match="labels must be 0 to 4"):
        run_methods(network.model, graph, [perfect({})], wrong)
    with torch.no_grad():
        network.model[2].weight[0] = float("nan")
    with pytest.raises(FrontendError, match="layer 2: its activations are not finite"):
        run_methods(Network(network.model, "n", "", GREY).model, graph, [perfect({})], smooth_images(4))


def test_differences_are_paired_image_by_image():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    methods = [
        predicting(predictors, operating_point(name, predictors, {"2": threshold}))
        for name, threshold in (("low", 0.1), ("high", 0.3))
    ]
    images = smooth_images(20, labels=True)
    low, high = run_methods(network.model, graph, methods, images)
    found = high.minus(low)
    for name in ("top1_agreement", "top1_accuracy", "relative_output_error"):
        assert found[name].value == pytest.approx(high.figures[name].value - low.figures[name].value)
    assert found["macs_saved"].value == pytest.approx(high.macs_saved - low.macs_saved)
    # The same images are easy or hard for both, so that the difference is known better than either figure.
    both = [one.figures["relative_output_error"] for one in (low, high)]
    paired = found["relative_output_error"]
    assert 0 < paired.high - paired.low < np.hypot(*(one.high - one.low for one in both))
    with pytest.raises(FrontendError, match="high and low were not measured on the same images"):
        high.minus(run_methods(network.model, graph, methods[:1], images.first(9))[0])


def test_crops_of_few_photographs_are_known_less_well_than_as_many_photographs():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    method = predicting(predictors, operating_point("here", predictors, THRESHOLDS))
    pixels = smooth_images(6).pixels[np.arange(24) // 4]
    alone, crops = (
        replace(smooth_images(24), pixels=pixels, sources=tuple(str(index // crops) for index in range(24)))
        for crops in (1, 4)
    )
    one, other = (run_methods(network.model, graph, [method], images)[0] for images in (alone, crops))
    assert (one.images, one.photographs, other.images, other.photographs) == (24, 24, 24, 6)
    widths = [e.high - e.low for e in (one.figures["relative_output_error"], other.figures["relative_output_error"])]
    assert widths[1] > 1.8 * widths[0]


def test_the_lost_activation_is_that_of_skipped_outputs():
    found = evaluated()
    for layer in found.layers:
        assert 0 < layer.activation_lost < layer.activation
    assert found.summed_error({}) == pytest.approx(sum(layer.error for layer in found.layers))
    assert found.summed_error({"2": 2.0}) == pytest.approx(2 * found.layers[0].error + found.layers[1].error)
