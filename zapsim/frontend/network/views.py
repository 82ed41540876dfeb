"""Rules of the operators that only move values: they join, part, permute and repeat dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from zapsim.frontend.network.bands import RESHAPED, fix, fixed_axis, free_axis, is_fixed, length, part, pieces, unify
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.operator_call import Axes, OperatorCall, Watch, fixed_axes


def concatenation(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Join axes."""
    tensors = [tensor for tensor in tensors_in(call.args) if tensor.shape != (0,)]
    dim, axes = call.dimension(tensors[0]), [watch.axes(tensor) for tensor in tensors]
    for others in axes[1:]:
        for place, (axis, other) in enumerate(zip(axes[0], others, strict=True)):
            if place != dim:
                unify(axis, other)
    joined = tuple(piece for each in axes for piece in each[dim])
    return [[*axes[0][:dim], joined, *axes[0][dim + 1 :]]]


def padding(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Pad with a constant: channels that are all alike have any order."""
    axes = list(watch.axes(call["self"]))
    pad = call["pad"]
    for place in range(len(pad) // 2):
        before, after = pad[2 * place : 2 * place + 2]
        axis = axes[-1 - place]
        if is_fixed(axis):
            axes[-1 - place] = fixed_axis(call.result.shape[-1 - place])
            continue
        if before < 0 or after < 0:
            axis = part(axis, max(-before, 0), length(axis) - max(-after, 0))
        front, back = (free_axis(size) if size > 0 else () for size in (before, after))
        axes[-1 - place] = front + axis + back
    return [axes]


def slicing(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Take a part of an axis."""
    tensor = call["self"]
    dim, axes = call.dimension(tensor), list(watch.axes(tensor))
    size, step = tensor.shape[dim], call["step"]
    start, end, _ = slice(call["start"], call["end"]).indices(size)
    if step != 1:
        fix(axes[dim], RESHAPED)
        axes[dim] = fixed_axis(call.result.shape[dim], RESHAPED)
    elif (start, end) != (0, size):
        axes[dim] = part(axes[dim], start, end)
    return [axes]


def splitting(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Take an axis apart, into pieces one after another."""
    tensor = call["self"]
    dim, axes = call.dimension(tensor), watch.axes(tensor)
    results, start = [], 0
    for result in call.result:
        piece = part(axes[dim], start, start + result.shape[dim])
        results.append([*axes[:dim], piece, *axes[dim + 1 :]])
        start += result.shape[dim]
    return results


def selecting(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Take single indices of an axis, which must stay in their places."""
    tensor = call["self"]
    dim, axes = call.dimension(tensor), watch.axes(tensor)
    results = list(tensors_in(call.result))
    indices = range(tensor.shape[dim]) if len(results) > 1 else [call["index"] % tensor.shape[dim]]
    for index in indices:
        part(axes[dim], index, index + 1)
    return [[*axes[:dim], *axes[dim + 1 :]]] * len(results)


def moving(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Put dimensions in another order."""
    axes = watch.axes(call["self"])
    name = call.func._schema.name
    if name == "aten::permute":
        return [[axes[dim] for dim in call["dims"]]]
    dims = (0, 1) if name == "aten::t" else (call["dim0"], call["dim1"])
    moved = list(axes)
    if len(axes) > 1:
        moved[dims[0]], moved[dims[1]] = axes[dims[1]], axes[dims[0]]
    return [moved]


def expanding(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Repeat what has one value along a dimension: in any order."""
    shape, axes = call.result.shape, watch.axes(call["self"])
    expanded = [free_axis(size) for size in shape]
    for place, axis in enumerate(reversed(axes), start=1):
        if length(axis) == shape[-place]:
            expanded[-place] = axis
    return [expanded]


def reshaping(watch: Watch, call: OperatorCall) -> list[Axes]:
    """Join dimensions, or take them apart again."""
    old = [axis for axis in watch.axes(call["self"]) if length(axis) != 1]
    shape = list(call.result.shape)
    if prod(shape) == 0:
        return [fixed_axes(shape)]
    new: Axes = []
    while old:
        block, sizes = [old.pop(0)], [_next(shape, new)]
        while prod(map(length, block)) != prod(sizes):
            if prod(map(length, block)) < prod(sizes):
                block.append(old.pop(0))
            else:
                sizes.append(_next(shape, new, len(sizes)))
        new += _reshaped(block, sizes)
    return [[*new, *fixed_axes(shape[len(new) :])]]


def _next(shape: Sequence[int], done: Axes, ahead: int = 0) -> int:
    """Return the next size that is not 1; sizes of 1 before it are done at once if no block is open."""
    if not ahead:
        while shape[len(done)] == 1:
            done.append(fixed_axis(1))
    return shape[len(done) + ahead]


def _reshaped(block: Axes, sizes: Sequence[int]) -> Axes:
    """Return axes of `sizes`, as many values in all as the axes of `block`."""
    first, inner = block[0], prod(map(length, block[1:]))
    if len(block) == len(sizes) == 1:
        return block
    if len(sizes) == 1 and all(map(is_fixed, block[1:])):
        return [tuple((band, times * inner) for band, times in first)]
    inner = prod(sizes[1:])
    if len(block) == 1 and all(times % inner == 0 for _, times in pieces(first)):
        return [tuple((band, times // inner) for band, times in pieces(first)), *fixed_axes(sizes[1:])]
    for axis in block:
        fix(axis, RESHAPED)
    return fixed_axes(sizes)
