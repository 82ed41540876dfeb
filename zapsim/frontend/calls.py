"""Which torch functions matter to prediction, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

Function = Callable[..., Any]

CONV2D: Function = functional.conv2d

_RELUS: frozenset[Function] = frozenset(
    {
        functional.relu,
        functional.relu6,
        torch.relu,
        torch.relu_,
        torch.Tensor.relu,
        torch.Tensor.relu_,
    }
)
_CLAMPS: frozenset[Function] = frozenset({functional.hardtanh, functional.hardtanh_})

TRANSPARENT: frozenset[Function] = frozenset({functional.batch_norm, functional.dropout, torch.Tensor.contiguous})
"""Functions that may stand between a convolution and its ReLU: they move no output to another place."""


@dataclass(frozen=True, slots=True)
class Conv2dCall:
    """The arguments of one call of ``torch.nn.functional.conv2d``."""

    ifmap: torch.Tensor
    weight: torch.Tensor
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int


def read_conv2d(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Conv2dCall:
    """Return the arguments of a conv2d call by name, whichever way they were passed."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    weight: torch.Tensor = given["weight"]
    dilation = _pair(given.get("dilation", 1))
    padding = _padding(given.get("padding", 0), weight.shape[2:], dilation)
    stride = _pair(given.get("stride", 1))
    return Conv2dCall(given["input"], weight, stride, padding, dilation, int(given.get("groups", 1)))


def is_relu(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call is a ReLU or ReLU6 (a hardtanh from 0 upwards is one)."""
    if function in _CLAMPS:
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
        return float(low) == 0.0
    return function in _RELUS


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """Yield the tensors of a nest of tuples, lists and mappings, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    sizes = [int(size) for size in value]
    return (sizes[0], sizes[-1])


def _padding(
    padding: str | int | Sequence[int], kernel: Sequence[int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right); torch puts the odd row and column of ``same`` at the end."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        rows, cols = (step * (size - 1) for step, size in zip(dilation, kernel, strict=True))
        return rows // 2, rows - rows // 2, cols // 2, cols - cols // 2
    assert not isinstance(padding, str)
    top, left = _pair(padding)
    return top, top, left, left
