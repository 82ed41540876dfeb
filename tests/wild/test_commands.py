"""The commands on networks of every kind: the right numbers, or one line, exit code 2 and nothing written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.wild.networks import SmallNetwork
from zapsim.cli import main
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.training.predictor import load_predictors
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

PRE = Preprocessing(size=12, resize=12, mean=(128.0,) * 3, std=(64.0,) * 3)


class Mixed(SmallNetwork):
    """A ReLU behind max pooling, a transposed convolution, and outputs in a dictionary."""

    def __init__(self) -> None:
        super().__init__(lambda raw: functional.relu(functional.max_pool2d(raw, 2)))
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        low = super().forward(x)
        return {"low": low, "high": self.up(low)}


def mixed() -> Network:
    return Network(Mixed(), "mixed", "random", PRE)


def always_dropping() -> Network:
    return Network(SmallNetwork(lambda raw: functional.dropout(functional.relu(raw), 0.5)), "dropping", "random", PRE)


@pytest.fixture
def images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels)
    return str(tmp_path / "images.npz")


def test_a_mixed_network_is_trained_and_traced(tmp_path, images, capsys):
    common = ["--network", f"{__name__}:mixed", "--images", images, "--threads", "1"]
    predictors, traced = str(tmp_path / "p.safetensors"), str(tmp_path / "t.safetensors")
    assert main(["train", *common, "--crops", "8", "--batch", "4", "--epochs", "1", "--out", predictors]) == 0
    printed = capsys.readouterr().out
    total = 144 * (8 * 27 + 8 * 72) + 36 * (32 + 64)
    assert f"not simulated: 1 layer with {36 * 64 / total:.1%} of the network's {total:,} MACs" in printed
    assert "not simulated (2,304 MACs): transposed convolution" in printed
    assert main(["trace", *common, "--predictors", predictors, "--threshold", "0.3", "--out", traced]) == 0
    assert "not simulated: 1 layer" in capsys.readouterr().out
    header = Trace(traced).header
    assert list(header.provenance["not_simulated"]["layers"]) == ["up"]
    assert {layer.shape.name: layer.unpredicted for layer in header.layers}["body"] is None
    model = Mixed()
    with torch.no_grad():
        pixels = torch.from_numpy(np.load(images)["images"][:1]).permute(0, 3, 1, 2)
        raw = model.body(functional.relu(model.stem((pixels.float() - 128) / 64)))
    layer = next(layer for layer in Trace(traced).layers("t0.3", [0]) if layer.shape.name == "body")
    assert layer.ofmap_nonzero is not None
    assert layer.ofmap_nonzero.count() == int((raw > 0).sum())


def test_a_random_network_is_refused_before_anything_is_written(tmp_path, images, capsys):
    out = tmp_path / "p.safetensors"
    arguments = ["--network", f"{__name__}:always_dropping", "--images", images, "--out", str(out)]
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "zapsim: two passes of the network over one picture differ (random: dropout in the network's"
    )
    assert error[:-1].isprintable()
    assert len(error) <= 500
    assert list(tmp_path.iterdir()) == [tmp_path / "images.npz"]


def of_spectra() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1)
    return nn.Sequential(*layers)


def spectra_to_learn() -> torch.Tensor:
    return torch.randn(12, 1, 9, 14, generator=torch.Generator().manual_seed(1))


def other_spectra() -> list[torch.Tensor]:
    return list(torch.randn(4, 2, 1, 9, 14, generator=torch.Generator().manual_seed(2)))


def test_inputs_that_are_no_pictures_are_learnt_tuned_and_measured(tmp_path, capsys):
    predictors, points = str(tmp_path / "p.safetensors"), str(tmp_path / "points.json")
    common = ["--network", f"{__name__}:of_spectra", "--threads", "1"]
    learn = [*common, "--inputs", f"{__name__}:spectra_to_learn"]
    other = [*common, "--inputs", f"{__name__}:other_spectra", "--predictors", predictors]
    assert main(["train", *learn, "--crops", "8", "--batch", "4", "--epochs", "1", "--out", predictors]) == 0
    tune = ["--error", "0.2", "--out", points]
    assert main(["tune", *learn, "--predictors", predictors, *tune]) == 2
    assert "8 of the 12 photographs" in capsys.readouterr().err
    assert main(["tune", *other, "--check", str(tmp_path), *tune]) == 2
    assert "--check is for --images" in capsys.readouterr().err
    assert not (tmp_path / "points.json").exists()
    assert main(["tune", *other, *tune]) == 0
    capsys.readouterr()
    assert main(["eval", *other, "--points", points, "--format", "json"]) == 0
    assert "e0.2" in capsys.readouterr().out
    data = load_predictors(Path(predictors)).header.provenance["data"]["what"]
    assert data == f"8 examples of {__name__}:spectra_to_learn"
    recorded = json.loads(Path(points).read_text())["provenance"]
    assert recorded["data"]["what"] == f"8 examples of {__name__}:other_spectra"
    assert "crops" not in recorded["arguments"]
