"""Baselines: they do what they are said to do, and a trained predictor is compared with them fairly."""

import numpy as np
import pytest
import torch

from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.baselines import at_random, perfect, random_like
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.skipping import operating_point, predicting
from zapsim.frontend.tuning.curves import measure_curves
from zapsim.patterns import PATTERNS, pattern_map

pytestmark = pytest.mark.frontend


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_rule_skips_where_all_computed_neighbours_are_zero(pattern: str):
    torch.manual_seed(1)
    ofmap = torch.relu(torch.randn(2, 3, 9, 7) - 0.8)
    mask = NeighbourRule(pattern).mask(ofmap, 0.0)
    first = pattern_map(pattern, 9, 7)
    for image, channel, row, col in np.ndindex(2, 3, 9, 7):
        window = np.s_[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2]
        neighbours = ofmap[image, channel].numpy()[window][first[window]]
        expected = first[row, col] or len(neighbours) == 0 or bool((neighbours > 0).any())
        assert bool(mask[image, channel, row, col]) == expected


def test_the_rule_skips_more_at_a_higher_threshold():
    torch.manual_seed(1)
    ofmap = torch.relu(torch.randn(2, 3, 12, 12) - 0.8)
    kept = [int(NeighbourRule("2/5").mask(ofmap, t).sum()) for t in (-1.5, -1.0, -0.4, 0.0, 0.3, 0.6, 1.0)]
    assert kept[0] == ofmap.numel()
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(kept)


def test_the_rule_can_be_tuned_as_a_predictor():
    network = small_network()
    graph = small_graph(network)
    rules = {site.name: NeighbourRule("1/2") for site in graph.eligible}
    curves = measure_curves(network.model, graph, rules, smooth_images(6))
    assert [layer.predictor_macs for layer in curves.layers] == [0, 0]
    method = predicting(rules, operating_point("rule", rules, {"2": 0.0, "6": 0.5}))
    found = run_methods(network.model, graph, [method], smooth_images(6))[0]
    assert found.predictor_share == 0
    assert found.macs_saved > 0


def test_perfect_skips_every_zero_outside_the_pattern_and_changes_nothing():
    network = small_network()
    graph = small_graph(network)
    found = run_methods(network.model, graph, [perfect({"2": "1/2", "6": "1/3"})], smooth_images(6))[0]
    assert all(layer.zero_computed == layer.nonzero_skipped == 0 for layer in found.layers)
    assert found.macs_saved == found.macs_skipped == found.perfect_bound > 0
    assert found.figures["top1_agreement"].value == 1
    assert found.figures["relative_output_error"].value == 0


def test_random_skips_at_the_same_rate_layer_by_layer():
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph, "1/2")
    patterns = dict.fromkeys(predictors, "1/2")
    guided = run_methods(
        network.model,
        graph,
        [predicting(predictors, operating_point("s", predictors, {"2": 0.1, "6": 0.3}))],
        smooth_images(20),
    )[0]
    chance = [
        run_methods(network.model, graph, [random_like(guided, patterns, seed)], smooth_images(20))[0]
        for seed in (0, 0, 1)
    ]
    for one, other in zip(guided.layers, chance[0].layers, strict=True):
        assert other.skipped == pytest.approx(one.skipped, rel=0.1)
    assert chance[0] == chance[1]
    assert chance[0].layers != chance[2].layers


def test_random_needs_a_rate_for_every_layer():
    with pytest.raises(FrontendError, match="layer 6 needs a share from 0 to 1, got None"):
        at_random({"2": "1/2", "6": "1/2"}, {"2": 0.5})
