"""Watching and changing a forward pass at its convolutions' inputs and at the ReLUs behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError
from zapsim.frontend.calls import CONV2D, Function, is_relu, read_conv2d
from zapsim.frontend.graph import ConvSite, Graph

OnIfmap = Callable[[ConvSite, torch.Tensor], None]
OnOfmap = Callable[[ConvSite, torch.Tensor], torch.Tensor | None]


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
        Called with each layer's output after its ReLU; what it returns (if not None) flows on instead.

    Raises
    ------
    FrontendError
        If the forward pass does not run the same convolutions and ReLUs as the one that gave `graph`.
    """

    def __init__(self, graph: Graph, on_ofmap: OnOfmap, on_ifmap: OnIfmap | None = None) -> None:
        super().__init__()
        self._convs = {site.conv_call: site for site in graph.sites}
        self._relus = {site.relu_call: site for site in graph.sites if site.relu_call is not None}
        self._on_ofmap = on_ofmap
        self._on_ifmap = on_ifmap
        self._conv_call = 0
        self._relu_call = 0

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is CONV2D:
            self._enter_conv(read_conv2d(args, kwargs).ifmap)
        result = func(*args, **kwargs)
        if is_relu(func, args, kwargs):
            return self._leave_relu(args[0] if args else kwargs["input"], result)
        return result

    def _enter_conv(self, ifmap: torch.Tensor) -> None:
        site = self._convs.get(self._conv_call)
        self._conv_call += 1
        if site is None or tuple(ifmap.shape[1:]) != (site.shape.C, site.shape.H, site.shape.W):
            raise FrontendError(
                f"the network ran another convolution than before as number {self._conv_call}: "
                "its forward pass depends on the data or on the input's size"
            )
        if self._on_ifmap is not None:
            self._on_ifmap(site, ifmap)

    def _leave_relu(self, argument: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
        site = self._relus.get(self._relu_call)
        self._relu_call += 1
        if site is None:
            return result
        dims = tuple(result.shape[1:])
        if dims != (site.shape.K, site.shape.P, site.shape.Q):
            raise FrontendError(f"layer {site.name}: its ReLU has another shape than before: {dims}")
        changed = self._on_ofmap(site, result)
        if changed is None:
            return result
        # An in-place ReLU's caller may go on with the argument instead of the result.
        return argument.copy_(changed) if result is argument else changed
