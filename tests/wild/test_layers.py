"""Layers that are not simulated are listed with their MACs and the reason."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.wild.networks import graph_of, scripted
from zapsim.errors import FrontendError
from zapsim.frontend.network.unsimulated import summary

pytestmark = pytest.mark.frontend


class Behind(nn.Module):
    """A convolution with ReLU, then `layer` on what `prepare` makes of its maps (4 × 10 × 10)."""

    def __init__(self, layer, prepare=lambda maps: maps) -> None:
        super().__init__()
        self.first, self.layer, self.prepare = nn.Conv2d(3, 4, 3), layer, prepare

    def forward(self, x: torch.Tensor):
        return self.layer(self.prepare(self.first(x).relu()))


def quantised() -> nn.Module:
    model = nn.Sequential(torch.ao.quantization.QuantStub(), nn.Conv2d(4, 5, 3), torch.ao.quantization.DeQuantStub())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.eval().qconfig = torch.ao.quantization.get_default_qconfig("qnnpack")
        torch.backends.quantized.engine = "qnnpack"
        prepared = torch.ao.quantization.prepare(model)
        prepared(torch.rand(1, 4, 10, 10))
        return torch.ao.quantization.convert(prepared)


def exported() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU()).eval()
    return torch.export.export(model, (torch.rand(1, 4, 10, 10),)).module()


def rows(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).transpose(1, 2)


LAYERS = {
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2), {}, 100 * 4 * 6 * 4, "transposed convolution"),
    "grouped transposed": (
        lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
        {},
        100 * 4 * 3 * 9,
        "transposed convolution",
    ),
    "1-D": (lambda: nn.Conv1d(4, 6, 3), {"prepare": lambda maps: maps.flatten(2)}, 98 * 4 * 6 * 3, "1-D convolution"),
    "3-D": (lambda: nn.Conv3d(1, 2, 3), {"prepare": lambda maps: maps[:, None]}, 2 * 64 * 2 * 27, "3-D convolution"),
    "fully connected": (
        lambda: nn.Linear(400, 10),
        {"prepare": lambda maps: maps.flatten(1)},
        4000,
        "fully connected layer",
    ),
    "fully connected, by rows": (lambda: nn.Linear(4, 7), {"prepare": rows}, 100 * 28, "fully connected layer"),
    "scripted": (lambda: scripted(nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU())), {}, 64 * 5 * 36, "hidden"),
    "exported": (exported, {}, 64 * 5 * 36, "exported"),
    "quantised": (quantised, {}, 64 * 5 * 36, "quantised layer"),
    "recurrent": (lambda: nn.LSTM(4, 3, batch_first=True), {"prepare": rows}, 100 * 12 * (4 + 3), "recurrent layer"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_is_listed_with_its_macs(kind):
    make, options, macs, reason = LAYERS[kind]
    model = Behind(make(), **options)
    if kind == "recurrent":  # its states are no output of one size per image
        model = nn.Sequential(model, First())
    graph = graph_of(model)
    (layer,) = graph.unsimulated
    assert layer.macs == macs
    assert layer.reason.startswith(reason)
    assert "layer" in layer.name or kind == "recurrent"
    assert graph.macs == 4 * 100 * 27
    share = macs / (macs + graph.macs)
    assert f"{share:.1%} of the network's {macs + graph.macs:,} MACs" in summary(graph.unsimulated, graph.macs)


class First(nn.Module):
    def forward(self, outputs):
        return outputs[0]


def test_products_of_matrices_are_listed():
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = rows(self.first(x).relu())
            return functional.scaled_dot_product_attention(tokens, tokens, tokens) + tokens @ tokens.mT @ tokens

    layers = graph_of(Attention()).unsimulated
    assert sum(layer.macs for layer in layers) == 2 * (2 * 100 * 100 * 4)
    assert {layer.reason for layer in layers} == {"attention", "matrix product"}


def test_a_network_without_conv2d_says_what_it_has():
    with pytest.raises(FrontendError, match=r"no 2-D convolution \(only: fully connected layer\)"):
        graph_of(nn.Sequential(nn.Flatten(), nn.Linear(432, 5)))


def test_a_network_of_convolutions_leaves_nothing_out():
    graph = graph_of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    assert (graph.unsimulated, summary(graph.unsimulated, graph.macs)) == ((), "")
