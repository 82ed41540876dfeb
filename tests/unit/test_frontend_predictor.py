"""The predictor network, its file, and thresholds."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.frontend_support import small_graph, small_network
from zapsim.errors import FrontendError, ZapsimError
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.methods.zap import PARAMETERS_PER_CHANNEL, ZapPredictor
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.predictor import load_predictors, save_predictors

pytestmark = pytest.mark.frontend

SHA = "ab" * 32


def test_it_has_24_parameters_a_channel():
    count = sum(value.numel() for value in ZapPredictor(7, "1/2").parameters())
    assert count == 7 * 24 == 7 * PARAMETERS_PER_CHANNEL


def test_an_unknown_pattern_is_refused_when_it_is_used():
    with pytest.raises(ZapsimError, match="unknown pattern '1/9'"):
        ZapPredictor(2, "1/9")(torch.ones(1, 2, 4, 4))


def stored(path: Path, channels: int = 9) -> dict[str, ZapPredictor]:
    torch.manual_seed(3)
    predictors = {"2": ZapPredictor(channels, "1/3"), "6": ZapPredictor(8, "1/2")}
    for predictor in predictors.values():
        predictor.train()(torch.randn(4, predictor.channels, 8, 8))  # moves the running statistics
    save_predictors(path, "small", SHA, predictors, {"seed": 3})
    return predictors


def test_a_file_gives_the_same_scores_again(tmp_path: Path):
    made = stored(tmp_path / "p.safetensors")
    loaded = load_predictors(tmp_path / "p.safetensors")
    ofmap = torch.relu(torch.randn(1, 9, 8, 8))
    torch.testing.assert_close(loaded.predictors["2"](ofmap), made["2"].eval()(ofmap), rtol=0, atol=0)
    assert loaded.predictors["2"].pattern == "1/3"
    assert loaded.header.provenance == {"seed": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["p.safetensors"]


def test_the_same_predictors_give_the_same_bytes(tmp_path: Path):
    stored(tmp_path / "a")
    stored(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path):
    path = tmp_path / "p.safetensors"
    stored(path)
    whole = path.read_bytes()
    tensors = load_file(path)

    with pytest.raises(FrontendError, match="no such predictor file"):
        load_predictors(tmp_path / "missing")
    path.write_bytes(whole[:-10])
    with pytest.raises(FrontendError, match="not a whole safetensors file"):
        load_predictors(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(FrontendError, match="damaged or changed"):
        load_predictors(path)
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(FrontendError, match="not a whole safetensors file"):
        load_predictors(path)
    save_file(tensors, path)
    with pytest.raises(FrontendError, match="no predictor file of zapsim"):
        load_predictors(path)
    path.write_bytes(whole.replace(b'\\"version\\":1', b'\\"version\\":9'))
    with pytest.raises(FrontendError, match="this zapsim reads version 1"):
        load_predictors(path)
    path.write_bytes(whole.replace(b'\\"channels\\":9', b'\\"channels\\":8'))
    with pytest.raises(FrontendError, match="does not fit the layers"):
        load_predictors(path)


def test_predictors_of_other_weights_or_layers_are_refused(tmp_path: Path):
    network = small_network()
    graph = small_graph(network)
    path = tmp_path / "p.safetensors"
    stored(path)
    predictors = load_predictors(path)
    predictors.check_fit(SHA, graph)
    with pytest.raises(FrontendError, match="other weights"):
        predictors.check_fit(network.weights_sha256, graph)
    stored(path, channels=10)
    with pytest.raises(FrontendError, match="layer 2 with 10 channels cannot be predicted"):
        load_predictors(path).check_fit(SHA, graph)


def test_points_are_named_by_their_threshold():
    rules = {"a": NeighbourRule("1/2"), "b": NeighbourRule("1/4")}
    points = uniform_points([0.0, 0.25], rules)
    assert [point.name for point in points] == ["t0", "t0.25"]
    assert points[1].thresholds == {"a": 0.25, "b": 0.25}
    assert [setting.pattern for setting in points[1].predictors.values()] == ["1/2", "1/4"]


@pytest.mark.parametrize(("thresholds", "message"), [([0.1, 0.1], "twice"), ([float("nan")], "finite")])
def test_odd_thresholds_are_refused(thresholds: list[float], message: str):
    with pytest.raises(FrontendError, match=message):
        uniform_points(thresholds, {"a": NeighbourRule("1/2")})
