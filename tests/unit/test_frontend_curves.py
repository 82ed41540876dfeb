"""Curves: exactly what evaluating at a threshold gives, monotone, streamed."""

import numpy as np
import pytest
import torch

from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.timing.predictor import predictor_counts

pytestmark = pytest.mark.frontend

IMAGES = 12


class GridScores:
    """A predictor whose every score lies on an edge between two bins: -1.25 to 1.25 in steps of 1/1024."""

    pattern = "2/5"
    method = "zap"

    def __init__(self, predictor: object) -> None:
        self._predictor = predictor
        self.work = predictor.work
        self.pattern_of = predictor.pattern_of

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        return (self._predictor(ofmap) * 1024).round().clamp(-1280, 1280) / 1024

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        return (self(ofmap) > threshold) | self.pattern_of(ofmap)


def small_predictors() -> dict[str, object]:
    network = small_network()
    return dict(random_predictors(network.model, small_graph(network), "2/5"))


def measured(scorers: dict[str, object] | None = None, images: ImageSet | None = None) -> Curves:
    network = small_network()
    graph = small_graph(network)
    scorers = scorers or random_predictors(network.model, graph, "2/5")
    return measure_curves(network.model, graph, scorers, images or smooth_images(IMAGES))


def directly(scorers: dict[str, object], threshold: float) -> dict[str, tuple[float, float]]:
    """Outputs an image that a threshold computes, and the share of activation that it loses, one layer at a time."""
    network = small_network()
    graph = small_graph(network)
    found: dict[str, tuple[float, float]] = {}

    def count(site, ofmap):
        if site.name in scorers:
            mask = scorers[site.name].mask(ofmap, threshold)
            values = ofmap.double()
            found[site.name] = float(mask.sum()) / IMAGES, float((values * ~mask).sum() / values.sum())

    inputs = smooth_images(IMAGES).tensor(range(IMAGES))
    with frozen(network.model), Interception(graph, on_ofmap=count):
        network.model(inputs)
    return found


@pytest.mark.parametrize("on_edges", [False, True])
def test_at_the_edges_the_curves_are_what_a_threshold_gives(on_edges: bool):
    scorers: dict[str, object] = small_predictors()
    if on_edges:
        scorers = {name: GridScores(one) for name, one in scorers.items()}
    curves = measured(scorers)
    for threshold in (-1.0, -0.5, -1 / 1024, 0.0, 1 / 1024, 0.25, 1.0):
        expected = directly(scorers, threshold)
        for layer in curves.layers:
            index = layer.index(threshold)
            kept, error = expected[layer.name]
            assert layer.computed[index] == pytest.approx(kept, abs=1e-9), (layer.name, threshold)
            assert layer.error[index] == pytest.approx(error, abs=1e-9), (layer.name, threshold)


def test_the_next_edge_is_another_threshold():
    # On grid scores every step changes the counts: a curve shifted by one bin would not pass the test above.
    scorers = {name: GridScores(one) for name, one in small_predictors().items()}
    kept = measured(scorers).layers[0].computed
    assert np.count_nonzero(np.diff(kept)) > 100


def test_curves_are_monotone_and_say_what_macs_they_stand_for():
    curves = measured()
    assert [layer.name for layer in curves.layers] == ["2", "6"]
    for layer in curves.layers:
        assert len(layer.thresholds) >= 1025
        assert np.all(np.diff(layer.computed) <= 0)
        assert np.all(np.diff(layer.error) >= 0)
        assert layer.computed[0] <= layer.shape.outputs
        first = layer.shape.K * int((~_outside(layer.shape.P, layer.shape.Q)).sum())
        assert layer.computed[-1] >= first
        predictor = predictor_counts(layer.shape, first).predictor_macs
        assert layer.macs[0] == layer.computed[0] * layer.shape.macs_per_output + predictor


def _outside(rows: int, cols: int) -> np.ndarray:
    from zapsim.patterns import pattern_map

    return ~pattern_map("2/5", rows, cols)


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch):
    whole = measured()
    monkeypatch.setattr("zapsim.frontend.data.image_set.PIXELS_PER_BATCH", 16 * 16 * 5)
    parts = measured()
    for one, other in zip(whole.layers, parts.layers, strict=True):
        assert np.array_equal(one.computed, other.computed)
        assert np.allclose(one.error, other.error, atol=1e-12)


@pytest.mark.parametrize("bins", [512, 1000, 1025, 2**21])
def test_bins_whose_edges_are_not_exact_are_refused(bins: int):
    network = small_network()
    graph = small_graph(network)
    with pytest.raises(FrontendError, match="bins must be a power of two"):
        measure_curves(network.model, graph, random_predictors(network.model, graph), smooth_images(2), bins=bins)


def test_not_a_number_names_the_layer():
    network = small_network()
    graph = small_graph(network)
    scorers = random_predictors(network.model, graph)
    with torch.no_grad():
        scorers["6"].bn2.bias[0] = float("nan")
    with pytest.raises(FrontendError, match="layer 6: its predictor's scores are not finite"):
        measure_curves(network.model, graph, scorers, smooth_images(2))


def test_a_threshold_between_the_edges_is_refused():
    with pytest.raises(FrontendError, match=r"not on the curve \(-1 to 1 in steps of 0.000976562\)"):
        measured().layer("2").index(0.0001)
