"""One writer per results folder: a lock that the system takes back when its process ends, and a note of the owner."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from zapsim.errors import ZapsimError, printable
from zapsim.files import process_start, remove_leftovers, write_atomically
from zapsim.reading.json_text import read_json

LOCK, OWNER = ".lock", ".owner.json"
"""Files of a results folder: the lock, and who holds it."""

_FRESH_S = 15 * 60
"""A note of another machine's process that is older is nobody's: it is renewed with every chunk of designs."""


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Hold a results folder for this process, and remove what killed processes left in it.

    The lock is the system's own (``flock``), so that it is free as soon as its process ends, however that ends. On file
    systems that do not pass locks from one machine to another, the owner's note still names the machine and process.

    Raises
    ------
    ZapsimError
        If another process holds the folder; the message says which.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise ZapsimError(f"{_holder(folder)}; wait until it ends, or choose another folder") from None
    except OSError as error:
        raise ZapsimError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        elsewhere = _owner(folder)
        if elsewhere is not None and elsewhere["host"] != socket.gethostname() and _is_fresh(folder):
            raise ZapsimError(
                f"{_holder(folder)}; if that machine's process is gone, delete {folder / OWNER} and try again"
            )
        for place in (folder, *(inner for inner in folder.iterdir() if inner.is_dir())):
            remove_leftovers(place)
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process_start": process_start(os.getpid()),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(folder / OWNER, json.dumps(note) + "\n")
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / OWNER).unlink()
    finally:
        lock.release()


def _owner(folder: Path) -> dict[str, object] | None:
    """Read the note of who holds a folder; None if there is none that can be read."""
    with suppress(ZapsimError):
        note = read_json(folder / OWNER, "owner")
        if isinstance(note, dict) and type(note.get("pid")) is int and isinstance(note.get("host"), str):
            return note
    return None


def keep_alive(folder: Path) -> None:
    """Renew the note of who holds a folder, for other machines."""
    with suppress(OSError):
        os.utime(folder / OWNER)


def _is_fresh(folder: Path) -> bool:
    with suppress(OSError):
        return time.time() - (folder / OWNER).stat().st_mtime < _FRESH_S
    return False


def _holder(folder: Path) -> str:
    """Say who holds a folder."""
    note = _owner(folder)
    if note is None:
        return f"{folder}: another process is writing to it"
    return (
        f"{folder}: process {note['pid']} on {printable(str(note['host']))} is writing to it since {note.get('since')}"
    )
