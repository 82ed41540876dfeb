"""Progress bar on stderr, in terminals and notebooks: designs per second, the best values, the time left."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zapsim.exploration.evaluated import EvaluatedDesign
from zapsim.exploration.space import Space


class ProgressBar:
    """Context manager that shows the progress of an exploration."""

    def __init__(self, space: Space, wanted: bool = True) -> None:
        console = Console(stderr=True)
        shown = wanted and (console.is_terminal or console.is_jupyter)
        self._space = space
        self._best: list[float | None] = [None] * len(space.objectives)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"), TextColumn("{task.fields[best]}"),
            TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, disable=not shown, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("starting; the first run compiles kernels", total=None, pace="", best="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, known: int, most: int | None) -> None:
        """Note how many designs are known already, and how many there are at most."""
        self._bar.update(self._task, total=None if most is None else most - known)

    def advance(self, designs: Sequence[EvaluatedDesign]) -> None:
        """Note finished designs."""
        for design in designs:
            if design.status == "ok":
                self._best = [
                    cost if best is None else min(best, cost)
                    for best, cost in zip(self._best, design.costs, strict=True)
                ]
        speed = self._bar.tasks[0].speed
        best = ", ".join(
            f"{objective.text} {objective.cost(value):,.4g}"
            for objective, value in zip(self._space.objectives, self._best, strict=True)
            if value is not None
        )
        pace = f"{speed:.0f} designs/s" if speed else ""
        self._bar.update(
            self._task, advance=len(designs), description="exploring", pace=pace, best=f"best: {best}" if best else ""
        )
