"""What the rules of operators work on: a call of an operator, and the axes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch

from zapsim.frontend.network.bands import Axis, fixed_axis

Axes: TypeAlias = list[Axis]
"""One axis per dimension of a tensor."""


class Watch(Protocol):
    """What rules ask of the forward pass that is watched."""

    def axes(self, tensor: torch.Tensor) -> Axes:
        """Return a tensor's axes."""

    def grouped_axes(self, weight: torch.Tensor, groups: int, inputs: Axis) -> Axes:
        """Return the axes of a weight, the second of which follows, in each group's filters, the group's `inputs`."""


@dataclass(frozen=True, slots=True, eq=False)
class OperatorCall:
    """A call of an operator, and its result."""

    func: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    result: Any

    def __getitem__(self, name: str) -> Any:
        """Return an argument by its name in the schema (its default if it was not given)."""
        for place, argument in enumerate(self.func._schema.arguments):
            if argument.name == name:
                if place < len(self.args):
                    return self.args[place]
                return self.kwargs.get(name, argument.default_value)
        raise KeyError(name)

    def dimension(self, tensor: torch.Tensor) -> int:
        """Return the argument ``dim``, counted from the front."""
        dim: int = self["dim"]
        return dim % tensor.ndim


Rule = Callable[[Watch, OperatorCall], list[Axes] | None]


def fixed_axes(sizes: Sequence[int]) -> Axes:
    """Return axes whose orders must stay."""
    return [fixed_axis(size) for size in sizes]
