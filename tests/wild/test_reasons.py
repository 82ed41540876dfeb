"""A ReLU behind a convolution is found under all its names, and what stands between them is called by its own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.wild.networks import SmallNetwork, graph_of, reason_of, scripted
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.way import HIDDEN_RELU, NO_RELU, USED_ELSEWHERE

pytestmark = pytest.mark.frontend

RELUS = {
    "threshold": nn.Threshold(0, 0),
    "threshold in place": nn.Threshold(0.0, 0.0, inplace=True),
    "clip": lambda x: x.clip(min=0),
    "torch.clip": lambda x: torch.clip(x, 0, 6),
    "clip_": lambda x: x.clip_(0),
    "clamp by a tensor": lambda x: torch.clamp(x, min=torch.tensor(0.0)),
    "leaky of 0": nn.LeakyReLU(0),
    "leaky of 0 in place": lambda x: functional.leaky_relu(x, negative_slope=0.0, inplace=True),
    "hardtanh": nn.Hardtanh(0, 6),
    "maximum": lambda x: torch.maximum(x, torch.tensor(0.0)),
    "relu with out": lambda x: torch.clamp(x, min=0, out=torch.empty_like(x)),
}

MOVED = {
    "nearest upsampling": nn.Sequential(nn.Upsample(scale_factor=2), nn.ReLU()),
    "nearest, exact": lambda x: functional.interpolate(x, (7, 9), mode="nearest-exact").relu(),
    "max pool": lambda x: functional.relu(functional.max_pool2d(x, 2)),
    "max pool module, ReLU6": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.ReLU6()),
    "adaptive max pool": lambda x: functional.adaptive_max_pool2d(x, 3).relu(),
    "two pools": nn.Sequential(nn.MaxPool2d(2), nn.Dropout(), nn.MaxPool2d(2), nn.ReLU(True)),
    "view": lambda x: functional.relu(x.flatten(1)).view(x.shape),
    "transposed": lambda x: functional.relu(x.transpose(2, 3)),
    "pixel shuffle": lambda x: functional.pixel_shuffle(x, 2).relu().repeat(1, 4, 1, 1),
    "padded": lambda x: functional.relu(functional.pad(x, (1, 1, 1, 1))),
    "rectified twice": lambda x: functional.relu(x) + x.relu(),
    "each half": lambda x: torch.cat([part.relu() for part in x.chunk(2, 1)], 1),
    "cast": lambda x: functional.relu(x.double()).float(),
    "stacked": lambda x: functional.relu(torch.stack([x, x.flip(1)], 1)).mean(1),
}


@pytest.mark.parametrize("name", RELUS)
def test_every_relu_is_one(name):
    assert reason_of(RELUS[name]) is None


def skipped_by_hand(model: SmallNetwork, mask: torch.Tensor) -> torch.Tensor:
    """Return the output if what is not in `mask` is negative before anything else happens to it."""
    model.computed = mask
    try:
        with torch.no_grad():
            return model(model.example())
    finally:
        model.computed = None


@pytest.mark.parametrize("name", [*RELUS, *MOVED])
def test_skipping_is_what_negative_raw_outputs_give(name):
    model = SmallNetwork((RELUS | MOVED)[name]).eval()
    graph = graph_of(model)
    assert graph.site("body").unpredicted is None
    mask = torch.rand(1, 8, 12, 12, generator=torch.Generator().manual_seed(3)) > 0.5
    seen: list[torch.Tensor] = []

    def skip(site, ofmap):
        if site.name != "body":
            return None
        seen.append(ofmap.clone())
        return ofmap * mask

    with frozen(model), Interception(graph, on_ofmap=skip):
        output = model(model.example())
    torch.testing.assert_close(output, skipped_by_hand(model, mask), rtol=0, atol=0)
    with torch.no_grad():
        raw = model.body(functional.relu(model.stem(model.example())))
    torch.testing.assert_close(seen[0] > 0, raw > 0, rtol=0, atol=0)


@pytest.mark.parametrize("name", MOVED)
def test_watching_changes_no_bit(name):
    model = SmallNetwork(MOVED[name]).eval()
    graph = graph_of(model)
    with frozen(model):
        plain = model(model.example())
        with Interception(graph, on_ofmap=lambda _site, _ofmap: None):
            assert torch.equal(model(model.example()), plain)


class Joined(nn.Module):
    """Two convolutions that one ReLU behind `cat` takes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.left, self.right, self.norm = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        return functional.relu(torch.cat([self.left(x), self.norm(self.right(x))], 1))


def test_each_convolution_of_a_cat_is_followed_to_the_relu_behind_it():
    model = Joined().eval()
    graph = graph_of(model)
    assert [site.unpredicted for site in graph.sites[1:]] == [None, None]
    with frozen(model), Interception(graph, lambda site, ofmap: ofmap * 0 if site.name == "right" else None):
        output = model(torch.randn(1, 3, 12, 12))
    assert output[:, :3].any()
    assert not output[:, 3:].any()


@scripted
def scripted_relu(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x)


REASONS = {
    "GELU": (functional.gelu, f"{NO_RELU} but GELU"),
    "SiLU": (nn.SiLU(inplace=True), f"{NO_RELU} but SiLU"),
    "hardswish": (nn.Hardswish(), f"{NO_RELU} but hardswish"),
    "LeakyReLU": (nn.LeakyReLU(0.1), f"{NO_RELU} but LeakyReLU"),
    "PReLU": (nn.PReLU(), f"{NO_RELU} but PReLU"),
    "ELU": (nn.ELU(inplace=True), f"{NO_RELU} but ELU"),
    "GELU behind GroupNorm": (nn.Sequential(nn.GroupNorm(2, 8), nn.GELU()), f"{NO_RELU} but GELU"),
    "threshold": (nn.Threshold(0.5, 0), f"{NO_RELU} but a threshold other than 0"),
    "where": (lambda x: torch.where(x > 0, x, torch.zeros(())), f"{NO_RELU} but a choice by 'where'"),
    "sparse": (lambda x: functional.relu(x.to_sparse().to_dense()), "'to_sparse' between it and the ReLU"),
    "nothing": (lambda x: x, NO_RELU),
    "average pooling": (nn.AvgPool2d(2), NO_RELU),
    "GroupNorm": (nn.Sequential(nn.GroupNorm(2, 8), nn.ReLU()), "GroupNorm between it and the ReLU"),
    "InstanceNorm": (nn.Sequential(nn.InstanceNorm2d(8), nn.ReLU()), "InstanceNorm between it and the ReLU"),
    "LayerNorm": (nn.Sequential(nn.LayerNorm(12), nn.ReLU()), "LayerNorm between it and the ReLU"),
    "bilinear upsampling": (
        nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU()),
        "interpolation between it and the ReLU",
    ),
    "average pooling, ReLU": (nn.Sequential(nn.AvgPool2d(2), nn.ReLU()), "average pooling between it and the ReLU"),
    "product": (lambda x: functional.relu(x * 2), "a product between it and the ReLU"),
    "pooled indices": (
        lambda x: functional.relu(functional.max_pool2d(x, 2, return_indices=True)[0]),
        "'max_pool2d_with_indices' between it and the ReLU",
    ),
    "hidden": (scripted_relu, HIDDEN_RELU),
    "elsewhere": (lambda x: functional.relu(x) + x, USED_ELSEWHERE),
}


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_is_true(name):
    between, reason = REASONS[name]
    assert reason_of(between) == reason
