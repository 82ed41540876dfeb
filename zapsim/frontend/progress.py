"""Progress bars on stderr, where it is a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from zapsim.frontend.learner import Learner


class CountColumn(TextColumn):
    """How many of how many are done."""

    def __init__(self) -> None:
        super().__init__("{task.completed:.0f}/{task.total:.0f}")


def progress_bar(*columns: ProgressColumn, wanted: bool = True) -> Progress:
    """Return a bar with `columns` between its description and its times; silent unless `wanted` on a terminal."""
    console = Console(stderr=True)
    left, right = (TextColumn("{task.description}"), BarColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*left, *columns, *right, console=console, disable=not (wanted and console.is_terminal))


class LayerDisplay:
    """Context manager that shows, while training, every layer's loss and what it would save at threshold 0.

    Attributes
    ----------
    shown
        Whether anything is: on a terminal, if wanted.
    """

    def __init__(self, total: int, learners: Mapping[str, Learner], wanted: bool) -> None:
        self._learners = learners
        self._bar = progress_bar(CountColumn(), TextColumn("loss {task.fields[loss]:.4f}"), wanted=wanted)
        self.shown = not self._bar.disable
        self._task = self._bar.add_task("training", total=total, loss=float("nan"))
        self._live = Live(get_renderable=self._render, console=self._bar.console, transient=True)

    def __enter__(self) -> Self:
        if self.shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.shown:
            self._live.stop()

    def advance(self, done: int) -> None:
        """Say that `done` batches are done."""
        loss = float(np.mean([one.last for one in self._learners.values()]))
        self._bar.update(self._task, completed=done, loss=loss)

    def _render(self) -> Group:
        table = Table("layer", "loss", "saves at 0", box=None, pad_edge=False)
        for name, learner in self._learners.items():
            table.add_row(name, f"{learner.last:.4f}", f"{learner.saving:.1%}")
        return Group(self._bar, table)
