"""Safetensors files of ours: tensors by name, and a JSON header under a key of the metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from zapsim.errors import FrontendError
from zapsim.files import write_atomically


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], key: str, header: str) -> None:
    """Write `tensors` and a `header` to `path`, atomically."""
    write_atomically(path, save(dict(tensors), metadata={key: header}), parents=True)


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


def header_fault(path: Path, error: ValidationError) -> FrontendError:
    """Return what is wrong with a header, in one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "header"
    hint = " (this zapsim reads version 1)" if where == "version" else ""
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
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].numpy().tobytes())
    return found.hexdigest()
