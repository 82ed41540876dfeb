"""Safetensors files: opened only if they are regular, and their headers bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from zapsim.errors import ZapsimError, printable
from zapsim.reading.regular_file import MOST_OF_ARRAYS, check_regular, os_fault
from zapsim.reading.text import text_fault

_MOST_TENSORS = 1_000_000


def open_tensors(path: Path, framework: str, kind: str, error: type[ZapsimError] = ZapsimError) -> Any:
    """Open a safetensors file; that its tensors lie in the file, the library checks before any memory is taken.

    Parameters
    ----------
    path
        The file.
    framework
        Of the tensors: ``numpy`` or ``pt``.
    kind
        What the file should be, as messages say it.
    error
        The class of the error.

    Raises
    ------
    ZapsimError
        Of class `error`: if it is no regular file, is damaged or truncated, or names tensors that cannot be printed.
    """
    size = check_regular(path, MOST_OF_ARRAYS, kind, error)
    name = printable(str(path))
    if size == 0:
        raise error(f"{name}: not a whole safetensors file (Error while deserializing header: the file is empty)")
    try:
        file = safe_open(path, framework=framework)
        names = list(file.keys())
    except (SafetensorError, OSError, ValueError, RuntimeError) as fault:
        raise error(f"{name}: not a whole safetensors file ({os_fault(fault)})") from None
    if len(names) > _MOST_TENSORS:
        raise error(f"{name}: holds {len(names):,} tensors; at most {_MOST_TENSORS:,} are read")
    for tensor in names:
        if fault_of_name := text_fault(tensor):
            raise error(f"{name}: name of a tensor: {fault_of_name}")
    return file
