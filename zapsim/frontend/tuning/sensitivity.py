"""Sensitivity of a network's output to each layer's errors: weights for an error budget that all layers share.

The summed error of Shomron et al. (ECCV 2020, section 4) gives a lost share of activation the same weight in every
layer. Its effect on the output differs from layer to layer. That effect is measured here, without labels, and becomes
the weight of the layer's error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.contract import output_differences
from zapsim.frontend.network.forward import CountColumn, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.frontend.tuning.curves import Curves, LayerCurve

PROBE_ERROR = 0.1
"""Share of activation that a layer loses while its effect is measured."""

LEAST_WEIGHT = 0.1
"""No layer's errors count less than this share of the mean: few images may show no harm where there is some."""

_CLASSIFIER_DIMS = 2


def measure_sensitivities(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    curves: Curves,
    images: ImageSet,
    *,
    progress: bool = True,
) -> dict[str, float]:
    """Return a weight for every layer of `curves`, with mean 1.

    Each layer skips alone, at the threshold whose error is nearest to :data:`PROBE_ERROR`; its weight is in proportion
    to the relative error of the network's output (of its class probabilities, if it has one output of classes) over the
    error of the layer. That takes one forward pass per layer, and one more.

    Raises
    ------
    FrontendError
        If there is no image, or the network's output is zero or not finite.
    """
    if not len(images):
        raise FrontendError("sensitivities need at least one image")
    # Of several methods of a layer, the first is probed: the weight is the layer's.
    probes = {name: _probe(curves.layer(name)) for name in dict.fromkeys(layer.name for layer in curves.layers)}
    methods = {name: _alone(scorers, name, threshold) for name, (threshold, _) in probes.items()}
    harm = _harm(model, graph, methods, images, progress)
    slopes = {name: harm[name] / error for name, (_, error) in probes.items() if error > 0}
    if not slopes or not max(slopes.values()) > 0:
        return dict.fromkeys(probes, 1.0)
    mean = float(np.mean(list(slopes.values())))
    weights = {name: max(slopes.get(name, mean) / mean, LEAST_WEIGHT) for name in probes}
    scale = len(weights) / math.fsum(weights.values())
    return {name: weight * scale for name, weight in weights.items()}


def weighted(curves: Curves, weights: Mapping[str, float]) -> Curves:
    """Return `curves` whose errors are multiplied by the weight of their layer."""
    layers = tuple(replace(layer, error=layer.error * weights[layer.name]) for layer in curves.layers)
    return replace(curves, layers=layers)


def _probe(layer: LayerCurve) -> tuple[float, float]:
    """Return the threshold whose error is nearest to what is probed, and its error."""
    index = int(np.abs(layer.error - PROBE_ERROR).argmin())
    return float(layer.thresholds[index]), float(layer.error[index])


def _alone(scorers: Mapping[str, Scorer], layer: str, threshold: float) -> Method:
    return predicting(scorers, operating_point(layer, scorers, {layer: threshold}))


def _harm(
    model: nn.Module, graph: Graph, methods: Mapping[str, Method], images: ImageSet, progress: bool
) -> dict[str, float]:
    """Return the relative error of the network's output under each method, over all images together."""
    errors, norm = dict.fromkeys(methods, 0.0), 0.0
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("measuring sensitivities", total=len(images))
    with frozen(model), bar:
        for inputs, _ in images.batches(graph.at_once):
            on_device = inputs.to(device_of(model))
            expected = _outputs(model, on_device)
            norm += math.fsum(float(reference.square().sum()) for reference in expected)
            for name, method in methods.items():
                with Interception(graph, on_ofmap=method.skipping()):
                    outputs = _outputs(model, on_device)
                pairs = output_differences(expected, outputs)
                errors[name] += math.fsum(float(difference.square().sum()) for _, difference in pairs)
            bar.advance(task, len(inputs))
    if not (norm > 0 and np.isfinite(norm) and np.isfinite(list(errors.values())).all()):
        raise FrontendError("the network's output is zero or not finite, so that it has no relative error")
    return {name: float(np.sqrt(error / norm)) for name, error in errors.items()}


def _outputs(model: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Return all outputs in double precision; of a classifier, the probabilities."""
    outputs = [output.double() for output in tensors_in(model(inputs))]
    if len(outputs) == 1 and outputs[0].ndim == _CLASSIFIER_DIMS:
        return [outputs[0].softmax(dim=1)]
    return outputs
