"""A static order of filters for an operating point, learnt on calibration pictures.

What an array gains by skipping depends on which filters share a tile: on a rigid array a tile is done with a pixel only
if none of its filters needs it, and columns that wait for each other want even work. Filters, predictors and the next
layers' input channels can be permuted offline, at no cost in hardware or accuracy, as long as layers whose outputs are
added keep one order (:mod:`zapsim.frontend.network.channels`).

The share of outputs that each filter computes is measured with all predictors at work. Where layers share an order,
their shares are weighed by their MACs.

- ``density``: filters with the most outputs first, so that those of a tile are alike.
- ``deal``: any stretch of filters has about the same work. Filters stand in pairs, the n-th densest with the n-th
  sparsest, and the i-th pair is that whose rank is i with its bits reversed: any 2, 4, 8, ... pairs that begin at a
  multiple of their number divide the ranks evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.elementwise import zero_skipped
from zapsim.frontend.network.bands import Band, pieces
from zapsim.frontend.network.channels import Channels, Orders, permutation, trace_channels
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting
from zapsim.tracefile.order import FilterOrder, Rule
from zapsim.tracefile.records import OperatingPoint

Shares = Mapping[str, NDArray[np.float64]]
"""By layer: the share of each filter's outputs that are computed, float64 (K,)."""


def order_points(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    images: ImageSet,
    rules: Sequence[Rule],
) -> tuple[OperatingPoint, ...]:
    """Copy every point for every rule, with an order of filters learnt on `images` (point ``e0.2-density``).

    Parameters
    ----------
    model, graph
        The network, which comes back unchanged.
    scorers
        Predictors by layer, as for :func:`~zapsim.frontend.skipping.predicting`.
    points
        Operating points without an order.
    images
        What to learn from: not what is traced later, or the order is a bound instead of something that can be built.
    rules
        ``density``, ``deal``.

    Raises
    ------
    FrontendError
        If a rule is unknown or given twice, or activations are not finite.
    """
    check_rules(rules)
    if not (rules and points):
        return ()
    channels = trace_channels(model, graph, images.tensor([0]).to(device_of(model)))
    ordered = []
    for point in points:
        shares = measure_shares(model, graph, scorers, point, images)
        for rule in rules:
            order = learn_order(graph, channels, shares, rule, f"on {images.description}")
            ordered.append(point.model_copy(update={"name": f"{point.name}-{rule}", "order": order}))
    return tuple(ordered)


def check_rules(rules: Sequence[str]) -> None:
    """Refuse rules that are not known or come twice.

    Raises
    ------
    FrontendError
        Naming the rule.
    """
    for number, rule in enumerate(rules):
        if rule not in RULES:
            hint = did_you_mean(rule, RULES)
            raise FrontendError(f"unknown order of filters '{rule}'{hint}; there are: {', '.join(RULES)}")
        if rule in rules[:number]:
            raise FrontendError(f"the order of filters '{rule}' is given twice")


def measure_shares(
    model: nn.Module, graph: Graph, scorers: Mapping[str, Scorer], point: OperatingPoint, images: ImageSet
) -> dict[str, NDArray[np.float64]]:
    """Measure which share of each filter's outputs a point computes: by layer, float64 (K,)."""
    computed = {
        site.name: np.zeros(site.shape.K, dtype=np.int64) for site in graph.sites if site.name in point.predictors
    }
    method = predicting(scorers, point)

    def count(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        if site.name not in method.patterns:
            return None
        check_finite(site.name, ofmap)
        mask = method.mask(site, ofmap)
        computed[site.name] += mask.sum(dim=(0, 2, 3)).cpu().numpy()
        return zero_skipped(ofmap, mask)

    bar = progress_bar(CountColumn())
    task = bar.add_task(f"ordering filters for {point.name}", total=len(images))
    with frozen(model), bar:
        for inputs, _ in images.batches(graph.at_once):
            with Interception(graph, on_ofmap=count):
                model(inputs.to(device_of(model)))
            bar.advance(task, len(inputs))
    pixels = {site.name: len(images) * site.shape.P * site.shape.Q for site in graph.sites}
    return {layer: counts / pixels[layer] for layer, counts in computed.items()}


def learn_order(graph: Graph, channels: Channels, shares: Shares, rule: Rule, note: str = "") -> FilterOrder:
    """Order the filters of all layers by a rule.

    Parameters
    ----------
    graph, channels
        The network's layers, and which of them must keep one order.
    shares
        Of the predicted layers. Runs of filters without any keep their order, which is worth nothing there.
    rule
        ``density`` or ``deal``.
    note
        What the shares were measured on.
    """
    orders: dict[Band, NDArray[np.intp]] = {}
    for band, density in _densities(graph, channels, shares).items():
        densest_first = np.argsort(-density, kind="stable")
        orders[band] = densest_first[RULES[rule](len(densest_first))]
    return order_of(graph, channels, orders, rule, list(shares), note)


def order_of(
    graph: Graph, channels: Channels, orders: Orders, rule: Rule, predicted: Sequence[str], note: str
) -> FilterOrder:
    """Write the orders of bands as orders of layers; those of layers that stay as they are, are left out."""
    filters = {site.name: permutation(channels.filters[site.name], orders) for site in graph.sites}
    inputs = {site.name: permutation(channels.inputs[site.name], orders) for site in graph.sites}
    reasons = {layer: channels.reason(layer) for layer in predicted}
    return FilterOrder(
        rule=rule,
        filters={layer: _plain(order) for layer, order in filters.items() if _moves(order)},
        channels={layer: _plain(order) for layer, order in inputs.items() if _moves(order)},
        kept={layer: reason for layer, reason in reasons.items() if reason is not None},
        note=note,
    )


def _densities(graph: Graph, channels: Channels, shares: Shares) -> dict[Band, NDArray[np.float64]]:
    """Add up, for every free band, the computed shares of its filters over the layers that have it, by their MACs."""
    free = set(channels.bands())
    densities: dict[Band, NDArray[np.float64]] = {}
    for site in graph.sites:
        if site.name not in shares:
            continue
        start = 0
        for band, inner in pieces(channels.filters[site.name]):
            end = start + band.size * inner
            if band in free:
                of_band = (
                    shares[site.name][start:end].reshape(band.size, inner).sum(axis=1) * site.shape.macs_per_output
                )
                densities[band] = densities.get(band, 0.0) + of_band * site.shape.P * site.shape.Q
            start = end
    return densities


def _moves(order: NDArray[np.intp]) -> bool:
    return bool((order != np.arange(len(order))).any())


def _plain(order: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(order.tolist())


def _dealt(count: int) -> NDArray[np.intp]:
    """List the ranks 0 to count - 1 in pairs of a low and a high one, the pairs by their bits reversed."""
    pairs = count // 2
    bits = max(pairs - 1, 1).bit_length()
    places = np.arange(1 << bits)
    ranks = np.zeros_like(places)
    for bit in range(bits):
        ranks |= (places >> bit & 1) << (bits - 1 - bit)
    low = ranks[ranks < pairs]
    paired = np.stack([low, count - 1 - low], axis=1).ravel()
    return np.append(paired, [pairs] * (count % 2)).astype(np.intp)  # an odd number leaves the middle one


RULES: Final[Mapping[str, Callable[[int], NDArray[np.intp]]]] = {
    "density": lambda count: np.arange(count, dtype=np.intp),
    "deal": _dealt,
}
"""The rank (0: densest) of the filter at each place, by rule."""
