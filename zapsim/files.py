"""Writing files: whole or not at all, and never in place of something else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zapsim.errors import ZapsimError


def check_writable(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a path that cannot become a file, before its content is computed.

    Raises
    ------
    ZapsimError
        If `path` is a directory, has no parent directory, is write-protected, or is one of the `inputs` of the run.
    """
    if not path.name or os.path.isdir(path):  # unlike Path's, os.path's take any text
        raise ZapsimError(f"{path}: cannot be written (is a directory)")
    if not os.path.isdir(path.parent):
        raise ZapsimError(f"{path}: cannot be written (there is no directory {path.parent})")
    if not os.access(path if is_special(path) else target_and_partial(path)[0].parent, os.W_OK):
        raise ZapsimError(f"{path}: cannot be written (Permission denied)")
    if os.path.isfile(path) and any(os.path.isfile(source) and os.path.samefile(path, source) for source in inputs):
        raise ZapsimError(f"{path}: cannot be written (it is read in the same run)")


def is_special(path: Path) -> bool:
    """Tell whether `path` exists and is neither file nor directory: a device, a pipe, a terminal."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def target_and_partial(path: Path) -> tuple[Path, Path]:
    """Resolve all links of `path`; return the file behind them, and the temporary file to be renamed to it."""
    target = Path(os.path.realpath(path))
    return target, target.with_name(f".{target.name}.{os.getpid()}.part")


def write_atomically(path: Path, content: str | bytes, parents: bool = False) -> None:
    """Write `content` to `path` (text as UTF-8) through a temporary file beside it.

    Links are followed. A path that is not a regular file (``/dev/stdout``) is written to, not replaced.

    Parameters
    ----------
    path
        The file to write.
    content
        The whole content of the file.
    parents
        Make missing directories.

    Raises
    ------
    ZapsimError
        If the path cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        if is_special(path):
            path.write_bytes(data)
            return
        target, partial = target_and_partial(path)
        try:
            partial.write_bytes(data)
            os.replace(partial, target)
        finally:
            with suppress(OSError):  # renamed already, or never created
                partial.unlink()
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
