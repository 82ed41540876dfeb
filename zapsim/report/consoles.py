"""Consoles: text that comes from files is shown as it is, and what does not go to a terminal is plain and whole."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

_UNLIMITED = 10_000
"""Columns where there is no terminal: no cell is folded or cut short."""


def stdout_console() -> Console:
    """Return a console for stdout: coloured and as wide as the terminal, or plain if there is none."""
    if sys.stdout.isatty():
        return Console(markup=False, emoji=False, highlight=False)
    return plain_console(sys.stdout)


def plain_console(file: TextIO) -> Console:
    """Return a console that writes bare text to `file`, whatever the environment says about colours."""
    return Console(
        file=file, width=_UNLIMITED, color_system=None, force_terminal=False, markup=False, emoji=False, highlight=False
    )
