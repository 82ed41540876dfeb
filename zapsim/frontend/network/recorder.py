"""Recorder of every torch call of a forward pass, and the way of a convolution's output to its ReLU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from zapsim.frontend.network.calls import (
    BATCH_NORM,
    CONV2D,
    SUMS,
    TRANSPARENT,
    Conv2dCall,
    Function,
    is_relu,
    read_conv2d,
    tensors_in,
)

NO_RELU = "no ReLU behind it"
USED_ELSEWHERE = "its output is used elsewhere before the ReLU"
SUM_OF_ANOTHER_SHAPE = "the sum behind it has another shape"


@dataclass(slots=True, eq=False)
class Node:
    """One call that returned a tensor, and the later calls that use it.

    `depth` counts the convolutions on the longest way from the network's input to here, this call included.
    """

    function: Function | None
    conv: Conv2dCall | None = None
    conv_call: int | None = None
    norm_call: int | None = None
    relu_call: int | None = None
    depth: int = 0
    shape: tuple[int, ...] = ()
    users: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """From a convolution to the ReLU that alone takes its output.

    Attributes
    ----------
    relu_call
        Which of the forward pass's ReLU calls that is, or None.
    reason
        Why there is none.
    norm_calls
        The batch normalisations on the way, by their number in the forward pass.
    added
        Whether another tensor is added on the way.
    """

    relu_call: int | None = None
    reason: str | None = None
    norm_calls: tuple[int, ...] = ()
    added: bool = False


class Recorder(TorchFunctionMode):
    """Records every call that makes a tensor; keeps all tensors alive, so that identities stay unique."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._made_by: dict[int, Node] = {}
        self._alive: list[Any] = []
        self._convs = self._norms = self._relus = 0

    def use(self, tensor: torch.Tensor, user: Node) -> None:
        """Note that `user` takes `tensor`."""
        maker = self._made_by.get(id(tensor))
        if maker is not None:
            maker.users.append(user)
            user.depth = max(user.depth, maker.depth)

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        node = self._node(func, args, kwargs)
        result = func(*args, **kwargs)
        made = list(tensors_in(result))
        if made:
            self._alive += [args, kwargs, result]
            self.nodes.append(node)
            for tensor in tensors_in((args, kwargs)):
                self.use(tensor, node)
            node.depth += node.conv is not None
            node.shape = tuple(made[0].shape)
            self._made_by.update({id(tensor): node for tensor in made})
        return result

    def _node(self, func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Node:
        node = Node(func)
        if func is CONV2D:
            node.conv, node.conv_call = read_conv2d(args, kwargs), self._convs
            self._convs += 1
        elif func is BATCH_NORM:
            node.norm_call = self._norms
            self._norms += 1
        elif is_relu(func, args, kwargs):
            node.relu_call = self._relus
            self._relus += 1
        return node


def follow(conv: Node) -> Way:
    """Return the way from a convolution's output to the ReLU that alone takes it: through BN, dropout and sums."""
    node, added = conv, False
    norms: list[int] = []
    while True:
        if len(node.users) != 1:
            return Way(reason=USED_ELSEWHERE if node.users else NO_RELU)
        user = node.users[0]
        if user.relu_call is not None:
            return Way(user.relu_call, None, tuple(norms), added)
        if user.function in SUMS:
            if user.shape != conv.shape:
                return Way(reason=SUM_OF_ANOTHER_SHAPE)
            added = True
        elif user.function not in TRANSPARENT:
            return Way(reason=NO_RELU)
        if user.norm_call is not None:
            norms.append(user.norm_call)
        node = user
