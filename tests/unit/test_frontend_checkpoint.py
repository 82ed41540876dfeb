"""A killed training run goes on to the same predictors, bit for bit."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.training.training import TrainedPredictors, TrainingOptions, train_predictors

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(20)
OPTIONS = TrainingOptions(epochs=3, batch=4, seed=2, layer_patterns={"6": "2/5"})  # 5 steps an epoch


class Killed(BaseException):
    """What no handler of ours may catch."""


class DiesAfter(nn.Module):
    """A network that is killed in a forward pass, after its second predicted layer has learnt."""

    def __init__(self, model: nn.Module, steps: int) -> None:
        super().__init__()
        self.model = model
        self.left = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x)
        if self.left == 0:
            raise Killed
        self.left -= 1
        return logits


def train(
    checkpoint: Path | None,
    dies_after: int | None = None,
    options: TrainingOptions = OPTIONS,
    images: ImageSet = IMAGES,
    interval_s: float = 0.0,
) -> TrainedPredictors:
    network = small_network()
    graph = small_graph(network)
    if dies_after is not None:
        model = DiesAfter(network.model, dies_after)
        # Names are told apart by weights: the wrapped model's state dict must be the plain one's.
        model.state_dict = network.model.state_dict
        return train_predictors(model, graph, images, options, checkpoint=checkpoint, checkpoint_interval_s=interval_s)
    return train_predictors(
        network.model, graph, images, options, checkpoint=checkpoint, checkpoint_interval_s=interval_s
    )


@pytest.fixture(scope="module")
def undisturbed() -> TrainedPredictors:
    return train(None)


def assert_same(found: TrainedPredictors, expected: TrainedPredictors) -> None:
    assert found.losses == expected.losses
    assert found.savings == expected.savings
    for name, predictor in expected.predictors.items():
        assert predictor.pattern == found.predictors[name].pattern
        state = found.predictors[name].state_dict()
        assert all(torch.equal(value, state[key]) for key, value in predictor.state_dict().items())


@pytest.mark.parametrize("deaths", [(1,), (5,), (7, 2), (3, 3, 3), (14,)])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, undisturbed: TrainedPredictors, deaths: tuple[int, ...]):
    checkpoint = tmp_path / "run.checkpoint"
    for steps in deaths:
        with pytest.raises(Killed):
            train(checkpoint, dies_after=steps)
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]
    assert_same(train(checkpoint), undisturbed)
    assert_same(train(checkpoint), undisturbed)  # a finished run's file gives it again, without work


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path: Path, undisturbed: TrainedPredictors):
    with pytest.raises(Killed):
        train(tmp_path / "c", dies_after=4, interval_s=3600.0)
    assert not (tmp_path / "c").exists()
    assert_same(train(tmp_path / "c", interval_s=3600.0), undisturbed)


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path: Path):
    train(tmp_path / "c")
    other = TrainingOptions(epochs=4, batch=4, seed=3, layer_patterns={"6": "2/5"})
    with pytest.raises(FrontendError, match=r"c: a checkpoint of another run \(not the same epochs, seed\)"):
        train(tmp_path / "c", options=other)
    with pytest.raises(FrontendError, match=r"not the same images"):
        train(tmp_path / "c", images=smooth_images(20, seed=1))


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path):
    train(tmp_path / "c")
    data = bytearray((tmp_path / "c").read_bytes())
    (tmp_path / "half").write_bytes(data[: len(data) // 2])
    data[-3] ^= 1
    (tmp_path / "changed").write_bytes(data)
    for name, fault in (("half", "not a whole safetensors file"), ("changed", "do not match their digest")):
        with pytest.raises(FrontendError, match=fault):
            train(tmp_path / name)


@pytest.mark.parametrize(
    ("layer", "fault"),
    [("7", "layer '7': no such convolution"), ("0", "layer '0': it has no predictor .first convolution")],
)
def test_patterns_of_layers_that_cannot_have_one(layer: str, fault: str):
    with pytest.raises(FrontendError, match=fault):
        train(None, options=TrainingOptions(layer_patterns={layer: "1/2"}))
