"""Prediction methods: what every one of them promises, what each costs, and the file that holds several."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rtl.quantised_predictor import QuantisedPredictor
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.api import evaluate, train, tune
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.methods.power_of_two import PowerOfTwoPredictor
from zapsim.frontend.methods.predictor import channel_groups
from zapsim.frontend.methods.registry import METHODS
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.network.weights import read_tensors
from zapsim.frontend.skipping import operating_point, predicting
from zapsim.frontend.training.predictor import METADATA_KEY, load_predictors, save_predictors
from zapsim.frontend.tuning.curves import measure_curves
from zapsim.frontend.tuning.one_method import mixture_or_one_method
from zapsim.frontend.tuning.operating_points import for_error
from zapsim.patterns import PATTERNS, pattern_map
from zapsim.tracefile.records import OperatingPoint

pytestmark = pytest.mark.frontend

ROOT = Path(__file__).parents[2]
EVERY = pytest.mark.parametrize("name", METHODS)


def trained(name: str, pattern: str = "1/2", channels: int = 5):
    """Return a predictor whose parameters are random, finished as after training."""
    torch.manual_seed(4)
    predictor = METHODS[name](channels=channels, pattern=pattern)
    ofmap = torch.relu(torch.randn(8, channels, 9, 11))
    predictor.train()
    predictor.watch(ofmap)
    with torch.no_grad():
        predictor(ofmap)
    predictor.eval().finish()
    return predictor


@EVERY
def test_masks_do_not_depend_on_groups_of_channels(name: str, monkeypatch: pytest.MonkeyPatch):
    predictor, ofmap = trained(name, channels=33), torch.relu(torch.randn(2, 33, 9, 11))
    whole = predictor.mask(ofmap, 0.25)
    assert torch.equal(whole, (predictor(ofmap) > 0.25) | predictor.pattern_of(ofmap))
    monkeypatch.setattr("zapsim.frontend.methods.predictor._GROUP_VALUES", 1)
    groups = list(channel_groups(ofmap))
    assert len(groups) > 1
    assert [channel for group in groups for channel in range(group.start, group.stop)] == list(range(33))
    assert all(group.stop - group.start >= 8 for group in groups)
    assert torch.equal(predictor.mask(ofmap, 0.25), whole)


@EVERY
@pytest.mark.parametrize("pattern", PATTERNS)
def test_only_outputs_of_the_pattern_are_seen(name: str, pattern: str):
    predictor, ofmap = trained(name, pattern), torch.relu(torch.randn(2, 5, 9, 11))
    outside = torch.from_numpy(~pattern_map(pattern, 9, 11))
    with torch.no_grad():
        assert torch.equal(predictor(ofmap), predictor(torch.where(outside, ofmap + 1, ofmap)))
        mask = predictor.mask(ofmap, 0.3)
    assert bool(mask[..., ~outside].all())
    assert torch.equal(mask[..., outside], (predictor(ofmap) > 0.3)[..., outside])


@EVERY
def test_what_is_stored_gives_the_same_scores(name: str):
    predictor, other = trained(name), METHODS[name](channels=5, pattern="1/2").eval()
    other.load_tensors(predictor.tensors())
    ofmap = torch.relu(torch.randn(2, 5, 9, 11))
    with torch.no_grad():
        assert torch.equal(other(ofmap), predictor(ofmap))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.trained])
def test_channels_in_groups_have_the_same_scores(name: str):
    predictor, ofmap = trained(name), torch.relu(torch.randn(2, 5, 9, 11))
    with torch.no_grad():
        torch.testing.assert_close(predictor(ofmap[:, 2:4], slice(2, 4)), predictor(ofmap)[:, 2:4])


@pytest.mark.parametrize(
    ("name", "threshold", "macs", "additions", "weights"),
    [
        ("zap", 0.1, 9 * 100, 0, 20),
        ("zap-power-of-two", 0.1, 9 * 100, 0, 20),
        ("logistic", 0.1, 9 * 60, 0, 10),
        ("neighbours", 0.0, 0, 8 * 60, 0),
        ("neighbours", 0.1, 0, 8 * 60 + 40, 0),
        ("neighbours", -0.1, 0, 24 * 60 + 40, 0),
    ],
)
def test_the_work_of_each_by_hand(name: str, threshold: float, macs: int, additions: int, weights: int):
    """40 outputs in the pattern, 60 outside."""
    work = METHODS[name](channels=1, pattern="2/5").work(threshold)
    assert (work.macs(40, 60), work.additions(40, 60), work.weights_per_channel) == (macs, additions, weights)


def test_power_of_two_computes_what_the_hardware_does():
    """Masks equal those of the unit's own whole numbers, which its RTL is held against."""
    predictor, pattern = trained("zap-power-of-two", "2/5"), "2/5"
    assert isinstance(predictor, PowerOfTwoPredictor)
    predictor.second_bias -= torch.round(0.5 / predictor.step)  # threshold ½, as the unit takes it: in the bias
    sizes = set(predictor.first.abs().unique().tolist()) | set(predictor.second.abs().unique().tolist())
    assert sizes <= {0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0}

    def whole(values: torch.Tensor) -> np.ndarray:
        assert torch.equal(values, values.round())
        return values.numpy().astype(np.int64)

    unit = QuantisedPredictor(
        whole(predictor.first)[:, 0], whole(predictor.first_bias), whole(predictor.shift),
        whole(predictor.second)[:, 0], whole(predictor.second_bias), float(predictor.top) / 127,
    )  # fmt: skip
    ofmap = torch.relu(torch.randn(1, 5, 9, 11))
    expected = unit.computed(unit.quantised(ofmap[0].numpy()), pattern)
    outside = ~pattern_map(pattern, 9, 11)
    found = predictor.mask(ofmap, 0.0)[0].numpy()
    assert np.array_equal(found[:, outside], expected[:, outside])
    assert 0 < expected[:, outside].mean() < 1


@pytest.mark.parametrize("path", sorted((ROOT / "traces").glob("*.zap.safetensors")), ids=lambda path: path.name)
def test_files_without_methods_keep_their_bytes(tmp_path: Path, path: Path):
    loaded = load_predictors(path)
    header = loaded.header
    assert header.methods == ("zap",)
    save_predictors(tmp_path / "again", header.network, header.weights_sha256, loaded.predictors, header.provenance)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with predictors of all methods for the small network."""
    path = tmp_path_factory.mktemp("methods") / "p.safetensors"
    train(small_network(), smooth_images(48), pattern="2/5", epochs=4, method=list(METHODS), out=path)
    return path


def test_methods_are_trained_together_as_alone(several: Path):
    alone = train(small_network(), smooth_images(48), pattern="2/5", epochs=4).predictors
    together = load_predictors(several)
    assert together.header.methods == tuple(METHODS)
    for layer, predictor in alone.predictors.items():
        for name, value in predictor.tensors().items():
            assert torch.equal(value, together.predictors[layer].tensors()[name])
    header, tensors = read_tensors(several, METADATA_KEY, "predictor")
    assert json.loads(header)["methods"] == list(METHODS)
    assert {"2/conv1.weight", "2/logistic/conv.weight", "2/zap-power-of-two/first"} <= set(tensors)
    assert not any("neighbours" in name for name in tensors)


@EVERY
def test_each_method_is_tuned_and_evaluated(several: Path, name: str):
    tuned = tune(small_network(), several, smooth_images(32, seed=5), error=0.1, method=name)
    settings = tuned.points[0].predictors.values()
    assert {setting.method for setting in settings} == {name}
    (found,) = evaluate(small_network(), several, smooth_images(32, seed=6), points=tuned.points, baselines=())
    outside = {layer.name: layer.outside for layer in found.layers}
    inside = {layer.name: layer.pattern_outputs for layer in found.layers}
    for layer in found.layers:
        work = tuned.points[0].predictors[layer.name].work
        assert layer.predictor_macs == work.macs(inside[layer.name], outside[layer.name])


def test_best_saves_at_least_what_each_method_does_net_of_its_own_macs(several: Path):
    """The budget of the one is the budget of the other: of the same curves, with more to choose from."""
    images = smooth_images(32, seed=5)
    errors = [0.02, 0.1, 0.3]
    best = tune(small_network(), several, images, error=errors, method="best").points
    for name in METHODS:
        single = tune(small_network(), several, images, error=errors, method=name).points
        for ours, theirs in zip(best, single, strict=True):
            assert ours.quality["macs_saved"] >= theirs.quality["macs_saved"] - 0.002
            methods = {setting.method for setting in ours.predictors.values()}
            assert ours.quality["summed_error"] <= float(ours.name[1:]) or len(methods) == 1


def test_a_mixture_that_the_curves_flatter_gives_way_to_one_method(several: Path):
    """Curves that know only a tenth of the logistic predictors' errors mix them in, and the network says otherwise."""
    network, images = small_network(), smooth_images(32, seed=5)
    graph = trace_graph(network.model, network.example())
    scorers = load_predictors(several).select(("neighbours", "logistic"))
    curves = measure_curves(network.model, graph, scorers, images)
    names = [curve.setting(0.0).method for curve in curves.layers]
    wrong = [0.1 if name == "logistic" else 1.0 for name in names]
    scaled = [replace(curve, error=curve.error * by) for curve, by in zip(curves.layers, wrong, strict=True)]
    flattered = replace(curves, layers=tuple(scaled))

    def error_per_saving(point: OperatingPoint) -> float:
        (found,) = run_methods(network.model, graph, [predicting(scorers, point)], images)
        return found.figures["relative_output_error"].value / found.macs_saved

    mixture = for_error(flattered, 0.01)
    kept = mixture_or_one_method(network.model, graph, scorers, images, flattered, mixture)
    assert {setting.method for setting in mixture.predictors.values()} == {"neighbours", "logistic"}
    assert {setting.method for setting in kept.predictors.values()} == {"neighbours"}
    assert kept.name == mixture.name
    assert kept.quality["asked_summed_error"] == 0.01
    assert kept.quality["macs_saved"] >= mixture.quality["macs_saved"]
    assert error_per_saving(kept) < error_per_saving(mixture)
    assert mixture_or_one_method(network.model, graph, scorers, images, flattered, kept) is kept


def test_one_threshold_for_several_methods_is_refused(several: Path):
    with pytest.raises(FrontendError, match="means something else with every method"):
        tune(small_network(), several, smooth_images(8, seed=5), threshold=0.0, method="best")
    with pytest.raises(FrontendError, match="'best' is chosen per layer from measured curves"):
        evaluate(small_network(), several, smooth_images(8), points=0.1, method="best")


def test_a_method_that_was_not_trained_is_refused():
    alone = train(small_network(), smooth_images(16), epochs=1).predictors
    with pytest.raises(FrontendError, match="holds predictors of method zap, not of 'logistic'; train with --method"):
        alone.of_method("logistic")
    with pytest.raises(FrontendError, match=r"unknown method 'neigbours' \(did you mean 'neighbours'\?\)"):
        alone.of_method("neigbours")
    point = operating_point("p", trained_logistic(), {"2": 0.0})
    with pytest.raises(
        FrontendError, match="layer '2' is predicted by 'logistic', but its predictor is of method 'zap'"
    ):
        predicting(alone.select(), point)
    assert set(alone.of_method("neighbours")) == {"2", "6"}


def trained_logistic():
    return {
        site.name: METHODS["logistic"](channels=site.shape.K, pattern="1/2")
        for site in small_graph(small_network()).eligible
    }
