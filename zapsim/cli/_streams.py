"""The process around a command: stdout and stderr that may be closed, full or of any encoding, and signals."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENCODING_ERRORS: Final = "zapsim.plain"
"""Name of the error handler that writes what an encoding lacks in plainer characters."""

_PLAIN = {
    "×": "x", "µ": "u", "μ": "u", "²": "2", "³": "3", "°": " deg", "·": ".", "…": "...", "–": "-", "—": "-", "→": "->",
    "≤": "<=", "≥": ">=", "±": "+-", "≈": "~", "∞": "inf", "\u201c": '"', "\u201d": '"',
    "\u2018": "'", "\u2019": "'", "é": "e", "\u00a0": " ", "✓": "+", "✗": "-", "•": "*",
}  # fmt: skip


class OutputLostError(Exception):
    """Results cannot be written to stdout; the message says why. Empty: its reader wants no more of them."""


class TerminatedError(BaseException):
    """The process was asked to end (SIGTERM)."""


class _Descriptor(io.RawIOBase):
    """A stream on a file descriptor, which after a failure takes everything and writes nothing.

    The failure itself is raised once if `matters`, as no OSError, so that no library takes it for its own.
    """

    def __init__(self, descriptor: int, matters: bool, is_open: bool) -> None:
        super().__init__()
        self._descriptor, self._matters = descriptor, matters
        self._lost = False
        self._is_open = is_open

    def writable(self) -> bool:
        """Tell that this is for output."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._is_open and os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        """Write to the descriptor."""
        view = memoryview(data)  # type: ignore[arg-type]
        if self._lost:
            return view.nbytes
        try:
            if not self._is_open:
                raise OSError(0, "it is closed")
            return os.write(self._descriptor, view)
        except OSError as error:
            self._lost = True
            if not self._matters:
                return view.nbytes
            raise OutputLostError("" if isinstance(error, BrokenPipeError) else error.strerror) from None


def replace_streams() -> None:
    """Put streams in place of stdout and stderr that survive whatever these are connected to."""
    codecs.register_error(ENCODING_ERRORS, _plainer)
    is_open = {1: sys.stdout is not None, 2: sys.stderr is not None}
    encodings = {1: getattr(sys.stdout, "encoding", "utf-8"), 2: getattr(sys.stderr, "encoding", "utf-8")}
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed one would be given to the next file that is opened
    os.close(descriptor)
    sys.stdout = _text(1, encodings[1], matters=True, is_open=is_open[1])
    sys.stderr = _text(2, encodings[2], matters=False, is_open=is_open[2])


def _text(descriptor: int, encoding: str, matters: bool, is_open: bool) -> io.TextIOWrapper:
    raw = _Descriptor(descriptor, matters, is_open)
    lines = not matters or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, ENCODING_ERRORS, line_buffering=lines)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks in plainer characters, or as an escape."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode("ascii") for char in text)
    return plain, error.end


@contextmanager
def terminating() -> Iterator[None]:
    """Let SIGTERM end the block as an interrupt does, so that temporary files are removed."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise TerminatedError

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
