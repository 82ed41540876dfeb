"""Whether a network's outputs follow from the picture alone: not from chance, its past, or the pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zapsim.errors import FrontendError
from zapsim.frontend.network.calls import NAMES, CallKind, Function, kind_of, tensors_in
from zapsim.frontend.network.recorder import Recorder

DEPENDS = "its forward pass depends on the data or on the input's size"

_DIFFERENT = 1e-3
"""Relative difference of two passes over one picture from which on a network on a GPU is random; and of a picture's
outputs alone and beside another, from which on they depend on that one."""


def in_order(order: Sequence[CallKind], place: int, kind: CallKind) -> None:
    """Refuse a call of another kind than the one that the network made before at this place of its pass.

    Raises
    ------
    FrontendError
        Naming both.
    """
    before = order[place] if place < len(order) else kind
    if before != kind:
        raise FrontendError(f"the network ran a {NAMES[kind]} where it ran a {NAMES[before]} before: {DEPENDS}")


def ran_all(order: Sequence[CallKind], place: int) -> None:
    """Refuse a pass that ended after `place` of the calls that the network made before.

    Raises
    ------
    FrontendError
        With the convolutions that are missing, if there are.
    """
    if place >= len(order):
        return
    ran, before = (list(calls).count("conv") for calls in (order[:place], order))
    what = f"{ran} convolutions instead of {before}" if ran < before else "fewer layers than before"
    raise FrontendError(f"the network ran {what}: {DEPENDS}")


class _InOrder(TorchFunctionMode):
    """Context manager for a pass that must make the calls of `order`."""

    def __init__(self, order: Sequence[CallKind]) -> None:
        super().__init__()
        self.order = order
        self.place = 0
        self.convolutions = 0

    def __torch_function__(
        self, func: Function, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kind = kind_of(func, args, kwargs or {})
        self.convolutions += kind == "conv"
        if kind is not None and kind in self.order:
            in_order(self.order, self.place, kind)
            self.place += 1
        return func(*args, **(kwargs or {}))


def check_repeatable(
    model: nn.Module, example: Sequence[torch.Tensor], order: Sequence[CallKind], recorder: Recorder
) -> list[torch.Tensor]:
    """Return a network's outputs for a picture of noise; refuse one whose outputs do not follow from the picture alone.

    It runs twice on the picture, after the pass over another: what is random, counted or remembered shows, and
    a pass that does not make the calls of `order`.

    Raises
    ------
    FrontendError
        If the passes differ, with what is random in them, or if the pass depends on the data.
    """
    noise = _noise(example, 0)
    with _InOrder(order) as watch:
        first = list(tensors_in(model(*noise)))
    ran_all(order, watch.place)
    if watch.convolutions > list(order).count("conv"):
        raise FrontendError(f"the network ran more convolutions than before: {DEPENDS}")
    second = list(tensors_in(model(*noise)))
    if len(first) == len(second) and all(map(_equal, first, second)):
        return first
    if recorder.random:
        what = ", ".join(dict.fromkeys(f"{node.name} {_in(node.module)}" for node in recorder.random[:3]))
        why = f"random: {what}; random functions must be off in eval mode (dropout: training=self.training)"
    else:
        why = "it counts, remembers or draws something; outputs must follow from the picture alone"
    raise FrontendError(f"two passes of the network over one picture differ ({why})")


def takes_several(model: nn.Module, example: Sequence[torch.Tensor], alone: Sequence[torch.Tensor]) -> bool:
    """Return whether a network takes several pictures at once, and makes of each what it makes of it alone.

    `alone` is what :func:`check_repeatable` returned.
    """
    # The second one is louder, so that a mean or a maximum of both is another than of the first.
    pairs = zip(_noise(example, 0), _noise(example, 1), strict=True)
    both = [torch.cat((quiet, 4 * loud)) for quiet, loud in pairs]
    try:
        together = list(tensors_in(model(*both)))
    except Exception:  # a network's own code raises what it likes
        return False
    images = len(example[0])
    return len(alone) == len(together) and not any(
        _differs(single, output[:images]) for single, output in zip(alone, together, strict=True)
    )


def _noise(example: Sequence[torch.Tensor], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(each.shape, generator=generator).to(each) for each in example]


def _differs(single: torch.Tensor, output: torch.Tensor) -> bool:
    if single.shape != output.shape:
        return True
    if single.is_meta or not single.is_floating_point():
        return False
    norm, difference = (float(each.double().norm()) for each in (single, output - single))
    return difference > _DIFFERENT * norm  # false for NaN


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    if first.shape != second.shape:
        return False
    if first.is_meta:  # a network of shapes alone has no values to compare
        return True
    same = (first == second) | (first.isnan() & second.isnan())
    if bool(same.all()) or not first.is_cuda:
        return bool(same.all())
    scale = float(first.double().abs().max())
    return float((first.double() - second.double()).abs().max()) <= _DIFFERENT * scale


def _in(module: str) -> str:
    return f"in module '{module}'" if module else "in the network's own forward"
