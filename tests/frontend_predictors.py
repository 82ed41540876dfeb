"""Predictors for the small networks of the frontend's tests: random ones, whose scores are spread."""

import torch
from torch import nn

from tests.frontend_support import smooth_images
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.intercept import Interception


def random_predictors(
    model: nn.Module, graph: Graph, pattern: str = "1/2", seed: int = 3, deviation: float = 0.6
) -> dict[str, ZapPredictor]:
    """A predictor in eval mode for every eligible layer; scores have mean 0 and this deviation in each channel."""
    torch.manual_seed(seed)
    predictors = {site.name: ZapPredictor(site.shape.K, pattern) for site in graph.eligible}
    for predictor in predictors.values():
        nn.init.constant_(predictor.bn2.bias, 0.0)
        nn.init.constant_(predictor.bn2.weight, deviation)
        predictor.bn1.momentum = predictor.bn2.momentum = 1.0

    def measure(site, ofmap):
        if site.name in predictors:
            predictors[site.name].train()(ofmap)
            predictors[site.name].eval()

    inputs = smooth_images(16, seed=17).tensor(range(16))
    with frozen(model), Interception(graph, on_ofmap=measure):
        model(inputs)
    return predictors
