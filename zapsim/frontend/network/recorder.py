"""Recorder of a forward pass: every call of a torch function, and which memory it reads and writes.

Functions are seen by a ``TorchFunctionMode``, as the interception sees them later. What a function does to memory is
seen below it, by a ``TorchDispatchMode``. Every view of a tensor shares its storage, whatever the objects in Python
are, so an assignment to a part, a change in place or a second name of the same values is a use like any other.
Operators that no torch function called (those of scripted modules, for instance) are seen there alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, get_args

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zapsim.frontend.network.calls import (
    CallKind,
    Function,
    function_name,
    kind_of,
    read_conv2d,
    read_linear,
    relu_ceiling,
    repeats_nearest,
    tensors_in,
    uses_batch_statistics,
)
from zapsim.frontend.network.macs import operator_macs
from zapsim.frontend.network.node import Node, Place, Touch

_METADATA = (bool, int, str, type(None), torch.Size, torch.dtype, torch.device, torch.layout, torch.memory_format)
_ADDRESSES = frozenset({"data_ptr", "untyped_storage", "storage"})


class Recorder:
    """Context manager that records one forward pass of `model`; it keeps all memory alive, so that it stays unique."""

    def __init__(self, model: nn.Module) -> None:
        self._storages: dict[int, Any] = {}
        self.nodes: list[Node] = []
        self.random: list[Node] = []
        self.changed_weights: list[str] = []
        self._touches: dict[int, list[Touch]] = {}
        self._depths: dict[int, int] = {}
        self._weights = {self.place(value).storage: name for name, value in model.named_parameters()}
        self._fixed = {self.place(value).storage for value in (*model.parameters(), *model.buffers())}
        self._before: list[tuple[Any, Any]] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._modules: list[str] = []
        self._current: Node | None = None
        self._calls: dict[CallKind, int] = dict.fromkeys(get_args(CallKind), 0)
        self.order: list[CallKind] = []
        self._numbers = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for handle in (
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ):
            self._stack.callback(handle.remove)
        self._stack.enter_context(_Functions(self))
        self._stack.enter_context(_Operators(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        for storage, values in self._before:
            storage.copy_(values)

    def owner(self, node: Node) -> str:
        """Return the name of the module whose weights a call used; an empty text if it used none."""
        used = (name for storage, name in self._weights.items() if storage in node.touched)
        return next(used, "").rpartition(".")[0]

    def _enter_module(self, module: nn.Module, _args: object) -> None:
        # A module that is not the model's own (made in the forward pass) counts as the one that calls it.
        self._modules.append(self._names.get(id(module)) or (self._modules[-1] if self._modules else ""))

    def _leave_module(self, _module: nn.Module, _args: object, _result: object) -> None:
        if self._modules:
            self._modules.pop()

    def users(self, storage: int, since: int) -> list[Touch]:
        """Return who touches what lay in a storage after call number `since`, up to the first that changes it."""
        users: list[Touch] = []
        last: Node | None = None
        for touch in self._touches.get(storage, ()):
            if touch.node.index <= since:
                continue
            if last is not None and touch.node is not last:
                break
            users.append(touch)
            last = touch.node if touch.writes else last
        return users

    def use_at_end(self, tensors: Sequence[torch.Tensor], name: str) -> None:
        """Note that the forward pass left `tensors` behind: as its outputs, or in the network."""
        if tensors:
            node = self._begin(name)
            for tensor in tensors:
                self._touch(node, tensor, writes=False)

    def place(self, tensor: torch.Tensor) -> Place:
        """Return where a tensor lies."""
        try:
            storage = tensor.untyped_storage()
            place = Place(
                int(storage._cdata), tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset())
            )
        except (NotImplementedError, RuntimeError):  # sparse and opaque tensors have no storage
            self._storages[-id(tensor)] = tensor
            return Place(-id(tensor), tuple(tensor.shape), (), 0)
        self._storages[place.storage] = storage
        return place

    def _begin(self, name: str) -> Node:
        node = Node(self._numbers, name, self._modules[-1] if self._modules else "")
        self._numbers += 1
        self.nodes.append(node)
        return node

    def _touch(self, node: Node, tensor: torch.Tensor, writes: bool) -> None:
        place = self.place(tensor)
        memory = self._storages[place.storage]
        whole = isinstance(memory, torch.Tensor) or tensor.numel() * tensor.element_size() == memory.nbytes()
        self._touches.setdefault(place.storage, []).append(Touch(node, place, writes, whole))
        node.depth = max(node.depth, self._depths.get(place.storage, 0) + (node.conv is not None))
        node.touched.add(place.storage)
        if writes:
            node.written.add(place.storage)

    def function(self, func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a torch function and record it."""
        if self._current is not None:
            return func(*args, **kwargs)
        node = self._current = self._begin(function_name(func))
        node.operator = isinstance(func, (torch._ops.OpOverload, torch._ops.OpOverloadPacket))
        self._classify(node, func, args, kwargs)
        sets = node.name == "set" and isinstance(args[0], torch.Tensor)  # as in ``tensor.data = other``
        if sets:
            self._touch(node, args[0], writes=True)
        try:
            result = func(*args, **kwargs)
            made = [args[0]] if sets else list(tensors_in(result))
            self._finish(node, made)
            escapes = node.name in _ADDRESSES or not (made or _is_metadata(result))
            if escapes and not node.touched:
                for tensor in tensors_in((args, kwargs)):
                    self._touch(node, tensor, writes=False)
        finally:
            self._current = None
        return result

    def _classify(self, node: Node, func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        kind = kind_of(func, args, kwargs)
        if kind == "conv":
            node.conv = read_conv2d(args, kwargs)
            node.depth = 1
        elif kind == "linear":
            node.linear = read_linear(args, kwargs)
        elif kind == "norm":
            node.batch_statistics = uses_batch_statistics(args, kwargs)
        elif kind == "relu":
            node.ceiling = relu_ceiling(func, args, kwargs)
        elif repeats_nearest(func, args, kwargs):
            node.name = "nearest_interpolate"
        if kind is not None:
            setattr(node, f"{kind}_call", self._calls[kind])
            self._calls[kind] += 1
            self.order.append(kind)

    def operator(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run an operator and record which memory it reads and writes."""
        outer = self._current
        node = self._current = outer or self._begin(function_name(func))
        node.hidden = node.hidden or outer is None
        node.quantised = node.quantised or func.namespace == "quantized"
        try:
            changed = _written(func, args, kwargs)
            for tensor in changed:
                self._keep(tensor)
            written = {id(tensor) for tensor in changed}
            result = func(*args, **kwargs)
            made = list(tensors_in(result))
            arguments = list(tensors_in((args, kwargs)))
            sources = {self.place(tensor).storage for tensor in arguments}
            views = not written and any(self.place(tensor).storage in sources for tensor in made)
            if views:
                node.viewed |= sources
            elif not _reads_shapes_only(func):
                for tensor in arguments:
                    self._touch(node, tensor, id(tensor) in written)
            node.macs += operator_macs(func, args, result)
            if torch.Tag.nondeterministic_seeded in func.tags and node not in self.random:
                self.random.append(node)
            self._finish(node, made)
        finally:
            self._current = outer
        return result

    def _keep(self, tensor: torch.Tensor) -> None:
        """Copy a weight that is going to be changed, so that it can be restored."""
        storage = self.place(tensor).storage
        name = self._weights.get(storage)
        if name is not None and name not in self.changed_weights:
            self.changed_weights.append(name)
            self._before.append((self._storages[storage], self._storages[storage].clone()))

    def _finish(self, node: Node, made: Sequence[torch.Tensor]) -> None:
        node.results = tuple(self.place(tensor) for tensor in made)
        if made:
            node.shape, node.dtype = node.results[0].sizes, made[0].dtype
        node.fixed = bool(node.touched) and node.touched | node.viewed <= self._fixed
        if node.fixed:
            self._fixed |= {place.storage for place in node.results}
        for storage in {place.storage for place in node.results} | node.written:
            self._depths[storage] = max(self._depths.get(storage, 0), node.depth)


class _Functions(TorchFunctionMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(
        self, func: Function, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._recorder.function(func, args, kwargs or {})


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Leave torch's compiler alone: nothing is compiled here, and to be told to skip this it must be loaded."""
        return False

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._recorder.operator(func, args, kwargs or {})


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """Return the tensors that an operator changes, as its schema says."""
    written: list[torch.Tensor] = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += tensors_in(args[place] if place < len(args) else kwargs.get(argument.name))
    return written


def _reads_shapes_only(func: Any) -> bool:
    """Return whether an operator makes a tensor like another without reading it (``zeros_like``, ``new_ones``)."""
    name = function_name(func)
    return name.endswith("_like") or name.startswith("new_")


def _is_metadata(result: object) -> bool:
    if isinstance(result, tuple):
        return all(_is_metadata(item) for item in result)
    return isinstance(result, _METADATA)
