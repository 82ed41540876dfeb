"""A captured trace against a computation of its own, layer by layer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.capture import NOT_TRAINED, _pack_tensor, capture, count_outputs, pack, trace_header
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.quality import measure_quality
from zapsim.frontend.skipping import operating_point
from zapsim.frontend.training.training import TrainingOptions, train_predictors
from zapsim.patterns import pattern_map
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(3, seed=8)


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def predictors(network: Network) -> dict[str, ZapPredictor]:
    options = TrainingOptions(epochs=2, batch=8)
    return train_predictors(network.model, small_graph(network), smooth_images(32), options).predictors


def two_points(predictors: dict[str, ZapPredictor]) -> tuple[OperatingPoint, ...]:
    low = operating_point("low", predictors, dict.fromkeys(predictors, 0.1))
    return (low, operating_point("high", predictors, {"2": 0.4, "6": 0.5}))


def write(
    path: Path, network: Network, predictors: dict[str, ZapPredictor], points: tuple[OperatingPoint, ...]
) -> Trace:
    graph = small_graph(network)
    measured = measure_quality(network, graph, predictors, points, IMAGES)
    header = trace_header(network, graph, predictors, measured, IMAGES, {"seed": 0})
    capture(path, header, network, graph, predictors, IMAGES)
    return Trace(path)


def walk(
    network: Network, predictors: dict[str, ZapPredictor], point: OperatingPoint, index: int
) -> dict[str, np.ndarray]:
    """Run the layers of the small network by hand; return its maps as bool (rows, columns, channels)."""
    maps: dict[str, np.ndarray] = {}
    value = IMAGES.tensor([index])
    relu_of = {1: "0", 4: "2", 7: "6"}
    model = network.model.eval()
    with torch.no_grad():
        for position, layer in enumerate(model):
            if isinstance(layer, nn.Conv2d):
                maps[f"{position}/ifmap_nonzero"] = (value != 0)[0].permute(1, 2, 0).numpy()
            value = layer(value)
            name = relu_of.get(position)
            if name is None:
                continue
            maps[f"{name}/ofmap_nonzero"] = (value > 0)[0].permute(1, 2, 0).numpy()
            if name in point.thresholds:
                predictor = predictors[name]
                pattern = torch.from_numpy(pattern_map("1/2", *value.shape[2:]))
                seen = torch.where(pattern, value, 0.0)
                hidden = torch.relu(predictor.bn1(predictor.conv1(seen)))
                keep = (predictor.bn2(predictor.conv2(hidden)) > point.thresholds[name]) | pattern
                maps[f"{name}/mask"] = keep[0].permute(1, 2, 0).numpy()
                value = torch.where(keep, value, 0.0)
    network.model.train()
    return maps


def test_every_map_is_what_a_walk_by_hand_gives(tmp_path: Path, network: Network, predictors: dict[str, ZapPredictor]):
    points = two_points(predictors)
    trace = write(tmp_path / "t.safetensors", network, predictors, points)
    for point in points:
        for image in range(len(IMAGES)):
            expected = walk(network, predictors, point, image)
            for layer in trace.layers(point.name, [image]):
                for kind in ("ifmap_nonzero", "ofmap_nonzero", "mask"):
                    found: PackedMap | None = getattr(layer, kind)
                    wanted = expected.get(f"{layer.shape.name}/{kind}")
                    assert (found is None) == (wanted is None)
                    if found is not None:
                        np.testing.assert_array_equal(found.unpack()[0], wanted)


@pytest.mark.parametrize(("channels", "rows", "cols"), [(8, 4, 4), (16, 3, 5), (5, 7, 8), (21, 1, 1), (3, 2, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.bool])
def test_values_are_packed_as_bits_with_channels_innermost(channels: int, rows: int, cols: int, dtype: torch.dtype):
    values = torch.randn(2, channels, rows, cols).clamp(-0.5, 0.5).add(0.5).to(dtype)
    values[0, 0, 0, 0] = -0.0
    expected = PackedMap.from_bool((values != 0).permute(0, 2, 3, 1).numpy())
    assert pack(values).channels == channels
    np.testing.assert_array_equal(pack(values).bits, expected.bits)
    np.testing.assert_array_equal(pack(values.to(memory_format=torch.channels_last)).bits, expected.bits)
    np.testing.assert_array_equal(_pack_tensor(values != 0), expected.bits)  # as on a GPU


def test_counts_and_header_agree_with_the_maps(tmp_path: Path, network: Network, predictors: dict[str, ZapPredictor]):
    trace = write(tmp_path / "t.safetensors", network, predictors, two_points(predictors))
    counts = count_outputs(trace, "high")
    assert [one.unpredicted for one in trace.header.layers] == ["first convolution of the network", None, None]
    assert trace.header.network.weights_sha256 == network.weights_sha256
    assert trace.operating_point("high").predictors["6"].threshold == 0.5
    for layer in trace.layers("high"):
        count = counts[layer.shape.name]
        assert count.outputs == layer.shape.outputs
        assert count.zeros == layer.shape.outputs - layer.ofmap_nonzero.count()
        assert count.skipped == (layer.shape.outputs - layer.mask.count() if layer.mask else 0)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, network: Network, predictors: dict[str, ZapPredictor]):
    for name in ("a", "b"):
        write(tmp_path / name, network, predictors, two_points(predictors))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_layer_without_a_trained_predictor_says_so(
    tmp_path: Path, network: Network, predictors: dict[str, ZapPredictor]
):
    only = {"6": predictors["6"]}
    trace = write(tmp_path / "t", network, only, (operating_point("one", only, {"6": 0.3}),))
    assert trace.header.layers[1].unpredicted == NOT_TRAINED


def quality_of(
    network: Network, predictors: dict[str, ZapPredictor], threshold: float, images: ImageSet
) -> OperatingPoint:
    point = operating_point("s", predictors, dict.fromkeys(predictors, threshold))
    return measure_quality(network, small_graph(network), predictors, (point,), images)[0]


def test_a_classifier_that_skips_nothing_agrees_with_itself(network: Network, predictors: dict[str, ZapPredictor]):
    images = smooth_images(20, seed=4, labels=True)
    figures = quality_of(network, predictors, -100.0, images).quality
    assert figures["top1_agreement"] == 1.0
    assert figures["top1_accuracy"] == figures["top1_accuracy_unmodified"]
    assert "relative_output_error" not in figures


def test_a_network_of_maps_gets_the_relative_error(network: Network, predictors: dict[str, ZapPredictor]):
    maps = Network(network.model[:8], "maps", "random", network.preprocessing)
    point = quality_of(maps, predictors, 100.0, IMAGES)
    assert point.quality_note == "on 3 smooth images"
    inputs = IMAGES.tensor(range(3))
    with torch.no_grad():
        reference = maps.model.eval()(inputs)
        skipped = inputs
        for position, layer in enumerate(maps.model):
            skipped = layer(skipped)
            if position in (4, 7):
                skipped = skipped * torch.from_numpy(pattern_map("1/2", *skipped.shape[2:]))
    maps.model.train()
    expected = float((skipped - reference).norm() / reference.norm())
    assert point.quality["relative_output_error"] == pytest.approx(expected, rel=1e-5)


def test_an_output_of_zeros_has_no_relative_error():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU())
    nn.init.zeros_(model[1].weight)
    nn.init.constant_(model[1].bias, -1.0)
    network = Network(model, "dead", "random", IMAGES.preprocessing)
    with pytest.raises(FrontendError, match="output is zero"):
        quality_of(network, {"1": ZapPredictor(2, "1/2").eval()}, 0.0, IMAGES)
