"""Writing files: whole or not at all, and never in the place of something else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zapsim.errors import ZapsimError


def check_writable(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse what cannot become a file, before work is spent on what shall stand in it.

    Raises
    ------
    ZapsimError
        If `path` is a directory, lies in none, may not be written, or is one of the `inputs` that the work reads.
    """
    if not path.name or os.path.isdir(path):  # unlike Path's, os.path's take any text
        raise ZapsimError(f"{path}: cannot be written (is a directory)")
    if not os.path.isdir(path.parent):
        raise ZapsimError(f"{path}: cannot be written (there is no directory {path.parent})")
    if not os.access(path if is_special(path) else places(path)[0].parent, os.W_OK):
        raise ZapsimError(f"{path}: cannot be written (Permission denied)")
    if os.path.isfile(path) and any(os.path.isfile(one) and os.path.samefile(path, one) for one in inputs):
        raise ZapsimError(f"{path}: cannot be written (it is read in the same run)")


def is_special(path: Path) -> bool:
    """Return whether `path` is there and neither file nor directory: a device, a pipe, a terminal."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def places(path: Path) -> tuple[Path, Path]:
    """Return the file that `path` stands for, behind all links, and the temporary file beside it to rename to it."""
    target = Path(os.path.realpath(path))
    return target, target.with_name(f".{target.name}.{os.getpid()}.part")


def write_atomically(path: Path, content: str | bytes, parents: bool = False) -> None:
    """Write `content` to `path` (text as UTF-8) through a temporary file beside it.

    Links are followed. What is no regular file (``/dev/stdout``) is written to, not replaced.

    Parameters
    ----------
    path
        Where to write.
    content
        All that the file shall hold.
    parents
        Make the directories that are missing.

    Raises
    ------
    ZapsimError
        If that cannot be.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        if is_special(path):
            path.write_bytes(data)
            return
        target, partial = places(path)
        try:
            partial.write_bytes(data)
            os.replace(partial, target)
        finally:
            with suppress(OSError):  # gone already, or never there
                partial.unlink()
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
