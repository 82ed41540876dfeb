"""Fully connected layers as 1×1 convolutions, when asked for, and networks whose input is no picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.frontend_support import small_network, smooth_images
from zapsim.cli import main
from zapsim.errors import FrontendError
from zapsim.frontend.api import trace
from zapsim.frontend.examples import load_examples
from zapsim.frontend.network.graph import trace_graph
from zapsim.simulation import simulate

pytestmark = pytest.mark.frontend


class Mixed(nn.Module):
    """Features of 12 numbers at 5 places: BN, a sum, an in-place ReLU, and a ReLU behind a maximum over places."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second, self.third = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 10)
        self.norm, self.last = nn.BatchNorm1d(10).eval(), nn.Linear(10, 4)
        nn.init.uniform_(self.norm.running_mean, -0.2, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first(x))
        x = functional.relu(self.second(x) + x, inplace=True)
        x = functional.relu(self.norm(self.third(x).amax(dim=1)))
        return self.last(x)


def features(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 5, 12, generator=torch.Generator().manual_seed(3))


def test_shapes_names_and_reasons():
    graph = trace_graph(Mixed(), features(1), fully_connected=True)
    shapes = {site.name: (site.shape.C, site.shape.H, site.shape.W, site.shape.K) for site in graph.sites}
    assert shapes == {"first": (12, 5, 1, 16), "second": (16, 5, 1, 16), "third": (16, 5, 1, 10), "last": (10, 1, 1, 4)}
    assert graph.unsimulated == ()
    assert graph.macs == 5 * (12 * 16 + 16 * 16 + 16 * 10) + 40
    reasons = {site.name: site.unpredicted for site in graph.sites}
    assert reasons["first"] == reasons["second"] == "fully connected: no neighbours to predict from"
    assert reasons["third"] == "batch normalisation by other statistics or of another shape between it and the ReLU"
    assert reasons["last"] == "no ReLU behind it"


def test_maps_are_what_a_walk_by_hand_gives(tmp_path: Path):
    """Masks at random: what arrives at every layer, and what comes out, is that of the skipped network."""
    torch.manual_seed(7)
    masks = {name: torch.rand(4, 16, 5, 1) < 0.6 for name in ("first", "second")}
    images = load_examples_of(features())
    ours = trace(Mixed(), None, images, tmp_path / "t", masks=masks, fully_connected=True)
    model, x = Mixed().eval(), features()
    with torch.no_grad():
        a = functional.relu(model.first(x))
        b_in = a * masks["first"][..., 0].movedim(1, 2)
        b = functional.relu(model.second(b_in) + b_in)
        c_in = b * masks["second"][..., 0].movedim(1, 2)
        last = functional.relu(model.norm(model.third(c_in).amax(dim=1)))
    expected = {"first": (x, a), "second": (b_in, b), "third": (c_in, None), "last": (last, None)}
    for layer in ours.layers():
        ifmap, ofmap = expected[layer.shape.name]
        seen = ifmap if ifmap.ndim == 3 else ifmap[:, None]
        assert np.array_equal(layer.ifmap_nonzero.unpack()[:, :, 0], (seen != 0).numpy())
        if ofmap is not None:
            assert np.array_equal(layer.ofmap_nonzero.unpack()[:, :, 0], (ofmap != 0).numpy())
            assert np.array_equal(layer.mask.unpack()[:, :, 0], masks[layer.shape.name][..., 0].movedim(1, 2).numpy())
    with torch.no_grad():
        agreed = (model(x).argmax(1) == model.last(last).argmax(1)).float().mean()
    assert ours.operating_point().quality["top1_agreement"] == pytest.approx(float(agreed))


def load_examples_of(values: torch.Tensor):
    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.data.preprocessing import IMAGENET

    return ImageSet(values.numpy(), tuple(map(str, range(len(values)))), IMAGENET, "features")


def test_only_who_asks_gets_them(tmp_path: Path):
    images = smooth_images(2)
    plain = trace(small_network(), None, images, tmp_path / "plain")
    asked = trace(small_network(), None, images, tmp_path / "asked", fully_connected=True)
    assert [layer.shape.name for layer in plain.header.layers] == ["0", "2", "6"]
    assert [layer.shape.name for layer in asked.header.layers] == ["0", "2", "6", "9"]
    assert asked.header.layers[-1].shape.macs == 8 * 8 * 8 * 5
    for before, after in zip(plain.layers(), asked.layers(), strict=False):
        assert np.array_equal(before.ifmap_nonzero.bits, after.ifmap_nonzero.bits)


def test_flat_masks_of_1x1_maps_and_the_oracle(tmp_path: Path):
    mlp = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))
    images = load_examples_of(torch.randn(3, 20, generator=torch.Generator().manual_seed(1)))
    mask = np.random.default_rng(0).random((3, 32)) < 0.5
    given = trace(mlp, None, images, tmp_path / "t", masks={"0": mask}, fully_connected=True, values=True)
    layer = next(iter(given.layers()))
    assert np.array_equal(layer.mask.unpack()[:, 0, 0], mask)
    result = simulate("lanes_256", given)
    assert result.layers[0].comparison.policy.counts.macs_executed == 20 * int(mask.sum())
    oracle = simulate("lanes_256", given, "oracle")
    assert oracle.layers[0].comparison.policy.counts.macs_executed == 20 * layer.ofmap_nonzero.count()
    early = simulate("snapea", given, "early-exit")
    assert early.total.mac_saving == 0  # the first layer's inputs are signed


NET = """
import torch
from torch import nn
def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
def batches():
    for size in (2, 3):
        yield torch.ones(size, 6), torch.zeros(size)
def whole(): return torch.ones(4, 6)
def integers(): return torch.ones(4, 6, dtype=torch.long)
def uneven(): return [torch.ones(1, 6), torch.ones(1, 7)]
def nothing(): return []
def fails(): raise KeyError("x")
def text(): return 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mlp_net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("integers", r"expected a tensor of floating point .* got torch.int64 \(4, 6\)"),
        ("uneven", r"an example is \(7,\), the first is \(6,\)"),
        ("nothing", "some examples wanted, but mlp_net:nothing gives only 0"),
        ("fails", "the function fails"),
        ("text", "expected a tensor or batches of tensors, got int"),
        ("wholly", r"has no function 'wholly' \(did you mean 'whole'\?\)"),
    ],
)
def test_inputs_that_are_none_are_refused(folder: Path, factory: str, message: str):
    with pytest.raises(FrontendError, match=message):
        load_examples(f"mlp_net:{factory}")


def test_inputs_come_whole_or_in_batches(folder: Path):
    assert len(load_examples("mlp_net:whole")) == 4
    batches = load_examples("mlp_net:batches", 4)
    assert (len(batches), list(batches.labels)) == (4, [0, 0, 0, 0])


def test_the_command_traces_a_network_without_pictures(folder: Path, capsys: pytest.CaptureFixture[str]):
    command = ["trace", "--network", "mlp_net:mlp", "--inputs", "mlp_net:batches", "--count", "3", "--device", "cpu"]
    assert main([*command, "--out", "t.safetensors"]) == 2
    assert "--fully-connected takes these for 1×1 convolutions" in capsys.readouterr().err
    assert main([*command, "--threshold", "0", "--out", "t.safetensors"]) == 2
    assert "--threshold needs --predictors" in capsys.readouterr().err
    assert list(folder.glob("*.safetensors")) == []
    np.savez("m.npz", **{"0": np.zeros((3, 8), dtype=bool)})
    assert main([*command, "--fully-connected", "--masks", "m.npz", "--out", "t.safetensors"]) == 0
    assert "100.0%" in capsys.readouterr().out
    assert main(["trace-info", "t.safetensors"]) == 0
    assert "masks from elsewhere" in capsys.readouterr().out
