"""What zeroing outputs of layers does to the network's output: an estimate from gradients, without labels.

Let y be the network's output, and let the outputs i that a mask leaves out keep a share r of their values x: r = 1 is
the unmodified network, r = 0 the one that skips. Along this path

    y(1) - y(0) = Σ c_i,  c_i = ∫ x_i ∂y/∂x_i dr,

where x and the derivatives are those at r, and masks those at r = 0. So the contributions c of all skipped outputs, in
all layers together, sum to what skipping does. Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep
networks", ICML 2017 (integrated gradients; their completeness). The same sum says for an output that is computed what
leaving it out would do besides, to first order.

y has many components, and c_i is a vector like it. Random projections v of ±1 stand for them, as the mean of (v · a)²
is |a|² (Hutchinson, 1990). The integral is a sum over `steps` midpoints. Both are exact where the network is linear
from the skipped outputs on and has one output.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.forward import device_of, first_line, frozen
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception, OnIfmap
from zapsim.frontend.skipping import Method, operating_point, predicting

DRAWS = 2
"""Random projections of the output per image."""

STEPS = 2
"""Midpoints of the path from the network that skips to the unmodified one."""

LEAST_WEIGHT = 0.1
"""No channel weighs less than this share of the layer's mean: few images may show no harm where there is some."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What the outputs of layers contribute to projections of the change of the network's output.

    Attributes
    ----------
    layers
        By layer: float32 (draws, images, K, P, Q), in the unit of the network's output.
    norm
        Sum of the squares of all outputs of the unmodified network.
    """

    layers: dict[str, torch.Tensor]
    norm: float


def contributions(
    model: nn.Module,
    graph: Graph,
    layers: Collection[str],
    inputs: torch.Tensor,
    random: torch.Generator,
    *,
    method: Method | None = None,
    look: OnIfmap | None = None,
    steps: int = STEPS,
) -> Contributions:
    """Measure the contributions of all outputs of `layers` for one batch; the model must be frozen.

    Parameters
    ----------
    model, graph
        The network.
    layers
        Names of predicted layers.
    inputs
        The network's input, on its device.
    random
        Draws the projections (on the CPU).
    method
        Which outputs are skipped (default: none; then the contributions are to first order from the unmodified
        network, and one step is enough).
    look
        Called with each of the layers and its post-ReLU ofmap while the method skips.
    steps
        Midpoints of the path.

    Raises
    ------
    FrontendError
        If the output cannot be differentiated by the layers' outputs.
    """
    masks = _masks(model, graph, layers, inputs, method, look)
    reference = [output for output in tensors_in(model(inputs)) if output.is_floating_point()]
    signs = [[_signs(random, output) for output in reference] for _ in range(DRAWS)]
    sums: dict[str, torch.Tensor] = {}
    for step in range(steps if masks else 1):
        kept = (step + 0.5) / steps
        for name, part in _products(model, graph, layers, inputs, masks, kept, signs).items():
            sums[name] = sums[name] + part if name in sums else part
    count = steps if masks else 1
    norm = math.fsum(float(output.double().square().sum()) for output in reference)
    return Contributions({name: total / count for name, total in sums.items()}, norm)


def channel_weights(
    model: nn.Module, graph: Graph, patterns: Mapping[str, str], images: ImageSet, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return by layer what a squared activation does to the squared output, channel by channel: (K,), mean 1.

    That is the mean of c² over that of x² (see :mod:`zapsim.frontend.harm`), measured where the outputs whose computed
    neighbours are all zero are skipped, an operating point that needs no training.

    Parameters
    ----------
    model, graph
        The network; it comes back unchanged.
    patterns
        Pattern of every layer that gets weights.
    images
        What to measure on.
    seed
        Of the projections.

    Raises
    ------
    FrontendError
        If the output cannot be differentiated by a layer's outputs.
    """
    rules = {layer: NeighbourRule(pattern) for layer, pattern in patterns.items()}
    method = predicting(rules, operating_point("rule", rules, dict.fromkeys(rules, 0.0)))
    random = torch.Generator().manual_seed(seed)
    harm: dict[str, torch.Tensor] = {}
    squares: dict[str, torch.Tensor] = {}

    def add(sums: dict[str, torch.Tensor], name: str, values: torch.Tensor) -> None:
        sums[name] = sums[name] + values if name in sums else values

    def look(site: ConvSite, ofmap: torch.Tensor) -> None:
        add(squares, site.name, ofmap.double().square().sum(dim=(0, 2, 3)))

    with frozen(model):
        for inputs, _ in images.batches(graph.at_once):
            on_device = inputs.to(device_of(model))
            measured = contributions(model, graph, patterns, on_device, random, method=method, look=look)
            for name, values in measured.layers.items():
                add(harm, name, values.double().square().mean(dim=0).sum(dim=(0, 2, 3)))
    return {name: _weights(harm[name], squares[name]) for name in patterns}


def _weights(harm: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """Return the ratio by channel with mean 1; 1 for channels that are always zero, or if nothing does harm."""
    alive = squares > 0
    ratio = torch.where(alive, harm / squares.where(alive, torch.ones_like(squares)), torch.nan)
    mean = float(ratio.nanmean()) if bool(alive.any()) else 0.0
    if not mean > 0:
        return torch.ones_like(harm, dtype=torch.float32)
    weights = (ratio / mean).clamp(min=LEAST_WEIGHT).nan_to_num(nan=1.0)
    return (weights / weights.mean()).float()


def _masks(
    model: nn.Module,
    graph: Graph,
    layers: Collection[str],
    inputs: torch.Tensor,
    method: Method | None,
    look: OnIfmap | None,
) -> dict[str, torch.Tensor]:
    """Run the network with the method and return what it computes, by layer in which it skips."""
    masks: dict[str, torch.Tensor] = {}
    if method is None and look is None:
        return masks

    def decide(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        if look is not None and site.name in layers:
            look(site, ofmap)
        if method is None or site.name not in method.patterns:
            return None
        masks[site.name] = method.mask(site, ofmap)
        return ofmap * masks[site.name]

    with Interception(graph, on_ofmap=decide):
        model(inputs)
    return masks


def _products(
    model: nn.Module,
    graph: Graph,
    layers: Collection[str],
    inputs: torch.Tensor,
    masks: Mapping[str, torch.Tensor],
    kept: float,
    signs: Sequence[Sequence[torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """Return x · ∂(v · y)/∂x by layer, where skipped outputs keep the share `kept` of their values."""
    values: dict[str, torch.Tensor] = {}
    leaves: dict[str, torch.Tensor] = {}

    def attach(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        mask = masks.get(site.name)
        scaled = ofmap if mask is None else torch.where(mask, ofmap, kept * ofmap)
        if site.name not in layers:
            return None if mask is None else scaled
        values[site.name] = ofmap.detach().clone()  # the ReLU may be in place, and what flows on replaces its result
        leaves[site.name] = torch.zeros_like(ofmap, requires_grad=True)
        return scaled + leaves[site.name]

    try:
        # Functions in place change what gradients need; it is copied before.
        with torch.enable_grad(), torch.autograd.graph.allow_mutation_on_saved_tensors():
            with Interception(graph, on_ofmap=attach):
                outputs = [output for output in tensors_in(model(inputs)) if output.is_floating_point()]
            gradients = [_gradients(outputs, draw, list(leaves.values())) for draw in signs]
    except RuntimeError as error:
        raise FrontendError(
            f"the network's output cannot be differentiated by its layers' outputs ({first_line(error)}): "
            "use harm 'activation' and the recipe 'weighted', which need no gradients"
        ) from None
    return {
        name: values[name] * torch.stack([draw[number] for draw in gradients]) for number, name in enumerate(leaves)
    }


def _gradients(
    outputs: Sequence[torch.Tensor], signs: Sequence[torch.Tensor], leaves: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Return the gradient of one projection of all outputs by each leaf, 0 where none reaches the output."""
    projection = sum(((output * sign).sum() for output, sign in zip(outputs, signs, strict=True)), torch.zeros(()))
    return list(torch.autograd.grad(projection, leaves, retain_graph=True, materialize_grads=True))


def _signs(random: torch.Generator, output: torch.Tensor) -> torch.Tensor:
    """Draw ±1 for every component of an output."""
    drawn = torch.randint(0, 2, output.shape, generator=random).to(output)
    return 2 * drawn - 1
