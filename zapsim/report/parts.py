"""Tables that are too wide for a terminal: printed in parts, below one another, with no figure cut short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table

_Group = TypeVar("_Group")
_UNLIMITED = 10_000


def print_in_parts(console: Console, groups: Sequence[_Group], table: Callable[[Sequence[_Group]], Table]) -> None:
    """Print one table of all `groups` of columns, or as many as the console's width asks for.

    Parameters
    ----------
    console
        Where to print.
    groups
        Columns that stay together, from left to right; at least one.
    table
        Makes the table of some of the groups, with the names of the rows.
    """
    unlimited = console.options.update(width=_UNLIMITED)  # else no table is wider than the console

    def fits(part: Sequence[_Group]) -> bool:
        return console.measure(table(part), options=unlimited).maximum <= console.width

    left = list(groups)
    while left:
        count = len(left)
        if not fits(left):  # asked first, since measuring takes time and mostly all columns fit
            count = next((n for n in range(1, count) if not fits(left[: n + 1])), 1)
        console.print(table(left[:count]))
        del left[:count]
