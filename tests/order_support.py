"""Networks whose channels hang together in different ways, for the tests of orders of filters."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.frontend_support import GREY
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.channels import Channels, trace_channels
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.training.predictor import PredictorSet, save_predictors
from zapsim.frontend.tuning.ordering import order_of
from zapsim.tracefile.order import FilterOrder


class Residual(nn.Module):
    """Two residual blocks with batch normalisation, one with a shortcut of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.conv1, self.bn1 = nn.Conv2d(6, 7, 3, padding=1, bias=False), nn.BatchNorm2d(7)
        self.conv2, self.bn2 = nn.Conv2d(7, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 10, 3, padding=1, stride=2)
        self.short = nn.Conv2d(6, 10, 1, stride=2)
        self.head = nn.Linear(10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + x)
        x = torch.relu(self.conv3(x) + self.short(x))
        return self.head(x.mean((2, 3)))


class Padded(nn.Module):
    """A shortcut that pads channels with zeros, as in the residual networks for CIFAR."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 10, 3, padding=1, stride=2)
        self.conv2 = nn.Conv2d(10, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.conv1(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 3)))
        return torch.relu(self.conv2(x)).amax((2, 3))


class Concatenating(nn.Module):
    """A dense block: every layer sees the outputs of all before it; then a half of the channels goes its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 5, 3, padding=1)
        self.conv2 = nn.Conv2d(11, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(15)
        self.conv3 = nn.Conv2d(15, 8, 1)
        self.conv4 = nn.Conv2d(3, 5, 3, padding=1)
        self.conv5 = nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Linear(6 * 16 * 16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.cat([x, torch.relu(self.conv1(x))], 1)
        x = torch.cat([torch.relu(self.conv2(x)), x], 1)
        x = torch.relu(self.conv3(torch.relu(self.norm(x))))
        x = torch.cat([x[:, :3], torch.relu(self.conv4(x[:, 5:]))], 1)
        return self.head(torch.relu(self.conv5(x)).flatten(1))


class Grouped(nn.Module):
    """Grouped and depthwise convolutions, and layer scales, group and layer normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.conv1 = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.norm1 = nn.GroupNorm(3, 12)
        self.deep = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.conv2 = nn.Conv2d(24, 9, 1)
        self.norm2 = nn.LayerNorm(9)
        self.scale = nn.Parameter(torch.rand(9, 1, 1) + 0.5)
        self.up = nn.ConvTranspose2d(9, 5, 2, stride=2)
        self.conv3 = nn.Conv2d(5, 6, 3, padding=1, stride=2)
        self.slope = nn.PReLU(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.conv1(torch.relu(self.stem(x)))))
        x = torch.relu(self.conv2(torch.relu(self.deep(x))))
        x = self.norm2(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * self.scale
        x = self.slope(self.conv3(torch.relu(self.up(x))))
        return functional.avg_pool2d(x, 4).flatten(1).sum(1, keepdim=True)


class Shuffled(nn.Module):
    """What cannot be followed: a shuffle of channels, and a tensor that is kept; what is assigned in parts, can."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(9, 7, 3, padding=1)
        self.conv4 = nn.Conv2d(7, 5, 3, padding=1)
        self.seen: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.channel_shuffle(torch.relu(self.conv1(torch.relu(self.stem(x)))), 2)
        buffer = torch.zeros(len(x), 9, 16, 16)
        buffer[:, 2:8] = torch.relu(self.conv2(x))
        x = torch.relu(self.conv3(buffer))
        self.seen = torch.relu(self.conv4(x))
        return self.seen.flatten(1).amax(1)


NETWORKS = {
    "residual": Residual,
    "padded": Padded,
    "concatenating": Concatenating,
    "grouped": Grouped,
    "shuffled": Shuffled,
}


def network(model: nn.Module, seed: int = 1) -> Network:
    """A network with random weights and statistics, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=generator)
                value.copy_(noise.abs() + 0.5 if "var" in name or "norm" in name else 0.5 * noise)
    return Network(model.eval(), "small", "random", GREY)


def predictors_of(made: Network, graph: Graph, seed: int = 2) -> PredictorSet:
    """Predictors with random weights for all layers that can have one."""
    torch.manual_seed(seed)
    predictors = {site.name: ZapPredictor(site.shape.K, "1/2").eval() for site in graph.eligible}
    return save_predictors(None, made.name, made.weights_sha256, predictors, {})


def random_order(graph: Graph, channels: Channels, seed: int = 0) -> FilterOrder:
    """Every band that is free in a random order."""
    random = np.random.default_rng(seed)
    orders = {band: random.permutation(band.size) for band in channels.bands()}
    return order_of(graph, channels, orders, "density", [site.name for site in graph.eligible], "at random")


def graph_and_channels(made: Network) -> tuple[Graph, Channels]:
    """Both from one picture of noise."""
    graph = trace_graph(made.model, made.example())
    return graph, trace_channels(made.model, graph, made.example())
