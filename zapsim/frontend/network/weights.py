"""Tensors on disk: state dicts of networks, and the safetensors files that zapsim writes."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.network.forward import first_line


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
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FrontendError(f"{path}: holds pickled code, which is never loaded") from None
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise FrontendError(f"{path}: not a torch weights file ({first_line(error)})") from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FrontendError(f"{path}: expected a state dict (names to tensors)")
    return dict(state)


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


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and values of the state dict, in its order."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def tensor_file(tensors: Mapping[str, torch.Tensor], key: str, header: str) -> bytes:
    """Return a safetensors file of `tensors`, with the text of a `header` under a key of its metadata."""
    return save(dict(tensors), metadata={key: header})


def read_tensors(path: Path, key: str, kind: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Return the header's text and the tensors of a file; `kind` is what it should be.

    Raises
    ------
    FrontendError
        If it is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise FrontendError(f"{path}: no such {kind} file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise FrontendError(f"{path}: not a whole safetensors file ({error})") from None
    if key not in metadata:
        raise FrontendError(f"{path}: a safetensors file, but no {kind} file of zapsim (no '{key}' metadata)")
    return metadata[key], tensors


def header_fault(path: Path, error: ValidationError, newest: int = 1) -> FrontendError:
    """Return what is wrong with a header, in one line; `newest` is the version that is written today."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "header"
    versions = "version 1" if newest == 1 else f"versions 1 to {newest}"
    hint = f" (this zapsim reads {versions})" if where == "version" else ""
    return FrontendError(f"{path}: {where}: {first['msg']}{hint}")


def check_digest(path: Path, tensors: Mapping[str, torch.Tensor], expected: str) -> None:
    """Make sure that the tensors are those that the header was written for.

    Raises
    ------
    FrontendError
        If they are not.
    """
    if digest(tensors) != expected:
        raise FrontendError(f"{path}: the numbers do not match their digest: the file was damaged or changed")


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a SHA-256 over names and values."""
    sha256 = hashlib.sha256()
    for name in sorted(tensors):
        sha256.update(name.encode() + tensors[name].numpy().tobytes())
    return sha256.hexdigest()
