"""What operators do to the axes of their tensors: one rule for each kind, by the operator's name.

A rule ties the axes of the arguments that must have one order, and returns those of the results. It returns None for a
form of the operator that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch

from zapsim.frontend.network.bands import cut, fix, fixed_axis, free_axis, length, unify
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.operator_call import Axes, OperatorCall, Rule, Watch, fixed_axes
from zapsim.frontend.network.views import (
    concatenation,
    expanding,
    moving,
    padding,
    reshaping,
    selecting,
    slicing,
    splitting,
)

POOLED = "an operator moves it like rows and columns"
GROUPED = "a grouped convolution ties it to a weight that is used otherwise, too"


def elementwise(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Give all arguments one order, along every dimension in which they are not repeated."""
    tensors = list(tensors_in((call.args, call.kwargs)))
    results = list(tensors_in(call.result))
    axes: Axes = [fixed_axis(1)] * max(tensor.ndim for tensor in tensors)
    for tensor in tensors:
        for place, axis in enumerate(reversed(watch.axes(tensor)), start=1):
            if length(axes[-place]) == 1:
                axes[-place] = axis
            elif length(axis) > 1:
                unify(axes[-place], axis)
    return [axes] * len(results)


def constant(_watch: Watch, call: OperatorCall) -> list[Axes]:
    """Make values that are all alike, so that any order is theirs."""
    return [[free_axis(size) for size in call.result.shape]]


def convolution(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Tie input channels and filters to the weights; those of a group stay in their group."""
    inputs, groups = watch.axes(call["input"]), int(call["groups"])
    channels = length(inputs[1])
    parted = not call["transposed"] and 1 < groups < channels
    weight = watch.grouped_axes(call["weight"], groups, inputs[1]) if parted else watch.axes(call["weight"])
    into, out = (0, 1) if call["transposed"] else (1, 0)
    per_group = length(weight[out]) if call["transposed"] else length(weight[out]) // groups
    filters = weight[out]
    if groups == 1:
        unify(inputs[1], weight[into])
    elif groups == channels:
        filters = tuple((band, inner * per_group) for band, inner in inputs[1])
        unify(weight[0], inputs[1] if call["transposed"] else filters)
        fix(weight[1], GROUPED)
    elif parted:
        cut(inputs[1], range(0, channels, channels // groups))
        cut(filters, range(0, groups * per_group, per_group))
    else:
        fix(inputs[1], GROUPED)
        fix(weight[0], GROUPED)
        fix(weight[1], GROUPED)
        filters = fixed_axis(groups * per_group, GROUPED)
    for axis in (inputs[0], *inputs[2:], *weight[2:]):
        fix(axis, POOLED)
    if call["bias"] is not None:
        unify(watch.axes(call["bias"])[0], filters)
    return [[inputs[0], filters, *fixed_axes(call.result.shape[2:])]]


def batch_norm(watch: Watch, call: OperatorCall) -> list[Axes] | None:
    """Tie weights and statistics to the channels."""
    if not call.func._schema.name.endswith("no_training") and call["training"]:
        return None
    inputs, *rest = tensors_in((call.args, call.kwargs))
    axes = watch.axes(inputs)
    for tensor in rest:
        unify(watch.axes(tensor)[0], axes[1])
    return [axes, *(fixed_axes(result.shape) for result in list(tensors_in(call.result))[1:])]


def layer_norm(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Tie the weights to what is normalised; mean and deviation are the same in any order."""
    axes = watch.axes(call["input"])
    for tensor in (call["weight"], call["bias"]):
        if tensor is not None:
            for axis, other in zip(watch.axes(tensor), axes[-tensor.ndim :], strict=True):
                unify(axis, other)
    return [axes, *(fixed_axes(result.shape) for result in call.result[1:])]


def group_norm(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Keep every channel in its group."""
    axes, channels = watch.axes(call["input"]), int(call["C"])
    cut(axes[1], range(0, channels, channels // int(call["group"])))
    for tensor in (call["weight"], call["bias"]):
        if tensor is not None:
            unify(watch.axes(tensor)[0], axes[1])
    return [axes, *(fixed_axes(result.shape) for result in call.result[1:])]


def pooling(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Pool or resize rows and columns; images and channels stay."""
    tensor = call.args[0]
    maps = int(call.func._schema.name.partition("d_with")[0].rstrip("d")[-1])
    axes = watch.axes(tensor)
    for axis in axes[-maps:]:
        fix(axis, POOLED)
    return [[*axes[:-maps], *fixed_axes(result.shape[-maps:])] for result in tensors_in(call.result)]


def reduction(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Reduce some dimensions by what is the same in any order."""
    tensor = call.args[0]
    dims = call["dim"] if any(argument.name == "dim" for argument in call.func._schema.arguments) else None
    dims = [dims] if isinstance(dims, int) else dims
    reduced = {dim % tensor.ndim for dim in dims} if dims else set(range(tensor.ndim))
    axes = watch.axes(tensor)
    results = list(tensors_in(call.result))
    if len(results[0].shape) == tensor.ndim:
        kept = [fixed_axis(1) if place in reduced else axis for place, axis in enumerate(axes)]
    else:
        kept = [axis for place, axis in enumerate(axes) if place not in reduced]
    return [kept] * len(results)


def product(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Multiply matrices: what is summed over has one order."""
    *added, left, right = (watch.axes(tensor) for tensor in tensors_in((call.args, call.kwargs)))
    unify(left[-1], right[-2])
    for axis, other in zip(left[:-2], right[:-2], strict=True):
        unify(axis, other)
    axes = [*left[:-1], right[-1]]
    for term in added:
        for place, axis in enumerate(reversed(term), start=1):
            if length(axis) > 1:
                unify(axis, axes[-place])
    return [axes]


def stacking(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Stack tensors of one order."""
    axes = elementwise(watch, call)[0]
    dim = call.dimension(call.result)
    return [[*axes[:dim], fixed_axis(call.result.shape[dim]), *axes[dim:]]]


def unknown(watch: Watch, tensors: Sequence[torch.Tensor], reason: str) -> None:
    """Fix the order of everything that an operator sees which has no rule."""
    for tensor in tensors:
        for axis in watch.axes(tensor):
            fix(axis, reason)


_NAMES: Final[dict[Rule, str]] = {
    elementwise: """abs acos add addcdiv addcmul alias asin atan bitwise_and bitwise_not bitwise_or ceil celu clamp
    clamp_max clamp_min clone copy cos cosh detach div elu eq erf exp exp2 expm1 fill floor fmod ge
    gelu gt hardshrink hardsigmoid hardswish hardtanh le leaky_relu lerp lift_fresh log log10 log1p
    log2 log_sigmoid log_softmax logical_and logical_not logical_or logical_xor lt masked_fill
    maximum minimum mish mul ne neg pow prelu_kernel reciprocal relu relu6 remainder round rsqrt
    rsub selu sgn sigmoid sign silu sin sinh softmax softplus softshrink sqrt square sub tan tanh
    threshold to_copy trunc where xlogy zero""",
    constant: """empty empty_like full full_like new_empty new_full new_ones new_zeros ones ones_like zeros
    zeros_like""",
    convolution: "convolution",
    batch_norm: "cudnn_batch_norm native_batch_norm native_batch_norm_legit_no_training",
    layer_norm: "native_layer_norm",
    group_norm: "native_group_norm",
    pooling: """adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d
    avg_pool3d max_pool2d_with_indices max_pool3d_with_indices reflection_pad1d reflection_pad2d replication_pad1d
    replication_pad2d upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d""",
    reduction: "all amax amin any linalg_vector_norm logsumexp mean prod std sum var var_mean",
    product: "addmm baddbmm bmm mm",
    concatenation: "cat",
    stacking: "stack",
    padding: "constant_pad_nd",
    slicing: "slice",
    splitting: "split split_with_sizes",
    selecting: "select unbind",
    moving: "permute t transpose",
    expanding: "expand",
    reshaping: "reshape squeeze unsafe_view unsqueeze view",
}

RULES: Final[Mapping[str, Rule]] = {name: rule for rule, names in _NAMES.items() for name in names.split()}
"""Rules by the name of the operator (without underscores around it)."""

CHANGING: Final = frozenset(_NAMES[elementwise].split())
"""Operators whose rule holds also where they change their arguments."""
