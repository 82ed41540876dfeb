"""What a network must be like: a function of the picture alone, in single precision, that returns tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from zapsim.errors import FrontendError
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.recorder import Recorder

_LEAVES = (torch.Tensor, bool, int, float, str, type(None))


def check_model(model: nn.Module) -> None:
    """Refuse weights that are not there yet, or not in single precision.

    Raises
    ------
    FrontendError
        Naming the first such weight.
    """
    for name, value in chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(value):
            raise FrontendError(
                f"weight '{name}' has no shape yet, as its module is lazy: run the network once on a picture before"
            )
        if value.is_floating_point() and value.dtype != torch.float32:
            kind = str(value.dtype).removeprefix("torch.")
            raise FrontendError(f"weight '{name}' is {kind}, expected float32: call .float() on the network")


def check_outputs(outputs: object, images: int) -> None:
    """Refuse outputs of which it is not known what to compare.

    Raises
    ------
    FrontendError
        If they hold other objects than tensors, or a tensor whose first dimension is not the images'.
    """
    for leaf in _leaves(outputs):
        if not isinstance(leaf, _LEAVES):
            raise FrontendError(
                f"the network returns a {type(leaf).__name__}, expected a tensor, or a tuple, list or dictionary of "
                "tensors: wrap it in a module that returns them"
            )
    tensors = list(tensors_in(outputs))
    if not tensors:
        raise FrontendError("the network returns no tensor: wrap it in a module that returns its outputs")
    for number, tensor in enumerate(tensors, start=1):
        if tensor.is_complex():
            raise FrontendError(f"output {number} of the network is complex, expected real numbers")
        if not tensor.ndim or len(tensor) != images:
            raise FrontendError(
                f"output {number} of the network has shape {tuple(tensor.shape)} for {images} image, expected "
                f"({images}, ...): wrap it in a module that returns outputs of one size per image"
            )


def output_differences(
    expected: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pair what a network should return with how far off it is.

    Raises
    ------
    FrontendError
        If there are other outputs, or outputs of other shapes.
    """
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (expected, outputs)]
    if shapes[0] != shapes[1]:
        before, after = (", ".join(map(str, sizes)) for sizes in shapes)
        raise FrontendError(
            f"the network's outputs are {before} without skipping and {after} with it, so that there is no error "
            "between them: wrap it in a module that returns outputs of fixed sizes"
        )
    return [
        (reference, output - reference if reference.is_floating_point() else output.double() - reference.double())
        for reference, output in zip(expected, outputs, strict=True)
    ]


def _leaves(outputs: object) -> list[object]:
    if isinstance(outputs, Mapping):
        return [leaf for item in outputs.values() for leaf in _leaves(item)]
    if isinstance(outputs, (tuple, list)):
        return [leaf for item in outputs for leaf in _leaves(item)]
    return [outputs]


def check_pass(recorder: Recorder) -> None:
    """Refuse a forward pass that changed weights, convolved in another precision, or normalised by batch statistics.

    Raises
    ------
    FrontendError
        Naming the weight or the module.
    """
    if recorder.changed_weights:
        raise FrontendError(
            f"the forward pass changes weight '{recorder.changed_weights[0]}': "
            "a network must not learn while it is watched"
        )
    for node in recorder.nodes:
        if node.conv is not None and node.dtype != torch.float32:
            kind = str(node.dtype).removeprefix("torch.")
            raise FrontendError(
                f"a convolution {_in(node.module)} computes in {kind}, expected float32: leave out autocast and casts"
            )
        if node.batch_statistics:
            raise FrontendError(
                f"batch normalisation {_in(node.module)} uses the batch's own statistics though the network is in eval "
                "mode, so that a picture's outputs depend on its neighbours: let it use running statistics"
            )


def _in(module: str) -> str:
    return f"in module '{module}'" if module else "in the network's own forward"
