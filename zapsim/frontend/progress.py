"""Progress bars on stderr, where it is a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class CountColumn(TextColumn):
    """How many of how many are done."""

    def __init__(self) -> None:
        super().__init__("{task.completed:.0f}/{task.total:.0f}")


def progress_bar(*columns: ProgressColumn, wanted: bool = True) -> Progress:
    """Return a bar with `columns` between its description and its times; silent unless `wanted` on a terminal."""
    console = Console(stderr=True)
    left, right = (TextColumn("{task.description}"), BarColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*left, *columns, *right, console=console, disable=not (wanted and console.is_terminal))
