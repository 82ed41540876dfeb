"""Finding convolutions and the ReLUs behind them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.frontend_support import small_cnn
from zapsim.errors import FrontendError
from zapsim.frontend.network.graph import FIRST_LAYER, Graph, trace_graph
from zapsim.frontend.network.way import NO_RELU, USED_ELSEWHERE

pytestmark = pytest.mark.frontend


def graph_of(model: nn.Module, channels: int = 3, size: tuple[int, int] = (12, 12)) -> Graph:
    return trace_graph(model, torch.randn(1, channels, *size))


def reasons(graph: Graph) -> dict[str, str | None]:
    return {site.name: site.unpredicted for site in graph.sites}


def test_a_sequential_network_with_batch_norm_and_in_place_relus():
    graph = graph_of(small_cnn(), channels=1, size=(16, 16))
    assert reasons(graph) == {"0": FIRST_LAYER, "2": None, "6": None}
    assert [site.relu_call for site in graph.sites] == [0, 1, 2]
    assert [site.name for site in graph.eligible] == ["2", "6"]


def test_shapes_come_from_the_real_input_sizes():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding="valid", dilation=(1, 2), groups=2),
    )
    first, second = graph_of(model, size=(20, 15)).sites
    assert (first.shape.H, first.shape.W, first.shape.P, first.shape.Q) == (20, 15, 18, 13)
    assert (second.shape.C, second.shape.K, second.shape.groups) == (4, 6, 2)
    expected = model(torch.randn(1, 3, 20, 15)).shape
    assert tuple(expected[1:]) == (second.shape.K, second.shape.P, second.shape.Q)


@pytest.mark.filterwarnings("ignore:Using padding")
def test_same_padding_of_an_even_filter_is_asymmetric():
    (site,) = graph_of(nn.Conv2d(3, 2, (4, 2), padding="same")).sites
    assert site.shape.padding == (1, 2, 0, 1)
    assert (site.shape.P, site.shape.Q) == (12, 12)


class Functional(nn.Module):
    """Functional and shared ReLUs, one module called twice, an output used before its ReLU, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.peeked = nn.Conv2d(4, 4, 3, padding=1)
        self.plain = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        x = functional.relu(self.again(x))
        x = self.relu(self.again(x))
        before = self.peeked(x)
        x = functional.relu(before) + before
        x = torch.sigmoid(self.plain(x))
        return self.last(x).relu_()


def test_functional_and_shared_relus_and_every_reason():
    assert reasons(graph_of(Functional())) == {
        "first": FIRST_LAYER,
        "again": None,
        "again#2": None,
        "peeked": USED_ELSEWHERE,
        "plain": f"{NO_RELU} but sigmoid",
        "last": None,
    }


def test_a_hardtanh_from_zero_is_a_relu_and_another_is_not():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Hardtanh(0, 6), nn.Conv2d(3, 3, 1), nn.Hardtanh())
    assert list(reasons(graph_of(model)).values()) == [
        FIRST_LAYER,
        None,
        f"{NO_RELU} but a hardtanh that does not begin at 0",
    ]


@pytest.mark.parametrize(
    "clamp", [lambda x: x.clamp(0, 6), lambda x: torch.clamp(x, min=0), lambda x: x.clamp_(min=0.0), torch.relu_]
)
def test_clamps_from_zero_are_relus(clamp):
    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = (nn.Conv2d(3, 3, 1) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.three(clamp(self.two(self.one(x)))).clamp(max=6)

    assert reasons(graph_of(Clamped())) == {
        "one": FIRST_LAYER,
        "two": None,
        "three": f"{NO_RELU} but a clamp that does not begin at 0",
    }


GEOMETRIES = {
    "grouped": {"kernel_size": 3, "groups": 2},
    "depthwise": {"kernel_size": 3, "groups": 8, "padding": 1},
    "dilated": {"kernel_size": 3, "dilation": (2, 1)},
    "strided": {"kernel_size": (3, 5), "stride": (2, 1), "padding": (1, 2)},
    "1×1": {"kernel_size": 1},
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_geometry_is_predicted_on_a_map_that_is_not_square(geometry: str):
    conv = nn.Conv2d(8, 8, **GEOMETRIES[geometry])
    model = nn.Sequential(nn.Conv2d(3, 8, 1), conv, nn.ReLU6())
    first, site = graph_of(model, size=(11, 17)).sites
    assert (first.unpredicted, site.unpredicted) == (FIRST_LAYER, None)
    assert tuple(model(torch.zeros(1, 3, 11, 17)).shape[1:]) == (site.shape.K, site.shape.P, site.shape.Q)
    assert site.shape.macs_per_output == conv.weight[0].numel()


def test_small_maps_are_not_predicted():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3), nn.ReLU())
    assert reasons(graph_of(model, size=(5, 9)))["1"] == "output map of 3×7 is too small"


def test_a_network_of_several_inputs():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 3), nn.Conv2d(8, 4, 3)

        def forward(self, x: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            both = torch.cat([self.left(x).relu(), self.right(depth).relu()], dim=1)
            return self.last(both).relu()

    graph = trace_graph(Two(), torch.randn(1, 3, 12, 9), torch.randn(1, 1, 12, 9))
    assert reasons(graph) == {"left": FIRST_LAYER, "right": None, "last": None}


def test_networks_that_cannot_be_used_are_refused():
    with pytest.raises(FrontendError, match="no 2-D convolution"):
        trace_graph(nn.Linear(3, 2), torch.randn(1, 3))
    with pytest.raises(FrontendError, match=r"does not run on an input \(1, 2, 8, 8\)"):
        trace_graph(nn.Conv2d(3, 2, 1), torch.randn(1, 2, 8, 8))
