"""Interception of a forward pass: watch the inputs of its convolutions, and change the outputs of their ReLUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError
from zapsim.frontend.network.calls import (
    BATCH_NORM,
    CONV2D,
    Conv2dCall,
    Function,
    fold_batch_norm,
    is_relu,
    read_conv2d,
)
from zapsim.frontend.network.graph import ConvSite, Graph

OnIfmap = Callable[[ConvSite, torch.Tensor], None]
OnOfmap = Callable[[ConvSite, torch.Tensor], torch.Tensor | None]
OnConv = Callable[[ConvSite, Conv2dCall], None]


class Interception(TorchFunctionMode):
    """Context manager for one forward pass of the network that `graph` was made from.

    Nothing is attached to the model, so nothing can be left behind on it.

    Parameters
    ----------
    graph
        Convolutions and ReLUs to stop at.
    on_ifmap
        Called with each convolution's input as it arrives.
    on_ofmap
        Called with each layer's output after its ReLU; what it returns (if not None) flows on instead. It may change
        the output in place and return it.
    on_conv
        Called before `on_ofmap` with the layer's convolution, into which the batch normalisations behind it are folded.
        Each ifmap is copied for it, as later calls may change it in place.

    Raises
    ------
    FrontendError
        If the forward pass does not run the same convolutions and ReLUs as the one that gave `graph`.
    """

    def __init__(
        self, graph: Graph, on_ofmap: OnOfmap, on_ifmap: OnIfmap | None = None, on_conv: OnConv | None = None
    ) -> None:
        super().__init__()
        self._convs = {site.conv_call: site for site in graph.sites}
        self._relus = {site.relu_call: site for site in graph.sites if site.relu_call is not None}
        self._on_ofmap = on_ofmap
        self._on_ifmap = on_ifmap
        self._on_conv = on_conv
        self._norms = {norm: site for site in self._relus.values() for norm in site.norm_calls}
        self._running: dict[str, Conv2dCall] = {}
        self._conv_call = self._norm_call = self._relu_call = 0

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is CONV2D:
            self._enter_conv(read_conv2d(args, kwargs))
        elif func is BATCH_NORM:
            self._enter_norm(args, kwargs)
        result = func(*args, **kwargs)
        if is_relu(func, args, kwargs):
            return self._leave_relu(args[0] if args else kwargs["input"], result)
        return result

    def _enter_conv(self, call: Conv2dCall) -> None:
        ifmap = call.ifmap
        site = self._convs.get(self._conv_call)
        self._conv_call += 1
        if site is None or tuple(ifmap.shape[1:]) != (site.shape.C, site.shape.H, site.shape.W):
            raise FrontendError(
                f"the network ran another convolution than before as number {self._conv_call}: "
                "its forward pass depends on the data or on the input's size"
            )
        if self._on_ifmap is not None:
            self._on_ifmap(site, ifmap)
        if self._on_conv is not None and site.relu_call is not None:
            self._running[site.name] = replace(call, ifmap=ifmap.clone())

    def _enter_norm(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        site = self._norms.get(self._norm_call)
        self._norm_call += 1
        if site is not None and site.name in self._running:
            self._running[site.name] = fold_batch_norm(self._running[site.name], args, kwargs)

    def _leave_relu(self, argument: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        site = self._relus.get(self._relu_call)
        self._relu_call += 1
        if site is None:
            return result
        dims = tuple(result.shape[1:])
        if dims != (site.shape.K, site.shape.P, site.shape.Q):
            raise FrontendError(f"layer {site.name}: its ReLU has another shape than before: {dims}")
        if self._on_conv is not None:
            self._on_conv(site, self._running.pop(site.name))
        changed = self._on_ofmap(site, result)
        if changed is None or changed is result:
            return result
        # An in-place ReLU's caller may go on with the argument instead of the result.
        return argument.copy_(changed) if result is argument else changed
