"""What a model holds between forward passes, so that it comes back bit for bit: weights, buffers, flags, attributes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


class State:
    """A snapshot of a model.

    Buffers are copied. Of parameters only the memory is noted, not the values, which would take as much again: a
    forward pass that changes its weights is refused when the network's graph is made. Attributes of modules are kept as
    they are; lists, dictionaries, sets and queues among them with what they hold.
    """

    def __init__(self, model: nn.Module) -> None:
        self._attributes = [(module, dict(vars(module))) for module in model.modules()]
        self._containers = [
            (value, value.copy())
            for _, attributes in self._attributes
            for value in attributes.values()
            if isinstance(value, (list, dict, set, deque))
        ]
        self._memory = [(tensor, tensor.detach()) for tensor in (*model.parameters(), *model.buffers())]
        self._buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]

    def kept(self) -> Iterator[object]:
        """Yield the values of attributes that were not there at the snapshot."""
        for module, attributes in self._attributes:
            yield from (value for name, value in vars(module).items() if attributes.get(name) is not value)
        yield from (container for container, before in self._containers if not _same(container, before))

    def restore(self) -> None:
        """Put everything back that has changed."""
        for module, attributes in self._attributes:
            now = vars(module)
            for name in [name for name in now if name not in attributes]:
                del now[name]
            now.update({name: value for name, value in attributes.items() if now.get(name) is not value})
        for container, before in self._containers:
            if not _same(container, before):
                container.clear()
                (container.extend if isinstance(container, (list, deque)) else container.update)(before)
        for tensor, memory in self._memory:
            if tensor.data_ptr() != memory.data_ptr():
                tensor.data = memory
        with torch.no_grad():
            for buffer, values in self._buffers:
                if not (buffer.is_meta or torch.equal(buffer, values)):
                    buffer.copy_(values)


def _same(container: Any, before: Any) -> bool:
    """Return whether a container holds the same objects as before."""
    if len(container) != len(before):
        return False
    if isinstance(container, dict):
        return all(name in container and container[name] is value for name, value in before.items())
    if isinstance(container, set):
        return bool(container == before)
    return all(now is then for now, then in zip(container, before, strict=True))
