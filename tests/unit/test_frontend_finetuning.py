"""Fine-tuning and recalibration: they help, repeat, and leave the caller's model alone."""

import pytest
import torch
from torch import nn

from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.weights import weights_digest
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.frontend.training.adaptation import (
    FinetuningOptions,
    finetune,
    recalibrate,
    recalibrate_as_published,
)

pytestmark = pytest.mark.frontend

FAST = FinetuningOptions(epochs=6, batch=16, lr=0.03, seed=4)


def point_method(predictors: dict[str, ZapPredictor]) -> Method:
    return predicting(predictors, operating_point("s", predictors, {"2": 0.0, "6": 0.0}))


def prepared() -> tuple[Network, Graph, Method]:
    network = small_network()
    graph = small_graph(network)
    return network, graph, point_method(random_predictors(network.model, graph))


def loss(model: nn.Module, graph: Graph, method: Method) -> float:
    images = smooth_images(48, labels=True)
    inputs = images.tensor(range(48))
    with frozen(model), Interception(graph, on_ofmap=method.skipping()):
        logits = model(inputs)
    return float(nn.functional.cross_entropy(logits, torch.from_numpy(images.labels)))


def test_fine_tuning_lowers_the_loss_with_skipping_and_repeats():
    network, graph, method = prepared()
    digest, before = weights_digest(network.model), loss(network.model, graph, method)
    once, again = (finetune(network.model, graph, method, smooth_images(48, labels=True), FAST) for _ in range(2))
    assert weights_digest(network.model) == digest
    assert network.model.training
    assert network.model[4].inplace
    assert all(torch.equal(once[name], again[name]) for name in once)
    network.model.load_state_dict(once)
    assert loss(network.model, graph, method) < 0.95 * before


def test_predictors_stay_as_they_are():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    before = {name: weights_digest(one) for name, one in predictors.items()}
    method = point_method(predictors)
    finetune(network.model, graph, method, smooth_images(16, labels=True), FAST)
    recalibrate(network.model, graph, method, smooth_images(16), batch=8)
    assert {name: weights_digest(one) for name, one in predictors.items()} == before
    assert all(value.grad is None for one in predictors.values() for value in one.parameters())


def test_gradients_flow_only_through_what_was_computed():
    network, graph, _ = prepared()
    nothing = Method("nothing", {"6": "1/2"}, lambda _, ofmap: torch.zeros_like(ofmap, dtype=torch.bool))
    options = FinetuningOptions(batch=16, lr=0.01, weight_decay=0.0)
    state = finetune(network.model, graph, nothing, smooth_images(16, labels=True), options)
    before = network.model.state_dict()
    assert torch.equal(state["0.weight"], before["0.weight"])
    assert torch.equal(state["6.weight"], before["6.weight"])
    assert not torch.equal(state["9.bias"], before["9.bias"])


def test_in_place_changes_the_model():
    network, graph, method = prepared()
    digest = weights_digest(network.model)
    state = finetune(network.model, graph, method, smooth_images(16, labels=True), FAST, in_place=True)
    assert weights_digest(network.model) != digest
    assert all(torch.equal(value, state[name]) for name, value in network.model.state_dict().items())


def test_recalibration_measures_the_statistics_with_skipping():
    network, graph, method = prepared()
    digest = weights_digest(network.model)
    images = smooth_images(32)
    state = recalibrate(network.model, graph, method, images, batch=16)
    assert weights_digest(network.model) == digest
    assert network.model.training
    changed = {name for name, value in network.model.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == {"3.running_mean", "3.running_var"}
    model = network.model.eval()
    with torch.no_grad():  # the first normalisation stands before the first skipping: its input is known
        sums = model[2](torch.relu(model[0](images.tensor(range(32)))))
    expected = torch.stack([sums[:16].mean(dim=(0, 2, 3)), sums[16:].mean(dim=(0, 2, 3))]).mean(dim=0)
    assert torch.allclose(state["3.running_mean"], expected, atol=1e-5)


def test_what_cannot_be_done_is_said_before_the_work():
    network, graph, method = prepared()
    with pytest.raises(FrontendError, match="needs labelled images"):
        finetune(network.model, graph, method, smooth_images(32))
    with pytest.raises(FrontendError, match="8 images are too few for batches of 32"):
        finetune(network.model, graph, method, smooth_images(8, labels=True))
    with pytest.raises(FrontendError, match="8 images are too few for batches of 128"):
        recalibrate(network.model, graph, method, smooth_images(8))
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU())
    empty = Method("none", {}, lambda _, ofmap: ofmap > 0)
    traced = trace_graph(plain, torch.zeros(1, 1, 16, 16))
    with pytest.raises(FrontendError, match="no batch normalisation"):
        recalibrate(plain, traced, empty, smooth_images(8), batch=8)
    with pytest.raises(FrontendError, match="one output of classes"):
        finetune(plain, traced, empty, smooth_images(8, labels=True), FinetuningOptions(batch=8))
    with pytest.raises(FrontendError, match="learning rate must be positive"):
        FinetuningOptions(lr=0)


def test_as_published_fine_tuning_takes_five_epochs_of_batches_of_128():
    published = FinetuningOptions.as_published(seed=3)
    assert (published.epochs, published.batch, published.seed) == (5, 128, 3)
    assert (published.lr, published.momentum, published.weight_decay) == (1e-4, 0.9, 5e-4)
    assert FinetuningOptions.as_published(batch=16).batch == 16


def test_as_published_statistics_move_on_from_the_old_ones():
    network, graph, _ = prepared()
    model, images = network.model, smooth_images(32)
    predictors = random_predictors(model, graph)
    point = operating_point("p", predictors, {"2": 0.1})
    old = model[3].running_mean.clone()
    state, moved = recalibrate_as_published(model, graph, predictors, point, images, batch=16)
    with torch.no_grad():
        sums = model[2](torch.relu(model[0](images.tensor(range(32)))))
    expected = old
    for half in (sums[:16], sums[16:]):
        expected = 0.9 * expected + 0.1 * half.mean(dim=(0, 2, 3))
    assert torch.allclose(state["3.running_mean"], expected, atol=1e-5)
    assert torch.equal(model[3].running_mean, old)
    assert not torch.equal(moved["2"].bn1.running_mean, predictors["2"].bn1.running_mean)
    assert torch.equal(moved["2"].conv1.weight, predictors["2"].conv1.weight)
    with pytest.raises(FrontendError, match="32 images are too few for batches of 128"):
        recalibrate_as_published(model, graph, predictors, point, images)


def test_a_diverging_run_stops_with_the_reason():
    network, graph, method = prepared()
    wild = FinetuningOptions(epochs=5, batch=16, lr=1e30)
    with pytest.raises(FrontendError, match="not finite"):
        finetune(network.model, graph, method, smooth_images(48, labels=True), wild)
