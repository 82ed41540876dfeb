"""A validation for people: ours beside the published figure, with the error, and what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.report.terminal import print_in_parts
from zapsim.validation import Comparison, Validation

_LONG = 40
"""From this many layers on, only the summary of each measure is shown."""


def print_validation(found: Validation, console: Console) -> None:
    """Print one table of layers (unless there are very many) and one of errors against targets."""
    console.print(f"{found.spec.name}  ({found.spec.source})", style="bold", highlight=False, soft_wrap=True)
    if max(len(comparison.figures) for comparison in found.comparisons) < _LONG:
        print_in_parts(console, found.comparisons, _layers)
    console.print(_summary(found))
    if found.spec.notes:
        console.print(found.spec.notes.strip(), style="dim", highlight=False)
    console.print()


def _layers(comparisons: Sequence[Comparison]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for comparison in comparisons:
        for heading in (f"{comparison.measure}\nours", "\npublished", "\nerror"):
            table.add_column(heading, justify="right", no_wrap=True)
    by_layer: dict[str, dict[str, tuple[str, str, str]]] = {}
    for comparison in comparisons:
        for figure in comparison.figures:
            cells = (f"{figure.ours:,.4g}", f"{figure.published:,.4g}", f"{figure.error:+.1%}")
            by_layer.setdefault(figure.layer, {})[comparison.measure] = cells
    for layer, measures in by_layer.items():
        row = [cell for comparison in comparisons for cell in measures.get(comparison.measure, ("", "", ""))]
        table.add_row(layer, *row)
    return table


def _summary(found: Validation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for heading in ("layers", "largest error", "mean error", "error of the sum"):
        table.add_column(heading, justify="right")
    table.add_column("within the target")
    for comparison in found.comparisons:
        largest, mean, of_sum = (
            f"{error:.1%}" + (f" (target {most:.1%})" if most is not None else "")
            for error, most in _errors(comparison)
        )
        verdict = ("yes" if comparison.met else "NO") if comparison.target.is_set else "no target"
        table.add_row(comparison.measure, str(len(comparison.figures)), largest, mean, of_sum, verdict)
    return table


def _errors(comparison: Comparison) -> tuple[tuple[float, float | None], ...]:
    target = comparison.target
    return (comparison.largest, target.layer), (comparison.mean, target.mean), (comparison.of_sum, target.sum)
