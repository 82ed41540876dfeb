"""Writing files: whole or not at all, and never in place of something else."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zapsim.errors import ZapsimError

_LEFTOVER = re.compile(r"\..+\.(?P<pid>[0-9]{1,9})(?:-(?P<start>[0-9]{1,20}))?\.part")
_OLD_S = 24 * 3600
"""Age after which a leftover that does not say when its process started is nobody's."""


def check_writable(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a path that cannot become a file, before its content is computed.

    Raises
    ------
    ZapsimError
        If `path` is a directory, has no parent directory, is write-protected, has too long a name, or is one of the
        `inputs` of the run.
    """
    if not path.name or os.path.isdir(path):  # unlike Path's, os.path's take any text
        raise ZapsimError(f"{path}: cannot be written (is a directory)")
    if not os.path.isdir(path.parent):
        raise ZapsimError(f"{path}: cannot be written (there is no directory {path.parent})")
    if not os.access(path if is_special(path) else target_and_partial(path)[0].parent, os.W_OK):
        raise ZapsimError(f"{path}: cannot be written (Permission denied)")
    try:
        os.lstat(path if is_special(path) else target_and_partial(path)[1])
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
    if any(is_same_file(path, source) for source in inputs):
        raise ZapsimError(f"{path}: cannot be written (it is read in the same run)")


def is_same_file(a: Path, b: Path) -> bool:
    """Tell whether two paths mean one file, or would if they were written: links, spellings and letter case included.

    Devices and pipes are never the same: nothing of them is replaced.
    """
    if is_special(a) or is_special(b):
        return False
    with suppress(OSError, ValueError):
        return os.path.samefile(a, b)  # hard links, and letter case where the file system ignores it
    first, second = (Path(os.path.realpath(path)) for path in (a, b))
    if first == second:
        return True
    # Neither or one exists yet: names that differ in letter case only are one file on some file systems.
    return first.parent == second.parent and str(first).casefold() == str(second).casefold() and _ignores_case(first)


def _ignores_case(path: Path) -> bool:
    """Tell whether the file system of `path` takes letters of either case for the same."""
    folder = path.parent
    swapped = folder.with_name(folder.name.swapcase())
    with suppress(OSError):
        return swapped.name != folder.name and os.path.samefile(folder, swapped)
    return False


def is_special(path: Path) -> bool:
    """Tell whether `path` exists and is neither file nor directory: a device, a pipe, a terminal."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def target_and_partial(path: Path) -> tuple[Path, Path]:
    """Resolve all links of `path`; return the file behind them, and the temporary file to be renamed to it.

    The temporary file's name holds the number and the start of this process, so that another process can tell whether
    its maker still lives.
    """
    target = Path(os.path.realpath(path))
    return target, target.with_name(f".{target.name}.{os.getpid()}-{process_start(os.getpid()) or 0}.part")


def process_start(pid: int) -> int | None:
    """Return when a process started, as the system counts it; None if it is gone, or the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def is_running(pid: int, start: int | None = None) -> bool:
    """Tell whether a process lives and, if that is known, is the one that started at `start`, not one of its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # it is somebody else's
    now = process_start(pid)
    return start is None or now is None or now == start


def is_leftover(name: str) -> bool:
    """Tell whether a file is called as a temporary file of this module is."""
    return _LEFTOVER.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder`; those of living processes stay."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = _LEFTOVER.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            start = int(match["start"] or 0) or None
            is_old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_S
            if not is_running(int(match["pid"]), start) or (start is None and is_old):
                with suppress(OSError):
                    os.unlink(entry.path)


def replace_durably(partial: Path, target: Path) -> None:
    """Rename a temporary file, whose content is on disk, to its name, and wait until the folder is on disk, too."""
    os.replace(partial, target)
    with suppress(OSError):  # systems that cannot open a folder keep its entries by themselves
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_atomically(path: Path, content: str | bytes, parents: bool = False) -> None:
    """Write `content` to `path` (text as UTF-8) through a temporary file beside it; when this returns, it is on disk.

    Links are followed. A path that is not a regular file (``/dev/stdout``) is written to, not replaced. Temporary files
    that killed processes left beside it are removed.

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
    # Names of files may hold bytes that are no text; they are written as escapes, which JSON has, too.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        if is_special(path):
            path.write_bytes(data)
            return
        target, partial = target_and_partial(path)
        remove_leftovers(target.parent)
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                _to_disk(file.fileno())
            replace_durably(partial, target)
        finally:
            with suppress(OSError):  # renamed already, or never created
                partial.unlink()
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None


def _to_disk(descriptor: int) -> None:
    """Wait until a file's content is on disk, on file systems that have a disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS}:
            raise
