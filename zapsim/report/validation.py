"""Tables of a validation: our values beside the published ones, with the errors and their targets."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.report.terminal import print_in_parts
from zapsim.validation import MetricErrors, Validation

_LONG = 40
"""From this many layers on, only the summary of each metric is shown."""


def print_validation(validation: Validation, console: Console) -> None:
    """Print one table of layers (unless there are very many) and one of errors against targets."""
    spec = validation.spec
    console.print(f"{spec.name}  ({spec.source})", style="bold", highlight=False, soft_wrap=True)
    if max(len(metric.figures) for metric in validation.metrics) < _LONG:
        print_in_parts(console, validation.metrics, _layers)
    console.print(_summary(validation))
    if spec.notes:
        console.print(spec.notes.strip(), style="dim", highlight=False)
    console.print()


def _layers(metrics: Sequence[MetricErrors]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for errors in metrics:
        for heading in (f"{errors.metric}\nours", "\npublished", "\nerror"):
            table.add_column(heading, justify="right", no_wrap=True)
    by_layer: dict[str, dict[str, tuple[str, str, str]]] = {}
    for errors in metrics:
        for figure in errors.figures:
            cells = (f"{figure.ours:,.4g}", f"{figure.published:,.4g}", f"{figure.error:+.1%}")
            by_layer.setdefault(figure.layer, {})[errors.metric] = cells
    for layer, cells_of in by_layer.items():
        table.add_row(layer, *(cell for errors in metrics for cell in cells_of.get(errors.metric, ("", "", ""))))
    return table


def _summary(validation: Validation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for heading in ("layers", "largest error", "mean error", "error of the sum"):
        table.add_column(heading, justify="right")
    table.add_column("within the target")
    for errors in validation.metrics:
        target = errors.target
        pairs = ((errors.largest, target.layer), (errors.mean, target.mean), (errors.of_sum, target.sum))
        cells = (f"{error:.1%}" + (f" (target {most:.1%})" if most is not None else "") for error, most in pairs)
        verdict = ("yes" if errors.met else "NO") if target.is_set else "no target"
        table.add_row(errors.metric, str(len(errors.figures)), *cells, verdict)
    return table
