"""A static order of filters applied offline: the same network, with its channels in another order.

Filters, biases, batch normalisation, the input channels of all layers behind (through flattening into a fully connected
layer, too) and the predictors are permuted; what the network computes stays the same, to rounding, and its masks are
the permuted masks of the network as it was.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.errors import FrontendError
from zapsim.files import write_atomically
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.bands import Band, pieces
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.channels import Channels, Orders, WeightAxes, permutation, trace_channels
from zapsim.frontend.network.contract import output_differences
from zapsim.frontend.network.forward import device_of, frozen
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.weights import copy_of, state_dict_file
from zapsim.frontend.training.predictor import PredictorSet, save_predictors
from zapsim.frontend.tuning.ordering import order_of
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.records import OperatingPoint

_ROUNDING = 1e-4
"""Relative difference of the outputs from which on a reordered network does not compute the same."""


def reorder(network: Network, graph: Graph, point: OperatingPoint) -> Network:
    """Copy a network with its channels in the order of an operating point.

    Parameters
    ----------
    network, graph
        The network as it was trained, and its convolutions; it comes back unchanged.
    point
        An operating point with an order of filters, learnt for this network.

    Raises
    ------
    FrontendError
        If the point has no order or one of another network, or if the copy does not compute the same.
    """
    order = _order(point)
    example = _noise(network)
    channels = trace_channels(network.model, graph, example)
    orders = _band_orders(channels, graph, point)
    model = copy_of(network.model)
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            value.copy_(_permuted(value, channels.weights[name], orders))
    _check_same(network.model, model, example)
    source = f"{network.source}, filters in order of {order.rule} (point {point.name})"
    return replace(network, model=model, source=source, adapted={})


def order_of_graph(network: Network, graph: Graph, point: OperatingPoint) -> OperatingPoint:
    """Extend a point's order to all layers of `graph`, such as fully connected ones that it was not learnt for.

    Raises
    ------
    FrontendError
        If the point's order is one of another network.
    """
    order = _order(point)
    channels = trace_channels(network.model, graph, _noise(network))
    orders = _band_orders(channels, graph, point)
    whole = order_of(graph, channels, orders, order.rule, list(point.predictors), order.note)
    return point.model_copy(update={"order": whole})


def reorder_predictors(
    predictors: PredictorSet, network: Network, point: OperatingPoint, out: Path | None = None
) -> PredictorSet:
    """Copy predictors for a reordered network.

    Parameters
    ----------
    predictors
        Those of the network as it was.
    network
        What :func:`reorder` returned.
    point
        The point whose order it has.
    out
        Predictor file to write (default: none).

    Raises
    ------
    FrontendError
        If the point has no order.
    """
    order = _order(point)
    first, *others = (
        {layer: _reordered(each, order.filters_of(layer)) for layer, each in by_layer.items()}
        for by_layer in (predictors.predictors, *predictors.further.values())
    )
    how = {"point": point.name, "rule": order.rule, "predictors_sha256": predictors.sha256}
    recorded = {**predictors.header.provenance, "reordered": how}
    return save_predictors(out, network.name, network.weights_sha256, first, recorded, others)


def _reordered(predictor: Predictor, places: NDArray[np.intp] | None) -> Predictor:
    """Copy a predictor with its channels in another order: they do not mix, and are the first dimension of tensors."""
    reordered = copy.deepcopy(predictor)
    if places is not None:
        channels = {name: value for name, value in predictor.tensors().items() if value.ndim}
        reordered.load_tensors({name: value[_index(places, value)] for name, value in channels.items()})
    return reordered


def save_reordered(path: Path, network: Network) -> None:
    """Write the weights of a reordered network as a state dict (safetensors), atomically."""
    write_atomically(path, state_dict_file(network.model), parents=True)


def _order(point: OperatingPoint) -> FilterOrder:
    if point.order is None:
        raise FrontendError(f"operating point {point.name} has no order of filters: learn one with zapsim tune --order")
    return point.order


def _noise(network: Network) -> torch.Tensor:
    """Return a picture of noise: on one of zeros, channels would hardly differ."""
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(network.example().shape, generator=generator)
    return example.to(device_of(network.model))


def _band_orders(channels: Channels, graph: Graph, point: OperatingPoint) -> dict[Band, NDArray[np.intp]]:
    """Read the orders of bands from those of layers.

    Raises
    ------
    FrontendError
        If layers that must keep one order do not, or a layer is ordered whose order must stay.
    """
    order = _order(point)
    try:
        order.check_fit({site.name: site.shape for site in graph.sites})
    except ValueError as error:
        raise FrontendError(f"operating point {point.name}: {error}") from None
    orders: dict[Band, NDArray[np.intp]] = {}
    for layer, places in order.filters.items():
        start = 0
        for band, inner in pieces(channels.filters[layer]):
            end = start + band.size * inner
            of_band = (np.array(places[start:end:inner]) - start) // inner
            if not band.fixed and sorted(of_band) == list(range(band.size)):
                orders[band] = of_band
            start = end
    unasked = {site.name for site in graph.sites if site.fully_connected} - {*order.filters, *order.channels}
    fitting = order_of(graph, channels, orders, order.rule, (), "")
    for kind, given, possible in (
        ("filters", order.filters, fitting.filters),
        ("input channels", order.channels, fitting.channels),
    ):
        for layer in {**given, **possible}:
            if layer not in unasked and given.get(layer) != possible.get(layer):
                raise FrontendError(
                    f"operating point {point.name}: the {kind} of layer {layer} cannot have this order in this "
                    "network: learn one with zapsim tune --order"
                )
    return orders


def _permuted(value: torch.Tensor, weight: WeightAxes, orders: Orders) -> torch.Tensor:
    """Permute a weight along all of its axes."""
    for dim, axis in enumerate(weight.axes):
        value = value.index_select(dim, _index(permutation(axis, orders), value))
    if weight.groups == 1:
        return value
    # Inputs stay in their groups: each group of filters has an order of inputs of its own.
    inputs = permutation(weight.inputs, orders).reshape(weight.groups, -1) % value.shape[1]
    groups = value.chunk(weight.groups)
    return torch.cat([group[:, _index(places, value)] for group, places in zip(groups, inputs, strict=True)])


def _index(places: NDArray[np.intp], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(places)).to(like.device)


def _check_same(model: nn.Module, reordered: nn.Module, example: torch.Tensor) -> None:
    """Refuse a copy that does not compute the same.

    Raises
    ------
    FrontendError
        If its outputs differ by more than rounding.
    """
    with frozen(model), frozen(reordered):
        expected, outputs = (list(tensors_in(each(example))) for each in (model, reordered))
    for reference, difference in output_differences(expected, outputs):
        norms = [float(values.double().norm()) for values in (difference, reference)]
        if norms[0] > _ROUNDING * norms[1]:
            raise FrontendError(
                f"the reordered network's outputs differ by {norms[0] / max(norms[1], 1e-30):.1e}: it reads its "
                "weights in a way that cannot be seen, so keep its own order"
            )
