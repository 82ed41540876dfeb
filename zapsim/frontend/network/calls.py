"""Calls of the torch functions that matter to prediction, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

Function = Callable[..., Any]

CONV2D: Function = functional.conv2d
BATCH_NORM: Function = functional.batch_norm

SUMS: frozenset[Function] = frozenset({torch.add, torch.Tensor.add, torch.Tensor.add_})
"""What ``a + b``, ``a += b`` and ``torch.add`` call."""

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
_HARDTANHS: frozenset[Function] = frozenset({functional.hardtanh, functional.hardtanh_})
_CLAMPS: frozenset[Function] = frozenset(
    {
        torch.clamp,
        torch.clamp_,
        torch.clamp_min,
        torch.clamp_min_,
        torch.Tensor.clamp,
        torch.Tensor.clamp_,
        torch.Tensor.clamp_min,
        torch.Tensor.clamp_min_,
    }
)

TRANSPARENT: frozenset[Function] = frozenset(
    {BATCH_NORM, functional.dropout, functional.dropout2d, torch.Tensor.contiguous}
)
"""Functions that may stand between a convolution and its ReLU: they move no output to another place."""


@dataclass(frozen=True, slots=True)
class Conv2dCall:
    """The arguments of one call of ``torch.nn.functional.conv2d``."""

    ifmap: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int


def read_conv2d(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Conv2dCall:
    """Return the arguments of a conv2d call by name, however they were passed."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    weight: torch.Tensor = named["weight"]
    dilation = _pair(named.get("dilation", 1))
    padding = _padding(named.get("padding", 0), weight.shape[2:], dilation)
    stride = _pair(named.get("stride", 1))
    groups = int(named.get("groups", 1))
    return Conv2dCall(named["input"], weight, named.get("bias"), stride, padding, dilation, groups)


def fold_batch_norm(call: Conv2dCall, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Conv2dCall:
    """Return the convolution that alone gives what `call` and a ``batch_norm`` (in eval mode) give, in float64."""
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    mean, variance = (named[name].detach().double() for name in names[1:3])
    factor = (variance + float(named.get("eps", 1e-5))).rsqrt()
    if named.get("weight") is not None:
        factor = factor * named["weight"].detach().double()
    start = -mean if call.bias is None else call.bias.detach().double() - mean
    bias = start * factor
    if named.get("bias") is not None:
        bias = bias + named["bias"].detach().double()
    return replace(call, weight=call.weight.detach().double() * factor.reshape(-1, 1, 1, 1), bias=bias)


def is_relu(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call is a ReLU or ReLU6 (a hardtanh or clamp from 0 upwards is one)."""
    if function in _HARDTANHS:
        return _is_zero(kwargs.get("min_val", args[1] if len(args) > 1 else -1.0))
    if function in _CLAMPS:
        return _is_zero(kwargs.get("min", args[1] if len(args) > 1 else None))
    return function in _RELUS


def _is_zero(low: object) -> bool:
    return isinstance(low, (int, float)) and low == 0


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
