"""Forward passes over images: of a frozen model, on its device, with finite activations, behind a progress bar."""

from __future__ import annotations

import ctypes
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from zapsim.errors import FrontendError, ZapsimError
from zapsim.frontend.network.state import State

_LONGEST_LINE = 200
_PACKAGE = Path(__file__).parents[2]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Of malloc.h: free memory at the heap's end that is given back (-1: none), and blocks that get a mapping each."""


@contextmanager
def frozen(model: nn.Module, *, explained: bool = True) -> Iterator[None]:
    """Run `model` in eval mode and without gradients; flags, buffers and attributes come back, whatever is raised.

    Functions that were compiled run uncompiled meanwhile, as compiled ones hide their calls, and a GPU computes in
    :func:`full_precision`.

    Raises
    ------
    FrontendError
        In the place of what the network's own code raises, if `explained`.
    """
    state = State(model)
    try:
        # Importing dynamo takes seconds; without it nothing can be compiled.
        uncompiled = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
        with torch.no_grad(), uncompiled, full_precision():
            to_eval_mode(model)
            yield
    except Exception as error:
        if explained and not isinstance(error, ZapsimError) and _by_the_network(error):
            raise FrontendError(
                f"the network's own code fails on these pictures ({first_line(error)}): it must take them as they are, "
                "several at once"
            ) from error
        raise
    finally:
        state.restore()


@contextmanager
def full_precision() -> Iterator[None]:
    """Have NVIDIA GPUs multiply float32 as float32, not as TF32 with its 10 bits of mantissa, which is torch's default.

    Of VGG-16's outputs, TF32 decides one in 37,000 otherwise than a processor does; float32, one in 20 million.
    """
    kinds: list[Any] = [torch.backends.cuda.matmul]
    exact: str | bool
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # the former way raises where a caller has used this one
        kinds.append(torch.backends.cudnn.conv)  # type: ignore[attr-defined]
        name, exact = "fp32_precision", "ieee"
    else:
        kinds.append(torch.backends.cudnn)
        name, exact = "allow_tf32", False
    before = [getattr(kind, name) for kind in kinds]
    try:
        for kind in kinds:
            setattr(kind, name, exact)
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            setattr(kind, name, value)


def _by_the_network(error: Exception) -> bool:
    """Return whether a module that is not ours, or a function that it called, raised an error."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [place for place, code in enumerate(frames) if Path(code.co_filename).is_relative_to(_PACKAGE)]
    last = ours[-1] if ours else 0
    entered = [place for place, code in enumerate(frames) if code is nn.Module._call_impl.__code__]
    watched = frames[last].co_name == "__torch_function__"  # where its calls pass through ours
    return bool(entered) and (watched or entered[-1] > last)


def to_eval_mode(model: nn.Module) -> None:
    """Put a model into eval mode; exported parts, whose mode is built in, only get the flag."""
    try:
        model.eval()
    except NotImplementedError:
        for module in model.modules():
            module.training = False


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


def use_threads(count: int | None) -> int:
    """Set the number of torch's CPU threads (None: keep torch's choice), and return it.

    Raises
    ------
    FrontendError
        If `count` is below one.
    """
    if count is not None and count < 1:
        raise FrontendError(f"at least one thread is needed, got {count}")
    if count is not None:
        torch.set_num_threads(count)
    return torch.get_num_threads()


def keep_freed_memory() -> bool:
    """Keep memory that is freed for the next tensors, until the process ends, where the C library is glibc.

    glibc returns large blocks to the system, which must map and clear their pages again for the next tensor: 50,000 to
    130,000 pages in a training step of VGG-16 with four images, a tenth of its time. Peak memory stays the same. The
    setting affects the whole process, so only a command makes it.

    Returns
    -------
    bool
        Whether there is a glibc that took it.
    """
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # a system where a program has no C library to be asked
        return False
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    results = [libc.mallopt(option, value) for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1))]
    return results == [1, 1]


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, cut to 200 characters, or the name of its type if it has none."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
    return line if line.isprintable() else line.encode("unicode_escape").decode("ascii")


class CountColumn(TextColumn):
    """Shows how many steps of how many are done."""

    def __init__(self) -> None:
        super().__init__("{task.completed:.0f}/{task.total:.0f}")


def progress_bar(*columns: ProgressColumn, wanted: bool = True) -> Progress:
    """Return a progress bar with `columns` before its times; it shows only if `wanted`, and only on a terminal."""
    console = Console(stderr=True)
    left, right = (TextColumn("{task.description}"), BarColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*left, *columns, *right, console=console, disable=not (wanted and console.is_terminal))
