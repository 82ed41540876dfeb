"""``--quiet``: nothing on stderr but what is wrong, which begins with ``zapsim:``."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

_PREFIX = "zapsim: "


class OnlyFaults(io.TextIOBase):
    """A stream that passes on the lines that say what is wrong, and is no terminal, so that nothing shows progress."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._line = stream, ""

    def write(self, text: str) -> int:
        """Pass on complete lines that begin with the program's name."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.startswith(_PREFIX):
                self._stream.write(f"{line}\n")
        return len(text)


@contextmanager
def quietly(wanted: bool) -> Iterator[None]:
    """Show only faults on stderr, if `wanted`."""
    if not wanted:
        yield
        return
    with redirect_stderr(OnlyFaults(sys.stderr)):
        yield
