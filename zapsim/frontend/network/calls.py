"""Calls of the torch functions that matter to prediction, and how their arguments are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch.nn import functional

Function = Callable[..., Any]

CallKind = Literal["conv", "linear", "norm", "sum", "relu"]
"""Kinds of calls that are counted: calls are known by their kind and their number among those of that kind."""

NAMES: Mapping[CallKind, str] = {
    "conv": "convolution",
    "linear": "fully connected layer",
    "norm": "batch normalisation",
    "sum": "sum",
    "relu": "ReLU",
}

CONV2D: Function = functional.conv2d
LINEAR: Function = functional.linear
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
_CLAMPS = frozenset({"clamp", "clamp_min", "clip", "hardtanh"})
_THRESHOLDS = frozenset({"threshold"})
_SLOPES = frozenset({"leaky_relu"})

ACTIVATIONS = {
    "celu": "CELU",
    "clamp": "a clamp that does not begin at 0",
    "clamp_max": "a clamp that does not begin at 0",
    "clamp_min": "a clamp that does not begin at 0",
    "clip": "a clamp that does not begin at 0",
    "elu": "ELU",
    "gelu": "GELU",
    "glu": "GLU",
    "hardshrink": "hardshrink",
    "hardsigmoid": "hardsigmoid",
    "hardswish": "hardswish",
    "hardtanh": "a hardtanh that does not begin at 0",
    "leaky_relu": "LeakyReLU",
    "log_softmax": "softmax",
    "logsigmoid": "log-sigmoid",
    "mish": "Mish",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "selu": "SELU",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
    "softmax": "softmax",
    "softplus": "softplus",
    "softshrink": "softshrink",
    "softsign": "softsign",
    "tanh": "tanh",
    "tanhshrink": "tanhshrink",
    "threshold": "a threshold other than 0",
    "where": "a choice by 'where'",
}
"""Activations that are no ReLU, as reasons name them."""

OBSTACLES = {
    "adaptive_avg_pool2d": "average pooling",
    "add": "a sum",
    "avg_pool2d": "average pooling",
    "batch_norm": "batch normalisation by other statistics or of another shape",
    "div": "a quotient",
    "group_norm": "GroupNorm",
    "instance_norm": "InstanceNorm",
    "interpolate": "interpolation",
    "layer_norm": "LayerNorm",
    "local_response_norm": "local response normalisation",
    "lp_pool2d": "power-average pooling",
    "mean": "a mean",
    "mul": "a product",
    "neg": "a change of sign",
    "normalize": "normalisation",
    "rms_norm": "RMSNorm",
    "sub": "a difference",
    "sum": "a sum",
}
"""Functions that let nobody leave out an output before the ReLU behind them, as reasons name them."""

MOVES = frozenset(
    """adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d alpha_dropout amax bfloat16 cat channel_shuffle
    chunk clone concat concatenate contiguous cpu cuda detach double dropout dropout1d dropout2d dropout3d expand
    feature_alpha_dropout flatten flip float gather getitem half hsplit hstack index index_select max_pool1d
    max_pool2d max_pool3d movedim narrow nearest_interpolate native_channel_shuffle pad permute pixel_shuffle
    pixel_unshuffle repeat repeat_interleave reshape roll rot90 select split squeeze stack swapaxes take tile to
    transpose type type_as unbind unflatten unfold unsqueeze view vsplit vstack zero_pad2d""".split()  # noqa: SIM905 (a list would take seventy lines)
)
"""Functions that only move or choose values, so that a ReLU before them is as good as one behind them."""

_POOLS: dict[Function, str] = {
    functional.max_pool1d: "max_pool1d",
    functional.max_pool2d: "max_pool2d",
    functional.max_pool3d: "max_pool3d",
    functional.adaptive_max_pool1d: "adaptive_max_pool1d",
    functional.adaptive_max_pool2d: "adaptive_max_pool2d",
    functional.adaptive_max_pool3d: "adaptive_max_pool3d",
}


def function_name(function: Function) -> str:
    """Return a torch function's name, the same for its functional, in-place, method and aten forms."""
    if function in _POOLS:
        return _POOLS[function]
    schema = getattr(function, "_schema", None)
    name = schema.name.rpartition("::")[2] if schema is not None else getattr(function, "__name__", str(function))
    return str(name).strip("_")


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


@dataclass(frozen=True, slots=True)
class LinearCall:
    """The arguments of one call of ``torch.nn.functional.linear``: input (images, ..., C), weight (K, C), bias (K,)."""

    input: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None

    def as_conv2d(self) -> Conv2dCall:
        """Return it as a 1×1 convolution; what lies between images and channels becomes the rows of a map."""
        ifmap = features_as_map(self.input)
        return Conv2dCall(ifmap, self.weight[:, :, None, None], self.bias, (1, 1), (0, 0, 0, 0), (1, 1), 1)


def read_linear(args: Sequence[Any], kwargs: Mapping[str, Any]) -> LinearCall:
    """Return the arguments of a linear call by name, however they were passed."""
    named = dict(zip(("input", "weight", "bias"), args, strict=False)) | dict(kwargs)
    return LinearCall(named["input"], named["weight"], named.get("bias"))


def features_as_map(features: torch.Tensor) -> torch.Tensor:
    """Return (images, ..., channels) as a map (images, channels, rows, 1)."""
    return features.movedim(-1, 1).reshape(len(features), features.shape[-1], -1, 1)


def map_as_features(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Copy a map (images, channels, rows, 1) as features of the shape of `like`."""
    features = values.reshape(len(like), like.shape[-1], *like.shape[1:-1]).movedim(1, -1)
    return features.clone(memory_format=torch.contiguous_format)


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
    """Return whether a call is a ReLU or ReLU6, under whatever name.

    A hardtanh, clamp or clip from 0 upwards is one, and so are ``threshold(x, 0, 0)``, a leaky ReLU of slope 0 and the
    maximum of a tensor and 0.
    """
    if function in _RELUS:
        return True
    name = function_name(function)
    if name in _CLAMPS:
        key = "min_val" if name == "hardtanh" else "min"
        return _is_zero(_argument(args, kwargs, 1, key, -1.0 if name == "hardtanh" else None))
    if name in _THRESHOLDS:
        return _is_zero(_argument(args, kwargs, 1, "threshold")) and _is_zero(_argument(args, kwargs, 2, "value"))
    if name == "maximum":
        return any(_is_zero(argument) for argument in (*args, *kwargs.values()))
    return name in _SLOPES and _is_zero(_argument(args, kwargs, 1, "negative_slope", 0.01))


def relu_ceiling(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """Return the highest value that a ReLU lets through (6 of ReLU6), or None."""
    name = function_name(function)
    if name == "relu6":
        return 6.0
    if name in ("hardtanh", "clamp", "clip"):
        key, default = ("max_val", 1.0) if name == "hardtanh" else ("max", None)
        ceiling = _argument(args, kwargs, 2, key, default)
        # A tensor may differ for the next picture. A ReLU without the ceiling is as good, since the call remains.
        return None if ceiling is None or isinstance(ceiling, torch.Tensor) else float(ceiling)
    return None


def kind_of(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> CallKind | None:
    """Return of which kind a call is that is counted, or None.

    Calls inside ``torch.vmap`` are of none: their tensors hide the dimension that is mapped over.
    """
    kind: CallKind
    if function is CONV2D:
        kind = "conv"
    elif function is LINEAR:
        kind = "linear"
    elif function is BATCH_NORM:
        kind = "norm"
    elif function in SUMS:
        kind = "sum"
    elif is_relu(function, args, kwargs):
        kind = "relu"
    else:
        return None
    mapped = any(torch._C._functorch.is_batchedtensor(tensor) for tensor in tensors_in((args, kwargs)))
    return None if mapped else kind


def repeats_nearest(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call is an interpolation that only repeats or drops values (nearest, the default)."""
    if function_name(function) != "interpolate":
        return False
    return _argument(args, kwargs, 3, "mode", "nearest") in ("nearest", "nearest-exact")


def uses_batch_statistics(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a ``batch_norm`` call normalises by the batch's own statistics instead of running ones."""
    return bool(_argument(args, kwargs, 5, "training", False)) or _argument(args, kwargs, 1, "running_mean") is None


def _argument(
    args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: object | None = None
) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _is_zero(value: object) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1 and not bool(value)
    return isinstance(value, (int, float)) and value == 0


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


def tensors_of(value: object, depth: int = 4) -> list[torch.Tensor]:
    """Return the tensors of any object: of nests, of the attributes of objects, and of these in turn."""
    if isinstance(value, torch.Tensor) or depth == 0:
        return [value] if isinstance(value, torch.Tensor) else []
    if isinstance(value, Mapping):
        items: list[object] = list(value.values())
    elif isinstance(value, (tuple, list, set, frozenset, deque)):
        items = list(value)
    else:
        items = list(getattr(value, "__dict__", {}).values())
    return [tensor for item in items for tensor in tensors_of(item, depth - 1)]


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
