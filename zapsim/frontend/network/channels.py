"""The channels of a network: which layers must keep one order of filters, and which weights follow them.

One forward pass is watched at the level of operators, where every function is spelled out in few of them and nothing is
hidden. Every tensor has an axis per dimension (:mod:`zapsim.frontend.network.bands`), and every operator says what it
does to them (:mod:`zapsim.frontend.network.operators`): a sum gives its arguments one order, a convolution ties its
filters to the channels behind it. An operator without a rule fixes the order of everything that it sees. So a band that
is free can be permuted together with all weights along it, and the network computes the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zapsim.frontend.network.bands import Axis, Band, fix, fixed_axis, free_axis, length, pieces, unify
from zapsim.frontend.network.calls import (
    CONV2D,
    LINEAR,
    CallKind,
    Function,
    function_name,
    read_conv2d,
    read_linear,
    tensors_in,
    tensors_of,
)
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.operator_call import Axes, OperatorCall
from zapsim.frontend.network.operators import CHANGING, GROUPED, RULES, unknown
from zapsim.frontend.network.state import State
from zapsim.frontend.network.way import Call
from zapsim.workload import ConvShape

INPUT = "the network's inputs keep their order"
OUTPUT = "its channels leave the network"
KEPT = "its channels are kept in the network"

Orders = Mapping[Band, NDArray[np.intp]]
"""By band: the channel at each place."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightAxes:
    """The axes of a parameter or buffer.

    `groups` and `inputs` are set for a weight whose second axis follows, in each group's filters, the group's inputs.
    """

    axes: tuple[Axis, ...]
    groups: int = 1
    inputs: Axis = ()


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The channels of a network.

    Attributes
    ----------
    inputs, filters
        By layer: the axes of its input channels and of its filters.
    weights
        By name: the axes of parameters and buffers.
    """

    inputs: Mapping[str, Axis]
    filters: Mapping[str, Axis]
    weights: Mapping[str, WeightAxes]

    def bands(self) -> list[Band]:
        """List the bands of filters whose order is free."""
        bands = [band for axis in self.filters.values() for band, _ in pieces(axis)]
        return [band for band in dict.fromkeys(bands) if not band.fixed]

    def reason(self, layer: str) -> str | None:
        """Return why a layer keeps its own order; None if at least a part of it is free."""
        bands = [band for band, _ in pieces(self.filters[layer])]
        if not all(band.fixed for band in bands):
            return None
        return next((band.reason for band in bands if band.reason), "its channels are taken one by one")


def permutation(axis: Axis, orders: Orders) -> NDArray[np.intp]:
    """Return what comes to each place of an axis if its bands take these orders: intp (length,)."""
    places: list[NDArray[np.intp]] = []
    start = 0
    for band, inner in pieces(axis):
        order = orders.get(band, np.arange(band.size, dtype=np.intp))
        places.append((start + order[:, np.newaxis] * inner + np.arange(inner, dtype=np.intp)).ravel())
        start += band.size * inner
    return np.concatenate(places) if places else np.arange(0, dtype=np.intp)


def trace_channels(model: nn.Module, graph: Graph, *example: torch.Tensor) -> Channels:
    """Band `model` once on `example` and return its channels; nothing is left behind on it."""
    with torch.random.fork_rng(devices=[]), frozen(model):
        before = State(model)
        watch = _Watch(model, example)
        with watch:
            outputs = model(*example)
        watch.leave(tensors_of(outputs), OUTPUT)
        watch.leave(tensors_of(list(before.kept())), KEPT)
    named = {site.name: watch.layers.get(site.call, _hidden(site.shape)) for site in graph.sites}
    return Channels(
        {name: inputs for name, (inputs, _) in named.items()},
        {name: filters for name, (_, filters) in named.items()},
        dict(watch.weights(model)),
    )


def _hidden(shape: ConvShape) -> tuple[Axis, Axis]:
    """Return the axes of a convolution of which no operator was seen."""
    reason = "its convolution is hidden"
    return fixed_axis(shape.C, reason), fixed_axis(shape.K, reason)


class _Watch(TorchDispatchMode):
    """Context manager for the pass that is watched; it keeps all tensors alive, so that they stay unique."""

    def __init__(self, model: nn.Module, example: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: dict[Call, tuple[Axis, Axis]] = {}
        self._axes: dict[int, Axes] = {}
        self._by_storage: dict[int, list[torch.Tensor]] = {}
        self._alive: list[object] = []
        self._weights = {id(value) for value in (*model.parameters(), *model.buffers())}
        self._used: set[int] = set()
        self._grouped: dict[int, tuple[int, Axis]] = {}
        self._functions = _Functions(self)
        for value in (*model.parameters(), *model.buffers()):
            self._note(value, [free_axis(size) for size in value.shape])
        for value in example:
            self._note(value, [fixed_axis(size, INPUT) for size in value.shape])

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]
        self._functions.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        self._functions.__exit__(*error)  # type: ignore[no-untyped-call]
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def called(self, kind: CallKind, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Note the channels of a layer, which has been called."""
        channels = 1 if kind == "conv" else -1
        number = sum(other == kind for other, _ in self.layers)
        self.layers[kind, number] = self.axes(inputs)[channels], self.axes(outputs)[channels]

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes; those of values from outside the network are fixed."""
        if id(tensor) not in self._axes:
            self._note(tensor, self._axes_of_memory(tensor))
        if id(tensor) in self._grouped:  # used otherwise, too
            _, inputs = self._grouped.pop(id(tensor))
            fix(inputs, GROUPED)
        self._used.add(id(tensor))
        return self._axes[id(tensor)]

    def grouped_axes(self, weight: torch.Tensor, groups: int, inputs: Axis) -> Axes:
        """Return the axes of a grouped convolution's weight, and tie each group's `inputs` to its filters."""
        key = id(weight)
        if key in self._grouped and self._grouped[key][0] == groups:
            unify(self._grouped[key][1], inputs)
            return self._axes[key]
        if key in self._weights and key not in self._used:
            self._grouped[key] = groups, inputs
            self._used.add(key)
            return self._axes[key]
        axes = self.axes(weight)
        fix(inputs, GROUPED)
        fix(axes[1], GROUPED)
        return axes

    def leave(self, tensors: Sequence[torch.Tensor], reason: str) -> None:
        """Fix the channels of what remains when the pass is over."""
        unknown(self, tensors, reason)

    def weights(self, model: nn.Module) -> Iterator[tuple[str, WeightAxes]]:
        """Yield parameters and buffers with their axes."""
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            groups, inputs = self._grouped.get(id(value), (1, ()))
            yield name, WeightAxes(tuple(self._axes[id(value)]), groups, inputs)

    def _note(self, tensor: torch.Tensor, axes: Axes) -> None:
        self._axes[id(tensor)] = axes
        self._by_storage.setdefault(self._storage(tensor), []).append(tensor)

    def _storage(self, tensor: torch.Tensor) -> int:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # sparse and opaque tensors have none
            self._alive.append(tensor)
            return -id(tensor)
        self._alive.append(storage)
        return int(storage._cdata)

    def _axes_of_memory(self, tensor: torch.Tensor) -> Axes:
        """Return the axes of another name of the same values; a view that no operator made fixes what it shows."""
        for other in self._by_storage.get(self._storage(tensor), ()):
            if (other.shape, other.stride(), other.storage_offset()) == (
                tensor.shape,
                tensor.stride(),
                tensor.storage_offset(),
            ):
                return self.axes(other)
            unknown(self, [other], "its memory has a second name")
        return [fixed_axis(size, "it meets values from outside the network") for size in tensor.shape]

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        results = list(tensors_in(result))
        for tensor, axes in zip(
            results, self._axes_after(OperatorCall(func, args, kwargs, result), results), strict=True
        ):
            if id(tensor) not in self._axes:
                self._note(tensor, axes)
        return result

    def _axes_after(self, call: OperatorCall, results: Sequence[torch.Tensor]) -> list[Axes]:
        """Return the axes of an operator's results by its rule, or fix everything if it has none that fits."""
        name = function_name(call.func)
        rule = RULES.get(name)
        if rule is not None and (name in CHANGING or not call.func._schema.is_mutable):
            try:
                made = rule(self, call)
            except (TypeError, ValueError, LookupError):  # a form of the operator that the rule does not know
                made = None
            fits = made is not None and [[*map(length, axes)] for axes in made] == [[*one.shape] for one in results]
            if made is not None and fits:
                return made
        unknown(self, list(tensors_in((call.args, call.kwargs))), f"'{name}' behind it may depend on its order")
        return [[fixed_axis(size, f"'{name}' makes it") for size in tensor.shape] for tensor in results]


class _Functions(TorchFunctionMode):
    """Notes the layers of the network, as its graph numbers them."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(
        self, func: Function, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is CONV2D:
            self._watch.called("conv", read_conv2d(args, kwargs or {}).ifmap, result)
        elif func is LINEAR:
            self._watch.called("linear", read_linear(args, kwargs or {}).input, result)
        return result
