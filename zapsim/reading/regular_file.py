"""Reading files: only regular ones, and only up to a stated size, which is checked before anything is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zapsim.errors import ZapsimError, printable

MIB = 2**20

MOST_OF_YAML = 1 * MIB
MOST_OF_JSON = 256 * MIB
MOST_OF_CSV = 64 * MIB
MOST_OF_ONNX = 2048 * MIB
MOST_OF_ARRAYS = 64 * 1024 * MIB
"""Largest files of each kind, in bytes; of arrays and tensors, which are mapped into memory or read one by one."""


def check_regular(path: Path, most: int, kind: str, error: type[ZapsimError] = ZapsimError) -> int:
    """Refuse what is no regular file, cannot be read, or is too large.

    Parameters
    ----------
    path
        The file; links are followed.
    most
        Its largest size, in bytes.
    kind
        What the file should be, as messages say it: ``trace``.
    error
        The class of the error.

    Returns
    -------
    int
        The file's size in bytes.

    Raises
    ------
    ZapsimError
        Of class `error`: if there is no such file; for a folder, a pipe or a device, which could be read without end;
        if it may not be read, or holds more than `most` bytes.
    """
    name = printable(str(path))
    try:
        status = os.stat(path)
    except FileNotFoundError:
        what = kind if kind.startswith("file") else f"{kind} file"
        raise error(f"{name}: no such {what}") from None
    except (OSError, ValueError) as fault:
        raise error(f"{name}: cannot be read ({os_fault(fault)})") from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
        raise error(f"{name}: is {what}, expected a regular {kind} file")
    if not os.access(path, os.R_OK):
        raise error(f"{name}: cannot be read (Permission denied)")
    if status.st_size > most:
        raise error(f"{name}: has {status.st_size:,} bytes; a {kind} file has at most {most:,}")
    return status.st_size


def read_regular(path: Path, most: int, kind: str, error: type[ZapsimError] = ZapsimError) -> bytes:
    """Read a regular file, checked as :func:`check_regular` does; never more than `most` bytes.

    Raises
    ------
    ZapsimError
        Of class `error`, as :func:`check_regular`.
    """
    check_regular(path, most, kind, error)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as fault:
        raise error(f"{printable(str(path))}: cannot be read ({os_fault(fault)})") from None
    if len(data) > most:  # it grew meanwhile
        raise error(f"{printable(str(path))}: has over {most:,} bytes; a {kind} file has at most that")
    return data


def read_utf8(path: Path, most: int, kind: str, error: type[ZapsimError] = ZapsimError) -> str:
    """Read a regular file as UTF-8 text, with a byte order mark or not.

    Raises
    ------
    ZapsimError
        Of class `error`: as :func:`check_regular`, or if it is not UTF-8.
    """
    try:
        return read_regular(path, most, kind, error).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{printable(str(path))}: not a text file (UTF-8 expected)") from None


def os_fault(fault: BaseException) -> str:
    """Say in a few words what the system or a library complains about, on one printable line."""
    text = getattr(fault, "strerror", None) or next(iter(str(fault).strip().splitlines()), "") or type(fault).__name__
    return printable(str(text))[:200]
