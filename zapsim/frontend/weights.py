"""Reading state dicts: safetensors, or .pth files without code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.faults import first_line


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` or torch file, on the CPU.

    Raises
    ------
    FrontendError
        If the file is missing, damaged, holds no state dict, or would have to run code to be read.
    """
    if not path.is_file():
        raise FrontendError(f"{path}: no such weights file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise FrontendError(f"{path}: not a whole safetensors file ({error})") from None
    try:
        with warnings.catch_warnings():  # the error, if there is one, says it better
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FrontendError(f"{path}: holds pickled code, which is never loaded") from None
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise FrontendError(f"{path}: not a torch weights file ({first_line(error)})") from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise FrontendError(f"{path}: expected a state dict (names to tensors)")
    return dict(found)


def load_weights(model: nn.Module, path: Path) -> None:
    """Put the state dict of `path` into `model`; it must fit exactly.

    Batch normalisation's counters of batches may be missing, as in checkpoints older than they are: only training with
    a cumulative average reads them.

    Raises
    ------
    FrontendError
        Listing the keys that are missing, unexpected or of another shape.
    """
    put_weights(model, read_state_dict(path), str(path))


def put_weights(model: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Put a state dict that came from `where` into `model`, as :func:`load_weights` does."""
    wanted = model.state_dict()
    counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    state = counters | dict(state)
    faults = [f"missing {name}" for name in wanted if name not in state]
    faults += [f"unexpected {name}" for name in state if name not in wanted]
    faults += [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    if faults:
        raise FrontendError(f"{where}: does not fit the network: {', '.join(faults)}")
    model.load_state_dict(state)
