"""Traces with early-exit counts: what the file holds, against sums added up one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.frontend_support import small_graph, smooth_images
from tests.optional import require_installed
from zapsim.cli import main
from zapsim.errors import FrontendError
from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.networks.digits import REQUIREMENT, cnn
from zapsim.frontend.skipping import operating_point
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace

pytestmark = pytest.mark.frontend


class Residual(nn.Module):
    """conv-ReLU, conv-BN-ReLU (grouped, strided), 1×1 conv, sum, ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.normed = nn.Conv2d(6, 8, 3, stride=2, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.summed = nn.Conv2d(8, 8, 1)
        for name in ("running_mean", "bias"):
            nn.init.normal_(getattr(self.norm, name), std=0.5)
        nn.init.uniform_(self.norm.weight, -1.0, 2.0)  # a negative one turns the signs of its filter around

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem(x))
        x = functional.relu(self.norm(self.normed(x)), inplace=True)
        return functional.relu6(self.summed(x) + x)


def exits_one_by_one(ifmap: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, **geometry: int) -> np.ndarray:
    """Add every output's products in order of the weights; return MACs (P, Q, K) until the sign is known."""
    groups = geometry.pop("groups", 1)
    filters, _, rows, cols = weight.shape
    unfolded = functional.unfold(ifmap.double(), (rows, cols), **geometry)[0].T.reshape(-1, groups, weight[0].numel())
    weights, starts = weight.double().reshape(filters, -1), bias.double()
    counts = np.empty((len(unfolded), filters), dtype=int)
    for k in range(filters):
        kept = weights[k]
        order = sorted(range(len(kept)), key=lambda i: (kept[i] <= 0, 0 if kept[i] > 0 else kept[i] or 0.0, i))
        rising = int((kept > 0).sum())
        for pixel in range(len(unfolded)):
            window = unfolded[pixel, k // (filters // groups)]
            partial = float(starts[k])
            counts[pixel, k] = len(order)
            for step, index in enumerate(order, start=1):
                partial += float(kept[index] * window[index])
                if step >= max(rising, 1) and partial < 0:
                    counts[pixel, k] = step
                    break
    return counts


def traced(path: Path, network: Network, images: ImageSet, thresholds: dict[str, dict[str, float]]) -> Trace:
    """Trace at points of these names."""
    graph = small_graph(network)
    predictors = {site.name: ZapPredictor(site.shape.K, "1/2").eval() for site in graph.eligible}
    points = [operating_point(name, predictors, by_layer) for name, by_layer in thresholds.items()]
    header = trace_header(network, graph, predictors, points, images, {}, ("early_exit_macs",))
    capture(path, header, network, graph, predictors, images, measure=True)
    return Trace(path)


def test_counts_of_plain_normed_and_summed_layers(tmp_path: Path):
    torch.manual_seed(3)
    images = smooth_images(2, seed=1)
    model = Residual().eval()
    network = Network(model, "residual", "random", images.preprocessing)
    trace = traced(tmp_path / "t", network, images, {"all": {}})
    stem, normed, summed = trace.layers("all", [1])
    assert stem.early_exit_macs is not None
    assert stem.early_exit_macs.min() == 9, "the picture has negative values"
    assert summed.early_exit_macs is not None
    assert summed.early_exit_macs.min() == 8, "nothing is known of a sum"
    with torch.no_grad():
        ifmap = functional.relu(model.stem(images.tensor([1])))
        factor = model.norm.weight / torch.sqrt(model.norm.running_var + model.norm.eps)
        weight = model.normed.weight * factor[:, None, None, None]
        bias = model.norm.bias - model.norm.running_mean * factor
        expected = exits_one_by_one(ifmap, weight, bias, stride=2, groups=2)
    found = normed.early_exit_macs.reshape(expected.shape)
    assert found.min() < 27
    # Rounding differs between folding in float32 and float64: a sum next to zero may pass it a step apart.
    assert np.mean(found == expected) > 0.998


def test_counts_of_the_digit_cnn_are_those_of_a_direct_evaluation(tmp_path: Path):
    require_installed("digit_recognizer", REQUIREMENT)
    network = cnn()
    grey = smooth_images(1, seed=2)
    pixels = np.ascontiguousarray(np.pad(grey.pixels, ((0, 0), (6, 6), (6, 6), (0, 0))))
    images = ImageSet(pixels, grey.names, network.preprocessing, "one smooth image")
    trace = traced(tmp_path / "t", network, images, {"t0.2": {"conv2": 0.2}})
    layer: LayerTrace = next(one for one in trace.layers() if one.shape.name == "conv2")
    with torch.no_grad():
        ifmap = network.model[:3](images.tensor([0]))
        conv = network.model.conv2
        expected = exits_one_by_one(ifmap[:, :, 4:9, 4:9], conv.weight[:8], conv.bias[:8])
    found = layer.early_exit_macs[0, 5:8, 5:8, :8].reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)
    assert found.min() < 288


def test_nan_is_named_with_its_layer_and_no_trace_is_left(tmp_path: Path):
    images = smooth_images(1)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    model[0].bias.data[1] = float("nan")
    network = Network(model, "broken", "random", images.preprocessing)
    with pytest.raises(FrontendError, match="layer 0: its activations are not finite"):
        traced(tmp_path / "t", network, images, {"all": {}})
    assert not list(tmp_path.iterdir())


def test_quality_of_the_traced_images_is_measured_on_the_way(tmp_path: Path):
    images = smooth_images(3)
    network = Network(Residual(), "residual", "random", images.preprocessing)
    thresholds = {f"t{value:g}": {"normed": value, "summed": value} for value in (-100.0, 100.0)}
    trace = traced(tmp_path / "t", network, images, thresholds)
    nothing, most = trace.header.operating_points
    assert nothing.quality == {"relative_output_error": 0.0}
    assert most.quality["relative_output_error"] > 0.1
    assert most.quality_note == "on 3 smooth images"


NET = """
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    return Network(model, "tiny", "random", Preprocessing(12, 12, (128,), (64,), "L"))
"""


def test_a_traced_network_runs_with_early_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exit_net.py").write_text(NET)
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 12), dtype=np.uint8)
    header = bytes([0, 0, 8, 3]) + np.array(images.shape, dtype=">u4").tobytes()
    (tmp_path / "i.idx").write_bytes(header + images.tobytes())
    common = ["--network", "exit_net:net", "--images", "i.idx", "--device", "cpu"]
    assert main(["train", *common, "--crops", "8", "--epochs", "1", "--out", "p"]) == 0
    trace = ["trace", *common, "--predictors", "p", "--threshold", "0.1", "--count", "2"]
    assert main([*trace, "--out", "plain"]) == 0
    assert main([*trace, "--values", "--out", "values"]) == 0
    run = ["run", "--arch", "snapea", "--policy", "early-exit", "--trace"]
    assert main([*run, "plain"]) == 2
    assert "--values" in capsys.readouterr().err
    assert main([*run, "values"]) == 0
