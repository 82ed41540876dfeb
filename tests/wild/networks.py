"""The smallest network with something of interest between a convolution and its ReLU."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zapsim.frontend.network.graph import Graph, trace_graph

Between = Callable[[torch.Tensor], torch.Tensor]


class SmallNetwork(nn.Module):
    """Convolution and ReLU, a convolution `body`, what `between` makes of its raw output, and a last convolution.

    Outputs of `body` that are not `computed` are made negative, if that is set.
    """

    def __init__(self, between: Between, channels: int = 8, size: int = 12) -> None:
        super().__init__()
        torch.manual_seed(1)
        torch.set_num_threads(1)
        self.stem, self.body = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.between = between
        self.computed: torch.Tensor | None = None
        self.tail = nn.Conv2d(channels, 4, 1)
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raw = self.body(functional.relu(self.stem(x)))
        if self.computed is not None:
            raw = torch.where(self.computed, raw, -torch.ones_like(raw))
        return self.tail(self.between(raw))

    def example(self, images: int = 1) -> torch.Tensor:
        """Return random pictures."""
        return torch.randn(images, 3, self.size, self.size, generator=torch.Generator().manual_seed(2))


def graph_of(model: nn.Module, size: int = 12) -> Graph:
    """Return the graph from a blank picture, as the commands make it."""
    return trace_graph(model, torch.zeros(1, 3, size, size))


def reason_of(between: Between, channels: int = 8, layer: str = "body") -> str | None:
    """Return why `body` is not predicted, or None if it is."""
    return graph_of(SmallNetwork(between, channels)).site(layer).unpredicted


def scripted(function: Any) -> Any:
    """Return a scripted function or module; torch warns that scripting is no longer the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(function)


def without_dropouts_flag() -> nn.Module:
    """Make a network whose dropout is always on."""
    return SmallNetwork(lambda raw: functional.dropout(functional.relu(raw), 0.5))
