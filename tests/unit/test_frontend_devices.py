"""The frontend on every device that torch sees: what a GPU trains, tunes and traces is what the processor does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.frontend_support import small_network, smooth_images
from zapsim.frontend import api
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.training.predictor import load_predictors
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
"""A machine without a GPU has nothing else to try; CI skips nothing."""

LEARNING, TUNING, TRACED = smooth_images(32, seed=7), smooth_images(16, labels=True), smooth_images(4, seed=8)
METHODS = ("zap", "neighbours", "logistic", "zap-power-of-two")
ROUNDING = 1e-4


def network_on(device: str) -> Network:
    network = small_network()
    network.model.to(device)
    return network


def mask_of(trace: Trace, image: int, layer: str, point: str) -> np.ndarray:
    """Mask of a layer, bool (rows, columns, channels)."""
    (found,) = (one for one in trace.layers(point, [image]) if one.shape.name == layer)
    assert found.mask is not None
    return found.mask.unpack()[0]


@pytest.mark.parametrize("device", DEVICES)
def test_masks_are_the_processors_but_for_scores_within_rounding(device: str, tmp_path: Path):
    here, there = network_on("cpu"), network_on(device)
    trained = api.train(here, LEARNING, epochs=2, method=METHODS)
    for method in METHODS:
        tuned = api.tune(here, trained.predictors, TUNING, saving=[0.2], method=method)
        traces = [
            api.trace(network, trained.predictors, TRACED, tmp_path / name, points=tuned.points)
            for network, name in ((here, "here"), (there, "there"))
        ]
        (point,) = tuned.points
        scorer = trained.predictors.select([method])["2"].cpu()
        with torch.no_grad():
            ofmaps = here.model.eval()[:5](TRACED.tensor(range(len(TRACED))))
            distance = (scorer(ofmaps) - point.predictors["2"].threshold).abs().permute(0, 2, 3, 1).numpy()
        for image in range(len(TRACED)):
            masks = [mask_of(trace, image, "2", point.name) for trace in traces]
            assert np.all(distance[image][masks[0] != masks[1]] < ROUNDING)
            if np.array_equal(*masks):  # else layer 6 sees another ifmap
                later = [mask_of(trace, image, "6", point.name) for trace in traces]
                assert np.mean(later[0] != later[1]) < 0.01


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_trains_tunes_and_evaluates_as_the_processor_does(device: str, tmp_path: Path):
    tables, losses = [], []
    for where in ("cpu", device):
        network = network_on(where)
        trained = api.train(network, LEARNING, epochs=2, method=METHODS, out=tmp_path / where)
        loaded = load_predictors(tmp_path / where)
        tuned = api.tune(network, loaded, TUNING, saving=[0.1], error=[0.2], threshold=[0.25])
        tables.append(api.evaluate(network, loaded, TUNING, points=tuned.points, baselines=["perfect", "random"]))
        losses.append(trained.losses)
        assert next(network.model.parameters()).device.type == where
    for layer in losses[0]:  # steps of training amplify rounding: 3 % in the second epoch on one GPU
        assert losses[0][layer] == pytest.approx(losses[1][layer], rel=0.1), layer
    assert [one.name for one in tables[0]] == [one.name for one in tables[1]]
    for here, there in zip(*tables, strict=True):
        assert here.macs_saved == pytest.approx(there.macs_saved, abs=0.02)


def test_products_are_exact_while_a_network_runs_and_as_before_after_it():
    precision = torch.backends.cudnn.conv
    before = precision.fp32_precision
    with frozen(small_network().model):
        assert precision.fp32_precision == torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert precision.fp32_precision == before
