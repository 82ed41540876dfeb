"""What zapsim makes of a network before any picture is seen: its layers, and what cannot work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError, WorkloadError
from zapsim.frontend.factory import load_object
from zapsim.frontend.network.calls import CONV2D, Conv2dCall, read_conv2d
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.network import Network, load_network
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.layer_list import gemm

_DRAWS = frozenset((
    nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.uniform_,
    torch.Tensor.normal_, torch.Tensor.uniform_,
))  # fmt: skip
"""What draws the weights of layers."""

_WEIGHT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A network and its layers, for one picture of the network's input size."""

    network: Network
    graph: Graph

    @property
    def fully_connected(self) -> dict[str, ConvShape]:
        """Fully connected layers by name, which run dense; masks are only of convolutions."""
        modules = dict(self.network.model.named_modules())
        layers = {}
        for layer in self.graph.unsimulated:
            module = modules.get(layer.name)
            if isinstance(module, nn.Linear) and layer.macs % (module.in_features * module.out_features) == 0:
                rows = layer.macs // (module.in_features * module.out_features)
                layers[layer.name] = gemm(layer.name, rows, module.out_features, module.in_features)
        return layers

    def workload(self) -> Workload:
        """Make a workload of the convolutions, then the fully connected layers."""
        convolutions = tuple(site.shape for site in self.graph.sites)
        return Workload(self.network.name, (*convolutions, *self.fully_connected.values()))


def inspect_network(spec: str, size: int | None = None, seed: int = 0) -> Inspection:
    """Make a network and find its layers, without the work that shapes do not depend on.

    At first, weights are not drawn and nothing is convolved (:class:`_ShapesAlone`). Should the network not run so, or
    be refused, it is made and run again in earnest, which has the last word.

    Parameters
    ----------
    spec
        ``package.module:factory``.
    size
        Rows and columns of the picture (None: as the factory says, or ImageNet's 224).
    seed
        Of random weights.

    Returns
    -------
    Inspection
        Its network is good for its shapes only: weights that the factory drew may all be the same.

    Raises
    ------
    FrontendError
        If the network cannot be made, cannot work with zapsim, or runs no convolution.
    """
    if size is not None and size < 1:
        raise FrontendError(f"--size must be at least 1, got {size}")
    load_object(spec)  # what the module makes when it is imported is as it should be
    try:
        with _ShapesAlone():
            return _inspect(spec, size, seed)
    except Exception:  # whatever it is, the network in earnest says it in its own words
        return _inspect(spec, size, seed)


def _inspect(spec: str, size: int | None, seed: int) -> Inspection:
    network = load_network(spec, None, "cpu", seed)
    refuse_compiled(network.model)
    if size is not None:
        pre = network.preprocessing
        network = replace(network, preprocessing=replace(pre, size=size, resize=max(size, pre.resize)))
    return Inspection(network, trace_graph(network.model, network.example()))


class _ShapesAlone(TorchFunctionMode):
    """Leaves out what takes time and changes no shape: weights are not drawn, and nothing is convolved.

    All outputs of a convolution are the mean magnitude of its ifmap, so that outputs of the network still follow from
    the picture, and what is random or remembered still shows.
    """

    def __torch_function__(
        self, func: Any, _types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            weight: torch.Tensor = args[0] if args else kwargs["tensor"]
            with torch.no_grad():
                return weight.fill_(_WEIGHT)
        if func is CONV2D:
            conv = read_conv2d(args, kwargs)
            if conv.ifmap.ndim == len(conv.padding) and conv.ifmap.shape[1] == conv.weight.shape[1] * conv.groups:
                return _ofmap(conv)
        return func(*args, **kwargs)


def _ofmap(conv: Conv2dCall) -> torch.Tensor:
    """Make a map of the ofmap's size, (N, K, P, Q), which every picture fills with its own value."""
    (C, H, W), (K, _, R, S) = conv.ifmap.shape[1:], conv.weight.shape
    shape = ConvShape(
        "convolution", C, H, W, K, R, S, stride=conv.stride, padding=conv.padding, dilation=conv.dilation,
        groups=conv.groups,
    )  # fmt: skip
    return conv.ifmap.abs().mean((1, 2, 3), keepdim=True).expand(-1, shape.K, shape.P, shape.Q).contiguous()


def network_workload(spec: str, size: int | None = None) -> Workload:
    """Make a workload of the network that ``package.module:factory`` makes.

    Raises
    ------
    FrontendError
        As :func:`inspect_network`.
    WorkloadError
        If layers of the network are not in the workload, which would falsify its totals.
    """
    inspection = inspect_network(spec, size)
    workload = inspection.workload()
    names = {layer.name for layer in workload.layers}
    missing = [layer for layer in inspection.graph.unsimulated if layer.name not in names]
    if missing:
        listed = ", ".join(f"{layer.name} ({layer.reason})" for layer in missing[:8])
        raise WorkloadError(
            f"{spec}: {len(missing)} layers cannot be simulated: {listed}; list the others in a YAML file "
            "(`zapsim inspect` shows their shapes)"
        )
    return workload


def refuse_compiled(model: nn.Module) -> None:
    """Refuse modules whose calls cannot be watched.

    Raises
    ------
    FrontendError
        Naming the module and what to return instead.
    """
    for name, module in model.named_modules():
        where = f"module '{name}'" if name else "the network"
        if hasattr(module, "_orig_mod"):
            raise FrontendError(
                f"{where} is compiled (torch.compile), which hides its calls: return the module that was compiled "
                "(its attribute _orig_mod)"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise FrontendError(
                f"{where} is scripted (torch.jit), which hides its calls: return the module that it was made from"
            )
