"""Finding a network's convolutions, the ReLU behind each, and which of them can have a predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError
from zapsim.frontend.calls import CONV2D, TRANSPARENT, Conv2dCall, Function, is_relu, read_conv2d, tensors_in
from zapsim.frontend.faults import first_line
from zapsim.frontend.guard import frozen
from zapsim.workload import ConvShape

SMALLEST_MAP = 4
"""Rows and columns that an ofmap must have to be predicted: a predictor looks at 5×5 outputs."""

FIRST_LAYER = "first convolution of the network"
NO_RELU = "no ReLU behind it"


@dataclass(frozen=True, slots=True)
class ConvSite:
    """One call of a convolution in a forward pass, and the ReLU that its outputs go through.

    Attributes
    ----------
    shape
        The layer with N = 1; its name is the module's (``name#2`` when a module is called a second time).
    conv_call
        Which of the forward pass's conv2d calls this is, from 0.
    relu_call
        Which of its ReLU calls is the layer's, or None.
    unpredicted
        Why the layer can have no predictor, or None if it can.
    """

    shape: ConvShape
    conv_call: int
    relu_call: int | None
    unpredicted: str | None

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.shape.name


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's convolutions in the order in which they run."""

    sites: tuple[ConvSite, ...]

    @property
    def eligible(self) -> tuple[ConvSite, ...]:
        """The convolutions that can have a predictor."""
        return tuple(site for site in self.sites if site.unpredicted is None)

    def site(self, name: str) -> ConvSite:
        """Return the layer of that name."""
        return next(site for site in self.sites if site.name == name)


def trace_graph(model: nn.Module, example: torch.Tensor) -> Graph:
    """Run `model` once on `example` (one image) and return its convolutions.

    The forward pass is watched at the level of torch's functions, not of modules: functional, in-place and
    shared ReLUs are seen as well as modules, and nothing is attached to the model.

    Raises
    ------
    FrontendError
        If the network runs no 2-D convolution or does not take the example.
    """
    recorder = _Recorder()
    try:
        with frozen(model), recorder:
            outputs = model(example)
    except (RuntimeError, TypeError, ValueError) as error:
        raise FrontendError(
            f"the network does not run on an input {tuple(example.shape)}: {first_line(error)}"
        ) from error
    for tensor in tensors_in(outputs):
        recorder.use(tensor, _OUTPUT)
    sites = _sites(recorder, _parameter_names(model))
    if not sites:
        raise FrontendError("the network runs no 2-D convolution")
    return Graph(sites)


@dataclass(slots=True)
class _Node:
    """One call that returned a tensor, and the later calls that use it."""

    function: Function | None
    conv: Conv2dCall | None = None
    conv_call: int | None = None
    relu_call: int | None = None
    users: list[_Node] = field(default_factory=list)


_OUTPUT = _Node(None)


class _Recorder(TorchFunctionMode):
    """Records every call that makes a tensor; keeps all tensors alive, so that identities stay unique."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[_Node] = []
        self._made_by: dict[int, _Node] = {}
        self._alive: list[Any] = []
        self._convs = 0
        self._relus = 0

    def use(self, tensor: torch.Tensor, user: _Node) -> None:
        maker = self._made_by.get(id(tensor))
        if maker is not None:
            maker.users.append(user)

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        node = _Node(func)
        if func is CONV2D:
            node.conv, node.conv_call = read_conv2d(args, kwargs), self._convs
            self._convs += 1
        elif is_relu(func, args, kwargs):
            node.relu_call = self._relus
            self._relus += 1
        result = func(*args, **kwargs)
        made = list(tensors_in(result))
        if made:
            self._alive += [args, kwargs, result]
            self.nodes.append(node)
            for tensor in tensors_in((args, kwargs)):
                self.use(tensor, node)
            self._made_by.update({id(tensor): node for tensor in made})
        return result


def _parameter_names(model: nn.Module) -> dict[int, str]:
    """Return the module name behind every weight, by the weight's identity."""
    return {id(value): name.rpartition(".")[0] for name, value in model.named_parameters()}


def _sites(recorder: _Recorder, names: Mapping[int, str]) -> tuple[ConvSite, ...]:
    calls: dict[str, int] = {}
    sites = []
    for node in recorder.nodes:
        if node.conv is None or node.conv_call is None:
            continue
        name = names.get(id(node.conv.weight)) or f"conv{node.conv_call}"
        calls[name] = calls.get(name, 0) + 1
        unique = name if calls[name] == 1 else f"{name}#{calls[name]}"
        shape = _shape(unique, node.conv)
        relu_call, reason = _follow(node)
        if node.conv_call == 0:
            reason = FIRST_LAYER
        elif reason is None and min(shape.P, shape.Q) < SMALLEST_MAP:
            reason = f"output map of {shape.P}×{shape.Q} is too small"
        sites.append(ConvSite(shape, node.conv_call, relu_call, reason))
    return tuple(sites)


def _shape(name: str, conv: Conv2dCall) -> ConvShape:
    _, channels, height, width = conv.ifmap.shape
    filters, _, rows, cols = conv.weight.shape
    return ConvShape(
        name=name,
        C=channels,
        H=height,
        W=width,
        K=filters,
        R=rows,
        S=cols,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
    )


def _follow(conv: _Node) -> tuple[int | None, str | None]:
    """Return the ReLU call that alone takes what `conv` made, or the reason why there is none."""
    node = conv
    while True:
        if len(node.users) != 1:
            return None, NO_RELU if not node.users else "its output is used elsewhere before the ReLU"
        user = node.users[0]
        if user.relu_call is not None:
            return user.relu_call, None
        if user.function not in TRANSPARENT:
            return None, NO_RELU
        node = user
