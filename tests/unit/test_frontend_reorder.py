"""A network in another order of channels computes the same, with the permuted masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.frontend_support import small_cnn, smooth_images
from tests.order_support import NETWORKS, graph_and_channels, network, predictors_of, random_order
from zapsim.errors import FrontendError
from zapsim.frontend import api
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


def test_fully_connected_layers_of_a_trace_follow(tmp_path: Path):
    class Classifier(nn.Module):
        """Two convolutions, then two fully connected layers."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 5, 3, padding=1)
            self.hidden, self.head = nn.Linear(5 * 8 * 8, 7), nn.Linear(7, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = functional.max_pool2d(torch.relu(self.conv(torch.relu(self.stem(x)))), 2)
            return self.head(torch.relu(self.hidden(x.flatten(1))))

    net = network(Classifier())
    graph, channels = graph_and_channels(net)
    predictors = predictors_of(net, graph)
    point = uniform_points([0.5], predictors.predictors)[0]
    ordered = point.model_copy(update={"order": random_order(graph, channels)})
    reordered = reorder(net, graph, ordered)
    other = reorder_predictors(predictors, reordered, ordered)
    traces = [
        api.trace(made_net, made_predictors, smooth_images(2), tmp_path / name, points=made_point, fully_connected=True)
        for name, made_net, made_predictors, made_point in (
            ("a", net, predictors, ordered), ("b", reordered, other, point),
        )
    ]  # fmt: skip
    layers = [list(each.layers()) for each in traces]
    assert [layer.shape.name for layer in layers[0]] == ["stem", "conv", "hidden", "head"]
    assert len(traces[0].header.operating_points[0].order.channels["hidden"]) == 5 * 8 * 8
    for one, two in zip(*layers, strict=True):
        assert np.array_equal(one.ifmap_nonzero.bits, two.ifmap_nonzero.bits)


class Between(nn.Module):
    """Something happens to 8 channels between two convolutions, and to the weights of the first."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.gate, self.back = nn.Linear(8, 3), nn.Linear(3, 8)
        self.gain = nn.Parameter(torch.rand(8) + 0.5)
        self.shared = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.way = way
        if way == "weight norm":
            self.stem = nn.utils.parametrizations.weight_norm(self.stem)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(self.between(torch.relu(self.stem(x)))))
        return x.mean((2, 3)).sum(1, keepdim=True)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        ways = {
            "squeeze and excite": lambda: x * torch.sigmoid(self.back(self.gate(x.mean((2, 3)))))[:, :, None, None],
            "gain by einsum": lambda: torch.einsum("nchw,c->nchw", x, self.gain),
            "gain in place": lambda: x.mul_(self.gain.view(1, -1, 1, 1)),
            "normalised": lambda: functional.normalize(x) + functional.local_response_norm(x, 3),
            "instance norm": lambda: self.norm(x),
            "chosen": lambda: x[:, [1, 0, 2, 3, 4, 5, 6, 7]],
            "flipped": lambda: x.flip(1),
            "rolled and added": lambda: x + x.roll(1, 1),
            "chunks changed": lambda: torch.cat(x.chunk(2, 1)[::-1], 1),
            "pixels shuffled": lambda: functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2),
            "groups by reshape": lambda: (x.view(len(x), 2, 4, 16, 16) * 2).flatten(1, 2),
            "attention": lambda: (torch.softmax(x.flatten(2).mT @ x.flatten(2) / 99, -1) @ x.flatten(2).mT).mT.reshape(
                x.shape
            ),
            "grouped twice": lambda: self.shared(torch.relu(self.shared(x))),
            "grouped and read": lambda: self.shared(x) * self.shared.weight.sum((0, 1, 2, 3)),
            "sorted": lambda: x.sort(1).values,
            "cumulated": lambda: x.cumsum(1),
            "stacked": lambda: torch.stack([x, 2 * x]).mean(0) + x[:, :1] + x[:, 3][:, None],
            "taken apart": lambda: torch.stack(x.unbind(1)[::-1], 1),
            "as strided": lambda: x.as_strided(x.shape, x.stride()) + 0.0,
            "weights read": lambda: x * self.conv.weight[0, :, 0, 0].view(1, -1, 1, 1),
            "second name": lambda: x + self.stem.weight.data.view(-1)[:8].view(1, -1, 1, 1),
        }
        return ways[self.way]() if self.way in ways else x


@pytest.mark.parametrize(
    ("way", "free"),
    [
        ("squeeze and excite", True), ("gain by einsum", True), ("gain in place", True), ("normalised", False),
        ("instance norm", False), ("chosen", False), ("flipped", False), ("rolled and added", False),
        ("chunks changed", True), ("pixels shuffled", False), ("groups by reshape", False), ("attention", True),
        ("grouped twice", True), ("grouped and read", False), ("sorted", False), ("cumulated", False),
        ("stacked", True), ("taken apart", False), ("as strided", False), ("weights read", True),
        ("second name", False), ("weight norm", False),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_keeps_its_order(way: str, free: bool):
    net = network(Between(way))
    graph, channels = graph_and_channels(net)
    order = random_order(graph, channels, seed=3)
    assert ("stem" in order.filters) == free, channels.reason("stem")
    assert (channels.reason("stem") is None) == free
    assert "conv" in order.filters  # behind it, only means are taken
    reorder(net, graph, OperatingPoint(name="t", predictors={}, order=order))  # compares the outputs
