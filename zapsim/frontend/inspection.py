"""What zapsim makes of a network before any picture is seen: its layers, and what cannot work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from zapsim.errors import FrontendError, WorkloadError
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.network import Network, load_network
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.layer_list import gemm


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


def inspect_network(spec: str, size: int | None = None, weights: Path | None = None, seed: int = 0) -> Inspection:
    """Make a network and find its layers.

    Parameters
    ----------
    spec
        ``package.module:factory``.
    size
        Rows and columns of the picture (None: as the factory says, or ImageNet's 224).
    weights
        State dict to load (None: none; shapes do not depend on it).
    seed
        Of random weights.

    Raises
    ------
    FrontendError
        If the network cannot be made, cannot work with zapsim, or runs no convolution.
    """
    network = load_network(spec, weights, "cpu", seed)
    refuse_compiled(network.model)
    if size is not None:
        if size < 1:
            raise FrontendError(f"--size must be at least 1, got {size}")
        pre = network.preprocessing
        network = replace(network, preprocessing=replace(pre, size=size, resize=max(size, pre.resize)))
    return Inspection(network, trace_graph(network.model, network.example()))


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
