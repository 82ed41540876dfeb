"""Networks of random sums, joins, slices and groups compute the same in any order that they are said to have."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.frontend_support import GREY
from tests.order_support import graph_and_channels, random_order
from zapsim.frontend.network import Network
from zapsim.frontend.reorder import reorder
from zapsim.tracefile.records import OperatingPoint

pytestmark = pytest.mark.frontend

STEPS = ("conv", "grouped", "depthwise", "sum", "join", "slice", "norm")
Step = tuple[str, int, int]


class Programme(nn.Module):
    """A stem, then steps that take earlier tensors by their number, modulo how many there are."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.steps: list[tuple[str, int, int, int]] = []
        self.layers = nn.ModuleList()
        sizes = [8]
        for wanted, one, other in steps:
            first, second = one % len(sizes), other % len(sizes)
            channels = sizes[first]
            layer, made = nn.Identity(), channels
            kind = wanted
            if wanted == "sum" and sizes[second] != channels:
                kind = "join"
            if wanted == "grouped" and channels % 2:
                kind = "conv"
            if kind == "conv":
                made = 4 + other % 5
                layer = nn.Conv2d(channels, made, 3, padding=1)
            elif kind == "grouped":
                made = 6
                layer = nn.Conv2d(channels, made, 1, groups=2)
            elif kind == "depthwise":
                made = 2 * channels
                layer = nn.Conv2d(channels, made, 3, padding=1, groups=channels)
            elif kind == "norm":
                layer = nn.BatchNorm2d(channels)
            elif kind == "join":
                made = channels + sizes[second]
            elif kind == "slice":
                made = -(-channels // 2)
            self.steps.append((kind, first, second, made))
            self.layers.append(layer)
            sizes.append(made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = [torch.relu(self.stem(x))]
        for (kind, first, second, channels), layer in zip(self.steps, self.layers, strict=True):
            value = made[first]
            if kind == "sum":
                value = torch.relu(value + made[second])
            elif kind == "join":
                value = torch.cat([value, made[second]], 1)
            elif kind == "slice":
                value = value[:, second % 2 : second % 2 + channels] if second % 2 else value[:, :channels]
                value = torch.nn.functional.pad(value, (0, 0, 0, 0, 0, channels - value.shape[1]))
            made.append(torch.relu(layer(value)))
        return torch.stack([value.mean((1, 2, 3)) * (1 + place) for place, value in enumerate(made)], 1)


steps = st.tuples(st.sampled_from(STEPS), st.integers(0, 7), st.integers(0, 7))


@given(st.lists(steps, min_size=1, max_size=8), st.integers(0, 2**16))
@settings(deadline=None, max_examples=20)
def test_any_order_that_is_free_leaves_the_function(programme: list[Step], seed: int):
    torch.manual_seed(seed)
    net = Network(Programme(programme).eval(), "random", "random", GREY)
    graph, channels = graph_and_channels(net)
    assert channels.bands()
    order = random_order(graph, channels, seed)
    reorder(net, graph, OperatingPoint(name="t", predictors={}, order=order))  # compares the outputs
