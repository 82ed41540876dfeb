"""Tables and text on a terminal: shown as they are, in parts if they are too wide; plain and whole anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

from rich.console import Console
from rich.table import Table

_Group = TypeVar("_Group")
UNLIMITED = 10_000
"""Columns where there is no terminal: no cell is folded or cut short."""


def stdout_console() -> Console:
    """Make a console for stdout: coloured and as wide as the terminal, or plain if there is none."""
    if sys.stdout.isatty():
        return Console(markup=False, emoji=False, highlight=False)
    return plain_console(sys.stdout)


def plain_console(file: TextIO) -> Console:
    """Make a console that writes bare text to `file`, whatever the environment says about colours."""
    return Console(
        file=file, width=UNLIMITED, color_system=None, force_terminal=False, markup=False, emoji=False, highlight=False
    )


def print_in_parts(
    console: Console, groups: Sequence[_Group], table: Callable[[Sequence[_Group]], Table], most: int = UNLIMITED
) -> None:
    """Print one table of all `groups` of columns, or several below one another if the console is too narrow for one.

    Parameters
    ----------
    console
        Where to print.
    groups
        Columns that stay together, from left to right; at least one.
    table
        Makes the table of some of the groups, with the names of the rows.
    most
        Characters that a table may be wide, however wide the console is.
    """
    width = min(console.width, most)
    unlimited = console.options.update(width=UNLIMITED)  # else no table is wider than the console

    def fits(part: Sequence[_Group]) -> bool:
        return console.measure(table(part), options=unlimited).maximum <= width

    left = list(groups)
    while left:
        count = len(left)
        if not fits(left):  # asked first, since measuring takes time and all columns usually fit
            count = next((n for n in range(1, count) if not fits(left[: n + 1])), 1)
        console.print(table(left[:count]))
        del left[:count]
