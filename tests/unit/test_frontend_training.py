"""Training: it learns, it beats chance, and it is the same twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError, ZapsimError
from zapsim.frontend import predictor_training
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.methods.predictor import channel_groups
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import ConvSite, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.training.learner import Learner
from zapsim.frontend.training.losses import ScoreError, mean_activation, plain_error, weighted_error
from zapsim.frontend.training.training import TrainedPredictors, TrainingOptions, train_predictors

pytestmark = pytest.mark.frontend

OPTIONS = TrainingOptions(pattern="1/2", epochs=6, batch=8, seed=5)


def train(options: TrainingOptions = OPTIONS) -> TrainedPredictors:
    network = small_network()
    return train_predictors(network.model, small_graph(network), smooth_images(64), options)


def test_the_loss_falls_in_every_layer():
    for name, losses in train().losses.items():
        assert losses[-1] < 0.7 * losses[0], (name, losses)


def test_skipping_by_prediction_loses_less_than_skipping_at_random():
    network = small_network()
    graph = small_graph(network)
    trained = train()
    lost: dict[str, tuple[float, float]] = {}

    def compare(site, ofmap):
        mask = trained.predictors[site.name].mask(ofmap, 0.4) if site.name in trained.predictors else None
        if mask is not None:
            outside = ~trained.predictors[site.name].pattern_of(ofmap)
            rate = (~mask)[..., outside].float().mean()
            assert rate > 0.2
            by_prediction = float((ofmap * ~mask).sum() / ofmap.sum())
            at_random = float(rate * (ofmap * outside).sum() / ofmap.sum())
            lost[site.name] = by_prediction, at_random

    held_out = smooth_images(32, seed=99)
    with frozen(network.model), Interception(graph, on_ofmap=compare):
        network.model(held_out.tensor(range(32)))
    assert set(lost) == {"2", "6"}
    for name, (by_prediction, at_random) in lost.items():
        assert by_prediction < 0.4 * at_random, name


def test_the_same_seed_gives_the_same_predictors_and_another_does_not():
    once, again, other = train(), train(), train(TrainingOptions(epochs=6, batch=8, seed=6))
    for name, predictor in once.predictors.items():
        mine, same = predictor.state_dict(), again.predictors[name].state_dict()
        assert all(torch.equal(mine[key], same[key]) for key in mine)
    assert not torch.equal(once.predictors["2"].conv1.weight, other.predictors["2"].conv1.weight)


@pytest.mark.parametrize("error", [plain_error, weighted_error])
def test_the_loss_is_the_squared_error_outside_the_pattern(error: ScoreError):
    scores, ofmap, pattern = scored()
    errors = []
    for image, channel, row, col in np.ndindex(*ofmap.shape):
        if (row + col) % 2:
            value, score = float(ofmap[image, channel, row, col]), float(scores[image, channel, row, col])
            if error is plain_error:
                errors.append((min(max(score, 0.0), 1.0) - (value > 0)) ** 2)
            else:
                chance = 1 / (1 + np.exp(-8 * (score - 0.5)))
                errors.append((value / 0.8 if value > 0 else 1.0) * (chance - (value > 0)) ** 2)
    assert error(scores, ofmap, pattern, 0.8)[0] == pytest.approx(np.sum(errors), rel=1e-5)


def test_the_plain_gradient_is_that_of_the_clamped_error():
    scores, ofmap, pattern = scored()
    scores.requires_grad_()
    error = (scores.clamp(0, 1) - (ofmap > 0).float())[..., ~pattern]
    error.square().sum().backward()
    assert scores.grad is not None
    assert scores.grad.count_nonzero()
    torch.testing.assert_close(2 * plain_error(scores.detach(), ofmap, pattern, 0.8)[1], scores.grad)


def test_the_weighted_gradient_is_that_of_the_logistic_error():
    scores, ofmap, pattern = scored()
    scores.requires_grad_()
    logistic = nn.functional.binary_cross_entropy_with_logits(8 * (scores - 0.5), (ofmap > 0).float(), reduction="none")
    (logistic / 4 * torch.where(ofmap > 0, ofmap / 0.8, 1.0))[..., ~pattern].sum().backward()
    assert scores.grad is not None
    torch.testing.assert_close(2 * weighted_error(scores.detach(), ofmap, pattern, 0.8)[1], scores.grad)


def test_the_unit_of_weights_is_the_mean_of_what_is_not_zero():
    assert mean_activation(torch.tensor([0.0, 1.0, 0.0, 4.0])) == 2.5
    assert mean_activation(torch.zeros(3)) == 1.0


def scored() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores on both sides of [0, 1], an ofmap, and its pattern."""
    torch.manual_seed(0)
    ofmap = torch.relu(torch.randn(3, 2, 6, 6))
    return 1.5 * torch.randn(3, 2, 6, 6), ofmap, ZapPredictor(2, "1/2").pattern_of(ofmap)


def test_a_layer_done_in_groups_of_channels_learns_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    ofmap = torch.relu(torch.randn(2, 40, 12, 12))
    first = ZapPredictor(40, "2/5").state_dict()

    def learnt(values: int) -> tuple[Learner, int]:
        monkeypatch.setattr("zapsim.frontend.methods.predictor._GROUP_VALUES", values)
        predictor = ZapPredictor(40, "2/5")
        predictor.load_state_dict(first)
        learner = Learner("layer", predictor, weighted_error)
        for _ in range(3):
            learner.step(ofmap, 0.01, estimate=True)
        return learner, len(list(channel_groups(ofmap)))

    (whole, one), (parted, several) = learnt(2**20), learnt(1)
    assert one == 1 < several
    for name, value in whole.tensors().items():
        torch.testing.assert_close(parted.tensors()[name], value, rtol=0, atol=0, msg=name)
    assert parted.losses == pytest.approx(whole.losses, rel=1e-6)
    assert parted.saving == whole.saving > 0


def test_settled_statistics_stay_and_are_used():
    torch.manual_seed(0)
    ofmap = torch.relu(torch.randn(2, 16, 12, 12))
    learner = Learner("layer", ZapPredictor(16, "1/2"), weighted_error)
    learner.step(ofmap, 0.01, estimate=False)
    mean, weight = (getattr(learner.predictor.bn1, name).clone() for name in ("running_mean", "weight"))
    learner.step(ofmap, 0.01, estimate=False, settled=True)
    assert torch.equal(learner.predictor.bn1.running_mean, mean)
    assert not torch.equal(learner.predictor.bn1.weight, weight)
    learner.step(ofmap, 0.01, estimate=False)
    assert not torch.equal(learner.predictor.bn1.running_mean, mean)


@pytest.mark.parametrize(("recipe", "first"), [("weighted", 4), ("paper", 9)])
def test_statistics_settle_half_way_but_not_with_the_papers_recipe(recipe: str, first: int):
    options = TrainingOptions(recipe=recipe)
    assert [options.settled(step, 8) for step in range(8)] == [step >= first for step in range(8)]


def test_the_rate_falls_to_nothing_along_a_cosine_or_stays():
    rates = [TrainingOptions(lr=0.5).rate(step, 4) for step in range(4)]
    assert rates == pytest.approx([0.5, 0.25 * (1 + 0.5**0.5), 0.25, 0.25 * (1 - 0.5**0.5)])
    assert {TrainingOptions(lr=0.5, recipe="paper").rate(step, 4) for step in range(4)} == {0.5}
    assert [TrainingOptions(recipe=recipe).rate(0, 4) for recipe in ("weighted", "paper")] == [0.03, 0.01]


def test_without_a_step_the_predictor_ranks_as_the_neighbour_rule_does():
    torch.manual_seed(0)
    ofmap = torch.relu(torch.randn(4, 3, 9, 8))
    predictor = ZapPredictor(3, "2/5")
    predictor.start()
    pattern = predictor.pattern_of(ofmap)
    sums = nn.functional.avg_pool2d(ofmap * pattern, 3, stride=1, padding=1, divisor_override=1)
    scores = predictor.train()(ofmap).detach()
    for channel in range(3):
        found, expected = (values[:, channel][..., ~pattern].flatten() for values in (scores, sums))
        order = expected.argsort()
        assert (found[order].diff() >= -1e-6).all()
        assert found[order[-1]] > found[order[0]] + 0.5


def test_beyond_the_rules_own_rate_the_weighted_recipe_loses_less_than_the_rule_and_than_the_papers():
    weighted, paper = (train(replace(OPTIONS, epochs=24, recipe=recipe)).predictors for recipe in ("weighted", "paper"))
    network = small_network()
    lost: dict[str, list[float]] = {}

    def compare(site: ConvSite, ofmap: torch.Tensor) -> None:
        if site.name not in weighted:
            return
        outside = ~weighted[site.name].pattern_of(ofmap)
        values = ofmap[..., outside].flatten()
        rule = NeighbourRule("1/2")
        skipped = int((rule(ofmap)[..., outside] <= 0).sum()) + len(values) // 10
        for scorer in (weighted[site.name], paper[site.name], rule):
            order = scorer(ofmap)[..., outside].flatten().argsort(stable=True)
            lost.setdefault(site.name, []).append(float(values[order[:skipped]].sum()))

    images = smooth_images(32, seed=99)
    with frozen(network.model), Interception(small_graph(network), on_ofmap=compare):
        network.model(images.tensor(range(32)))
    assert set(lost) == {"2", "6"}
    for by_weighted, by_paper, by_rule in lost.values():
        assert by_weighted < by_paper
        assert by_weighted < by_rule


def test_the_papers_recipe_is_literal(monkeypatch: pytest.MonkeyPatch):
    assert [TrainingOptions(recipe=recipe).images_per_step for recipe in ("weighted", "paper")] == [8, 128]
    starts: dict[str, list[tuple[float, float]]] = {}

    def remember(learner: Learner, *_: object) -> None:
        norm = learner.predictor.bn2
        starts.setdefault(recipe, []).append((float(norm.weight[0].detach()), float(norm.bias[0].detach())))
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "step", remember)
    for recipe in ("weighted", "paper"):
        with pytest.raises(KeyboardInterrupt):
            train(TrainingOptions(recipe=recipe, batch=8))
    assert starts == {"weighted": [(0.25, 0.5)], "paper": [(1.0, 0.0)]}


def test_crops_anew_in_every_epoch_are_learnt_from_and_a_killed_run_goes_on_with_them(tmp_path: Path):
    network, asked = small_network(), []

    def of_epoch(epoch: int) -> ImageSet:
        asked.append(epoch)
        if dies and epoch == 2:
            raise KeyboardInterrupt
        return smooth_images(16, seed=epoch)

    def learn(**options: object) -> dict[str, torch.Tensor]:
        trained = train_predictors(
            network.model, small_graph(network), smooth_images(16), TrainingOptions(epochs=4), of_epoch=of_epoch,
            checkpoint_interval_s=0, **options,
        )  # fmt: skip
        return trained.predictors["2"].state_dict()

    dies = False
    whole = learn()
    assert asked == [1, 2, 3]
    fixed = train_predictors(network.model, small_graph(network), smooth_images(16), TrainingOptions(epochs=4))
    assert not whole["conv1.weight"].equal(fixed.predictors["2"].conv1.weight)
    dies = True
    with pytest.raises(KeyboardInterrupt):
        learn(checkpoint=tmp_path / "c")
    dies = False
    asked.clear()
    again = learn(checkpoint=tmp_path / "c")
    assert asked == [2, 3]
    assert all(again[name].equal(value) for name, value in whole.items())


def test_pictures_are_cut_anew_with_the_papers_recipe_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for index, pixels in enumerate(smooth_images(6).pixels):
        Image.fromarray(np.kron(pixels[..., 0], np.ones((3, 3), np.uint8))).save(tmp_path / f"{index}.png")
    seeds: list[int] = []

    def load(*arguments: object, **options: object) -> ImageSet:
        seeds.append(arguments[3])
        return load_crops(*arguments, **options)

    monkeypatch.setattr(predictor_training, "load_crops", load)
    for recipe in ("weighted", "paper"):
        trained = predictor_training.train(
            small_network(), tmp_path, crops=12, epochs=3, batch=4, recipe=recipe, seed=5
        )
        made = trained.predictors.header.provenance
        assert ("crops" in made) == (recipe == "paper")
        assert made["arguments"]["batch"] == 4
    assert seeds == [5, 5, 5 + predictor_training.EPOCH_SEEDS, 5 + 2 * predictor_training.EPOCH_SEEDS]
    with pytest.raises(FrontendError, match="64 images are too few for batches of 128"):
        predictor_training.train(small_network(), smooth_images(64), recipe="paper")


@pytest.mark.parametrize("fault", [{"epochs": 0}, {"batch": 0}, {"lr": -1.0}, {"pattern": "1/7"}, {"recipe": "linear"}])
def test_impossible_options_are_refused(fault: dict[str, object]):
    with pytest.raises(ZapsimError):
        TrainingOptions(**fault)


def test_training_that_diverges_writes_nothing(monkeypatch: pytest.MonkeyPatch):
    """The last step can break what had a finite loss before it; the file would be refused when it is read."""

    def diverge(self: ZapPredictor) -> None:
        next(self.parameters()).data.fill_(torch.nan)

    monkeypatch.setattr(ZapPredictor, "finish", diverge)
    network = small_network()
    options = replace(OPTIONS, epochs=1)
    with pytest.raises(FrontendError, match=r"^layer 2: training diverged; try a lower learning rate \(--lr\)$"):
        train_predictors(network.model, small_graph(network), smooth_images(8), options)


def test_too_few_images_are_said_before_work_starts():
    network = small_network()
    with pytest.raises(FrontendError, match="4 images are too few for batches of 8"):
        train_predictors(network.model, small_graph(network), smooth_images(4), OPTIONS)


def test_a_network_with_nothing_to_predict_is_refused_with_the_reasons():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    graph = trace_graph(model, torch.zeros(1, 1, 16, 16))
    with pytest.raises(FrontendError, match="0: first convolution of the network"):
        train_predictors(model, graph, smooth_images(8), OPTIONS)
