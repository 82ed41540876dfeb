"""The cache of machine code: where it lies, files that end in the digest of their content, and what is said of it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DIGEST = hashlib.sha256().digest_size

_listeners: list[Callable[[], None]] = []


def cache_directory() -> Path:
    """Return the folder of the machine code: that of ``NUMBA_CACHE_DIR``, or one in the user's cache directory."""
    config = sys.modules.get("numba.core.config")
    place = os.environ.get("NUMBA_CACHE_DIR", "") if config is None else config.CACHE_DIR
    if place:
        return Path(place)
    from platformdirs import user_cache_path

    return user_cache_path("zapsim") / "numba"


@contextmanager
def on_compile(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` whenever a kernel is compiled because the cache does not hold it yet."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


def say_compiling() -> None:
    """Tell those who want to know that a kernel is being compiled."""
    for listener in _listeners:
        listener()


def sealed(content: bytes) -> bytes:
    """Append its digest to the content of a file."""
    return content + hashlib.sha256(content).digest()


def write_sealed(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that other processes read it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(sealed(content))
    os.replace(partial, path)


def read_sealed(path: Path, what: str = "compiled kernel", remedy: str = "it is compiled again") -> bytes | None:
    """Return the content of a file, or None; remove a file that is damaged, and say so."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"{path}: {what} cannot be read ({error.strerror}); {remedy}")
        return None
    if len(data) > _DIGEST and sealed(data[:-_DIGEST]) == data:
        return data[:-_DIGEST]
    say(f"{path}: {what} is damaged; {remedy}")
    with suppress(OSError):
        path.unlink()
    return None


_are_mappings_kept = False


def keep_mappings() -> None:
    """Let this process look up, and keep, the mappings that searches find."""
    global _are_mappings_kept  # noqa: PLW0603 (of the process, as the directory is)
    _are_mappings_kept = True


def are_mappings_kept() -> bool:
    """Tell whether searches look up what earlier runs have found."""
    return _are_mappings_kept


_said: set[str] = set()


def say(text: str) -> None:
    """Say something on stderr, once per process."""
    if text not in _said:
        _said.add(text)
        with suppress(OSError, ValueError, AttributeError):  # stderr may be closed
            print(f"zapsim: {text}", file=sys.stderr)
