"""A network in another order of channels computes the same, with the permuted masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend_support import small_cnn, smooth_images
from tests.order_support import NETWORKS, graph_and_channels, network, predictors_of, random_order
from zapsim.errors import FrontendError
from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.reorder import reorder, reorder_predictors
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint

KEPT = {
    "plain": {},
    "residual": {},
    "padded": {"conv2": "its channels leave the network"},
    "concatenating": {},
    "grouped": {},
    "shuffled": {
        "conv1": "'channel_shuffle' behind it may depend on its order",
        "conv4": "its channels are kept in the network",
    },
}


def made(name: str) -> Network:
    return network(small_cnn() if name == "plain" else NETWORKS[name]())


def write(path: Path, net: Network, graph: Graph, predictors: PredictorSet, point: OperatingPoint) -> Trace:
    images = smooth_images(2)
    capture(path, trace_header(net, graph, predictors.predictors, [point], images, {}), net, graph,
            predictors.predictors, images)  # fmt: skip
    return Trace(path)


@pytest.mark.parametrize("name", KEPT)
def test_the_function_stays_and_masks_are_permuted(tmp_path: Path, name: str):
    net = made(name)
    graph, channels = graph_and_channels(net)
    predictors = predictors_of(net, graph)
    order = random_order(graph, channels)
    assert order.kept == KEPT[name]
    assert any(layer.shape.name in order.filters for layer in graph.eligible)
    point = uniform_points([0.5], predictors.predictors)[0].model_copy(update={"order": order})

    reordered = reorder(net, graph, point)
    images = smooth_images(3).tensor(range(3))
    with torch.no_grad():
        expected, outputs = net.model(images), reordered.model(images)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)
    after = reordered.model.state_dict()
    assert any(not torch.equal(value, after[key]) for key, value in net.model.state_dict().items())

    own = write(tmp_path / "own", net, graph, predictors, point)
    other_graph, _ = graph_and_channels(reordered)
    other = reorder_predictors(predictors, reordered, point)
    other.check_fit(reordered.weights_sha256, other_graph)
    plain = point.model_copy(update={"order": None})
    for before, after in zip(own.layers(), write(tmp_path / "other", reordered, other_graph, other, plain).layers(),
                             strict=True):  # fmt: skip
        for kind in ("ifmap_nonzero", "ofmap_nonzero", "mask"):
            maps = getattr(before, kind), getattr(after, kind)
            assert (maps[0] is None) == (maps[1] is None)
            if maps[0] is not None:
                assert np.array_equal(maps[0].bits, maps[1].bits), (before.shape.name, kind)


def test_the_network_itself_is_not_touched():
    net = made("residual")
    before = net.weights_sha256
    graph, channels = graph_and_channels(net)
    point = OperatingPoint(name="t", predictors={}, order=random_order(graph, channels))
    reordered = reorder(net, graph, point)
    assert net.weights_sha256 == before != reordered.weights_sha256
    assert "in order of density (point t)" in reordered.source


def test_orders_that_part_a_sum_are_refused():
    net = made("residual")
    graph, channels = graph_and_channels(net)
    order = random_order(graph, channels)
    torn = order.model_copy(update={"filters": {**order.filters, "short": order.filters["short"][::-1]}})
    for bad, message in (
        (torn, "the filters of layer (conv3|short) cannot have this order"),
        (order.model_copy(update={"channels": {}}), "the input channels of layer conv1 cannot"),
        (order.model_copy(update={"filters": {"conv9": (1, 0)}}), "unknown layer 'conv9'"),
        (None, "point t has no order of filters: learn one with zapsim tune --order"),
    ):
        with pytest.raises(FrontendError, match=message):
            reorder(net, graph, OperatingPoint(name="t", predictors={}, order=bad))


class Sly(nn.Module):
    """Reads its weights behind torch's back."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(torch.relu(self.stem(x))))
        return x.mean((1, 2, 3)).unsqueeze(1) * float(self.stem.weight.detach().numpy()[0].sum())


def test_a_copy_that_computes_something_else_is_refused():
    net = network(Sly())
    graph, channels = graph_and_channels(net)
    with pytest.raises(FrontendError, match="the reordered network's outputs differ"):
        reorder(net, graph, OperatingPoint(name="t", predictors={}, order=random_order(graph, channels)))
