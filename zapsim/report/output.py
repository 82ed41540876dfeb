"""Writing result files: whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zapsim.errors import ZapsimError


def check_writable(path: Path) -> None:
    """Refuse what cannot become a file, before work is spent on what shall stand in it.

    Raises
    ------
    ZapsimError
        If `path` is a directory, or lies in none.
    """
    if not path.name or os.path.isdir(path):  # unlike Path's, os.path's take any text
        raise ZapsimError(f"{path}: cannot be written (is a directory)")
    if not os.path.isdir(path.parent):
        raise ZapsimError(f"{path}: cannot be written (there is no directory {path.parent})")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` (text as UTF-8) through a temporary file beside it.

    Raises
    ------
    ZapsimError
        If that cannot be.
    """
    check_writable(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):  # gone already, or never there
            partial.unlink()
