"""Tensors on disk: state dicts of networks, and the safetensors files that zapsim writes."""

from __future__ import annotations

import copy
import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import nn

from zapsim.errors import FrontendError, shown
from zapsim.frontend.network.forward import first_line
from zapsim.reading.json_text import parse_json
from zapsim.reading.regular_file import MOST_OF_ARRAYS, check_regular, os_fault
from zapsim.reading.tensor_file import open_tensors
from zapsim.reading.text import text_fault

_EXTRA_STATE = "_extra_state"
_WRAPPERS = {
    "module.": "save the network inside DataParallel, torch.save(model.module.state_dict(), FILE)",
    "_orig_mod.": "save the network that was compiled, torch.save(model._orig_mod.state_dict(), FILE)",
    "model.": "save the network itself, torch.save(trainer.model.state_dict(), FILE)",
}
"""Prefixes that wrappers put before the names of weights, and how to save without them."""

_MOST_FAULTS = 4
"""Faults of a checkpoint that one message names."""


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` or torch file, on the CPU.

    Raises
    ------
    FrontendError
        If the file is missing, damaged, holds no state dict, or would have to run code to be read.
    """
    if path.suffix == ".safetensors":
        return _finite(path, _tensors(path, open_tensors(path, "pt", "weights", FrontendError)))
    check_regular(path, MOST_OF_ARRAYS, "weights", FrontendError)
    try:
        with warnings.catch_warnings():  # the error, if there is one, says it better
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FrontendError(
            f"{path}: holds pickled code, which is never loaded, such as a whole model; save its weights alone: "
            "torch.save(model.state_dict(), 'weights.pth')"
        ) from None
    except Exception as error:  # a damaged archive makes torch raise what its pickle and its C++ code do
        raise FrontendError(f"{path}: not a torch weights file ({os_fault(error)})") from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping):
        raise FrontendError(f"{path}: expected a state dict (names to tensors), got a {type(state).__name__}")
    tensors = {str(name): value for name, value in state.items() if not str(name).endswith(_EXTRA_STATE)}
    other = next((name for name, value in tensors.items() if not isinstance(value, torch.Tensor)), None)
    if other is not None:
        raise FrontendError(
            f"{path}: expected a state dict (names to tensors), but {shown(other)} is a {type(tensors[other]).__name__}"
        )
    return _finite(path, tensors)


def _finite(path: Path, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors if each lies in memory and holds finite numbers."""
    for name, value in tensors.items():
        if fault := text_fault(name):
            raise FrontendError(f"{path}: name of a tensor: {fault}")
        if value.layout != torch.strided or value.device.type != "cpu":
            raise FrontendError(f"{path}: {shown(name)} is sparse or without data; store plain tensors")
        if value.untyped_storage().nbytes() < value.numel() * value.element_size() and value.dtype.itemsize:
            raise FrontendError(f"{path}: {shown(name)} repeats its numbers; store plain tensors (contiguous())")
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            raise FrontendError(f"{path}: {shown(name)} holds numbers that are not finite (NaN or infinite)")
    return tensors


def _tensors(path: Path, file: Any) -> dict[str, torch.Tensor]:
    """Read all tensors of an open safetensors file."""
    try:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except Exception as error:  # types that torch does not have, or no memory
        raise FrontendError(f"{path}: not a whole safetensors file ({os_fault(error)})") from None


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
    # What is no tensor (extra state) stays the model's own, and so do counters of batches that are missing.
    own = {
        name: value
        for name, value in wanted.items()
        if name.endswith("num_batches_tracked") or not isinstance(value, torch.Tensor)
    }
    state = own | dict(state)
    faults = [f"missing {name}" for name in wanted if name not in state]
    faults += [f"unexpected {name if name.isprintable() else shown(name)}" for name in state if name not in wanted]
    for name, value in wanted.items():
        if name in state and isinstance(value, torch.Tensor):
            faults += _misfits(name, state[name], value)
    if faults:
        listed = ", ".join(faults[:_MOST_FAULTS])
        more = f" and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise FrontendError(f"{where}: does not fit the network: {listed}{more}{_wrapped(state, wanted)}")
    model.load_state_dict(state)


def _wrapped(state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """Say how to save a network that was inside another module; an empty text if it was not."""
    for prefix, remedy in _WRAPPERS.items():
        if any(name.startswith(prefix) and name.removeprefix(prefix) in wanted for name in state):
            return f"; names begin with '{prefix}': {remedy}"
    return ""


def _misfits(name: str, value: torch.Tensor, wanted: torch.Tensor) -> list[str]:
    """Return what is wrong with a tensor of a checkpoint: another shape, or integers where there are fractions."""
    if value.shape != wanted.shape:
        return [f"{name} is {tuple(value.shape)}, expected {tuple(wanted.shape)}"]
    kinds = (value.is_floating_point(), value.is_complex()), (wanted.is_floating_point(), wanted.is_complex())
    eight_bits = value.is_floating_point() and value.element_size() == 1
    if kinds[0] != kinds[1] or value.is_quantized or eight_bits:
        types = [str(tensor.dtype).removeprefix("torch.") for tensor in (value, wanted)]
        return [f"{name} is {types[0]}, expected {types[1]} (a quantised checkpoint must be dequantised before)"]
    return []


def copy_of(model: nn.Module) -> nn.Module:
    """Copy a model.

    Raises
    ------
    FrontendError
        If it holds what cannot be copied, such as weights that a hook computes.
    """
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:
        raise FrontendError(
            f"the network cannot be copied ({first_line(error)}): "
            "make computed weights (of pruning or weight norm) permanent"
        ) from error


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and values of the state dict, in its order.

    Raises
    ------
    FrontendError
        If the state dict holds something that has no bytes of its own.
    """
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(_bytes(value))
        else:
            digest.update(f"{name} ".encode() + _extra_bytes(name, value))
    return digest.hexdigest()


def _bytes(value: torch.Tensor) -> bytes:
    if value.is_quantized:
        return _bytes(value.int_repr()) + _bytes(value.dequantize())
    return bytes(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())


def _extra_bytes(name: str, value: object) -> bytes:
    """Return the bytes of extra state: of tensors as they are, of anything else as pickle writes it."""
    if isinstance(value, torch.Tensor):
        return _bytes(value)
    if isinstance(value, (tuple, list)):
        return b"".join(_extra_bytes(name, item) for item in value)
    if isinstance(value, Mapping):
        return b"".join(str(key).encode() + _extra_bytes(name, item) for key, item in value.items())
    try:
        return pickle.dumps(value, protocol=4)
    except Exception as error:  # pickle raises what the object's own methods raise
        raise FrontendError(f"extra state '{name}' of the network cannot be hashed ({first_line(error)})") from None


def tensor_file(tensors: Mapping[str, torch.Tensor], key: str, header: str) -> bytes:
    """Return a safetensors file of `tensors`, with the text of a `header` under a key of its metadata."""
    return save(dict(tensors), metadata={key: header})


def state_dict_file(model: nn.Module) -> bytes:
    """Return the safetensors file of a model's state dict, as :func:`load_weights` reads it."""
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    return save({name: value.detach().cpu().clone().contiguous() for name, value in state.items()})


def read_tensors(path: Path, key: str, kind: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Return the header's text and the tensors of a file; `kind` is what it should be.

    Raises
    ------
    FrontendError
        If it is missing, damaged or of another kind.
    """
    file = open_tensors(path, "pt", kind, FrontendError)
    header = (file.metadata() or {}).get(key)
    if header is None:
        raise FrontendError(f"{path}: a safetensors file, but no {kind} file of zapsim (no '{key}' metadata)")
    try:
        parse_json(header)  # bounded, and every text of it one printable line
    except ValueError as error:
        raise FrontendError(f"{path}: the header is not JSON ({error})") from None
    return header, _finite(path, _tensors(path, file))


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
        sha256.update(name.encode() + _bytes(tensors[name]))
    return sha256.hexdigest()
