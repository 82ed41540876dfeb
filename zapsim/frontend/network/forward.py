"""Forward passes over images: of a frozen model, on its device, with finite activations, behind a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from zapsim.errors import FrontendError


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Run `model` in eval mode and without gradients; every training flag comes back, whatever is raised."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter (cpu if it has none)."""
    return next((value.device for value in model.parameters()), torch.device("cpu"))


def check_finite(layer: str, ofmap: torch.Tensor) -> None:
    """Refuse activations that are not finite, and name the layer.

    Raises
    ------
    FrontendError
        If a value is NaN or infinite.
    """
    # A sum is one pass, and finite unless a value is not (or the sum overflows: then each value is looked at).
    if not bool(torch.isfinite(ofmap.sum())) and not bool(torch.isfinite(ofmap).all()):
        raise FrontendError(f"layer {layer}: its activations are not finite (NaN or infinity)")


def use_threads(count: int | None) -> None:
    """Set the number of torch's CPU threads (None: keep torch's choice).

    Raises
    ------
    FrontendError
        If `count` is below one.
    """
    if count is None:
        return
    if count < 1:
        raise FrontendError(f"at least one thread is needed, got {count}")
    torch.set_num_threads(count)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class CountColumn(TextColumn):
    """Shows how many steps of how many are done."""

    def __init__(self) -> None:
        super().__init__("{task.completed:.0f}/{task.total:.0f}")


def progress_bar(*columns: ProgressColumn, wanted: bool = True) -> Progress:
    """Return a progress bar with `columns` before its times; it shows only if `wanted`, and only on a terminal."""
    console = Console(stderr=True)
    left, right = (TextColumn("{task.description}"), BarColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*left, *columns, *right, console=console, disable=not (wanted and console.is_terminal))
