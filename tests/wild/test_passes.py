"""Passes that differ from picture to picture, shared weights, and maps that are no picture's: noticed or followed."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.wild.networks import SmallNetwork, graph_of, reason_of
from tests.wild.test_commands import PRE
from zapsim.cli import main
from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.unsimulated import UnsimulatedLayer
from zapsim.frontend.network.way import HIDDEN_RELU
from zapsim.frontend.skipping import operating_point, predicting
from zapsim.frontend.training.training import TrainingOptions, train_predictors

pytestmark = pytest.mark.frontend


class Twice(SmallNetwork):
    """`body`, and `again` with a ReLU behind it; `forward` is what `run` says."""

    def __init__(self, run) -> None:
        super().__init__(functional.relu)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.run = run

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.run(self, x, functional.relu(self.stem(x))))


def in_sequence(net: Twice, _pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    return functional.relu(net.again(functional.relu(net.body(maps))))


@pytest.mark.parametrize("shared", ["parameter", "memory"])
def test_two_layers_of_one_weight_keep_their_names(shared):
    model = Twice(in_sequence)
    if shared == "parameter":
        model.again.weight = model.body.weight
    else:
        model.again.weight.data = model.body.weight.data
    assert [site.name for site in graph_of(model).sites] == ["stem", "body", "again", "tail"]


def tiles_of(maps: torch.Tensor) -> torch.Tensor:
    """Cut each picture's maps in four, which become pictures of the batch."""
    images, channels, rows, columns = maps.shape
    tiles = maps.view(images, channels, 2, rows // 2, 2, columns // 2).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(4 * images, channels, rows // 2, columns // 2)


def tiled(net: Twice, _pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    tiles = functional.relu(net.body(tiles_of(maps)))
    return functional.relu(net.again(maps)) + tiles.view(len(maps), 4, 8, 6, 6).mean((1, 3, 4))[..., None, None]


def test_layers_on_tiles_of_a_picture_are_listed_and_the_others_predicted():
    model = Twice(tiled)
    graph = graph_of(model)
    assert graph.unsimulated == (UnsimulatedLayer("body", 4 * 36 * 8 * 72, "convolution of 4 maps per image"),)
    assert [site.name for site in graph.eligible] == ["again"]
    seen = []
    with frozen(model), Interception(graph, lambda site, ofmap: seen.append((site.name, len(ofmap)))):
        model(model.example(2))
    assert seen == [("stem", 2), ("again", 2)]


def test_a_convolution_of_weights_alone_is_no_layer():
    def run(net, _pictures, maps):
        return functional.relu(net.again(maps)) + functional.relu(net.body(net.pattern))

    model = Twice(run)
    model.pattern = nn.Parameter(torch.randn(1, 8, 12, 12))
    graph = graph_of(model)
    assert ([site.name for site in graph.sites], graph.unsimulated) == (["stem", "again", "tail"], ())


def relu_of_blank_pictures(net, pictures, maps):
    raw = net.body(maps)
    return functional.relu(net.again(raw if pictures.any() else functional.relu(raw)))


def bound_of_the_picture(net, pictures, maps):
    return functional.relu(net.again(torch.clamp(net.body(maps), min=pictures.mean())))


def loop_of_the_picture(net, pictures, maps):
    for _ in range(1 + int(pictures.abs().mean() * 3)):
        maps = functional.relu(net.body(maps))
    return maps


@pytest.mark.parametrize("run", [relu_of_blank_pictures, bound_of_the_picture, loop_of_the_picture])
def test_passes_that_depend_on_the_picture_are_refused(run):
    with pytest.raises(FrontendError, match="its forward pass depends on the data or on the input's size"):
        graph_of(Twice(run))


def of_all_pictures(net: Twice, pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    return in_sequence(net, pictures, maps / maps.max())


def test_pictures_that_change_each_others_outputs_are_taken_one_by_one():
    model = Twice(of_all_pictures)
    graph = graph_of(model)
    assert graph.at_once == 1
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    images = ImageSet(pixels, tuple("abcde"), PRE, "noise")
    rule = {"again": NeighbourRule("1/2")}
    point = operating_point("all", rule, {"again": 0.5})
    (evaluation,) = run_methods(model, graph, [predicting(rule, point)], images)
    with torch.no_grad():
        norms = [float(model(images.tensor([index])).square().sum()) for index in range(5)]
    np.testing.assert_allclose(evaluation.outcomes.norm, norms, rtol=1e-5)
    with pytest.raises(FrontendError, match=r"takes one image at a time .*: expected a batch of 1, got 2"):
        train_predictors(model, graph, images, TrainingOptions(batch=2))


def test_a_ceiling_for_each_channel_is_a_relus():
    ceilings = torch.rand(8, 1, 1)
    between = [
        lambda raw: torch.clamp(raw, torch.zeros(1), ceilings),
        lambda raw: torch.clamp(functional.max_pool2d(raw, 2), torch.zeros(1), ceilings),
    ]
    for use in between:
        model = SmallNetwork(use)
        graph = graph_of(model)
        mask = torch.rand(1, 8, 12, 12, generator=torch.Generator().manual_seed(3)) > 0.5
        leave_out = {"body": mask}
        with frozen(model), Interception(graph, lambda site, ofmap, out=leave_out: ofmap * out.get(site.name, 1)):
            skipped = model(model.example())
        model.computed = mask
        with torch.no_grad():
            torch.testing.assert_close(skipped, model(model.example()))


@pytest.mark.parametrize("hidden", [torch.vmap(functional.relu), torch.ops.aten.relu.default])
def test_relus_that_cannot_be_reached_are_named(hidden):
    assert reason_of(hidden) == HIDDEN_RELU


def without_room(net: Twice, _pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    return functional.relu(net.again(functional.relu(net.body(maps).view(1, 8, 12, 12))))


def test_a_network_of_single_pictures_takes_them_one_by_one():
    assert graph_of(Twice(without_room)).at_once == 1
    assert graph_of(Twice(in_sequence)).at_once is None


def fails_on_bright_pictures(net: Twice, pictures: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    return in_sequence(net, pictures, maps.view(-1, 8, 12, 12 if pictures.mean() < 0.5 else 13))


def failing() -> Network:
    return Network(Twice(fails_on_bright_pictures), "failing", "random", PRE)


def test_what_the_networks_own_code_raises_is_one_line(tmp_path, capsys):
    np.savez(tmp_path / "images.npz", images=np.full((8, 12, 12, 3), 255, dtype=np.uint8))
    common = ["--network", f"{__name__}:failing", "--images", str(tmp_path / "images.npz")]
    assert main(["train", *common, "--crops", "8", "--batch", "4", "--out", str(tmp_path / "p.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("zapsim: the network's own code fails on these pictures (shape '[-1, 8, 12, 13]' is")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["images.npz"]
