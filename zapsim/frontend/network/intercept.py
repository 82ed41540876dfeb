"""Interception of a forward pass: watch the inputs of its convolutions, and change the outputs of their ReLUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError
from zapsim.frontend.network.calls import (
    BATCH_NORM,
    CONV2D,
    LINEAR,
    NAMES,
    CallKind,
    Conv2dCall,
    Function,
    features_as_map,
    fold_batch_norm,
    kind_of,
    map_as_features,
    read_conv2d,
    read_linear,
    tensors_in,
)
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.repeatable import DEPENDS, in_order, ran_all
from zapsim.frontend.network.way import Call

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
        the output in place and return it. Where the ReLU comes behind max pooling or the like, it is applied before.
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
        self._order, self._kinds = graph.order, frozenset(graph.order)
        self._place = 0
        self._passed_over = graph.passed_over
        self._layers = {site.call: site for site in graph.sites}
        self._outputs = {site.output_call: site for site in graph.sites if site.output_call is not None}
        self._on_ofmap = on_ofmap
        self._on_ifmap = on_ifmap
        self._on_conv = on_conv
        self._norms = {norm: site for site in self._outputs.values() for norm in site.norm_calls}
        self._running: dict[str, Conv2dCall] = {}
        self._calls: dict[CallKind, int] = dict.fromkeys(NAMES, 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]
        if kind is None and self._place:
            ran_all(self._order, self._place)

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        call = self._number(func, args, kwargs)
        if func is CONV2D and call is not None and call[1] not in self._passed_over:
            self._enter_layer("conv", read_conv2d(args, kwargs))
        elif func is LINEAR and call in self._layers:
            self._enter_layer("linear", read_linear(args, kwargs).as_conv2d())
        elif func is BATCH_NORM and call is not None:
            self._enter_norm(call[1], args, kwargs)
        result = func(*args, **kwargs)
        site = None if call is None else self._outputs.get(call)
        return result if site is None else self._leave(site, result, list(tensors_in((args, kwargs))))

    def _number(self, func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
        """Return the call's kind and number, or None if it is of none of the kinds that are counted."""
        kind = kind_of(func, args, kwargs)
        if kind is None:
            return None
        if kind in self._kinds:
            in_order(self._order, self._place, kind)
            self._place += 1
        self._calls[kind] += 1
        return kind, self._calls[kind] - 1

    def _enter_layer(self, kind: CallKind, call: Conv2dCall) -> None:
        ifmap = call.ifmap
        site = self._layers.get((kind, self._calls[kind] - 1))
        if site is None or tuple(ifmap.shape[1:]) != (site.shape.C, site.shape.H, site.shape.W):
            raise FrontendError(
                f"the network ran another convolution than before as number {self._calls[kind]}: {DEPENDS}"
            )
        if self._on_ifmap is not None:
            self._on_ifmap(site, ifmap)
        if self._on_conv is not None and site.relu_call is not None:
            self._running[site.name] = replace(call, ifmap=ifmap.clone())

    def _enter_norm(self, number: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        site = self._norms.get(number)
        if site is not None and site.name in self._running:
            self._running[site.name] = fold_batch_norm(self._running[site.name], args, kwargs)

    def _leave(self, site: ConvSite, result: torch.Tensor, arguments: Sequence[torch.Tensor]) -> torch.Tensor:
        ofmap = features_as_map(result) if site.fully_connected else result
        dims = tuple(ofmap.shape[1:])
        if dims != (site.shape.K, site.shape.P, site.shape.Q):
            raise FrontendError(f"layer {site.name}: its ReLU has another shape than before: {dims}")
        if self._on_conv is not None:
            self._on_conv(site, self._running.pop(site.name))
        if site.early is not None:
            ofmap = functional.relu(ofmap) if site.ceiling is None else functional.hardtanh(ofmap, 0.0, site.ceiling)
        changed = self._on_ofmap(site, ofmap)
        flows_on = ofmap if changed is None else changed
        if site.fully_connected:
            flows_on = map_as_features(flows_on, result)
        if flows_on is result:
            return result
        # The caller of an in-place function may go on with the argument instead of the result.
        return result.copy_(flows_on) if any(result is argument for argument in arguments) else flows_on
