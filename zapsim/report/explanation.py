"""An explanation of savings as a table, CSV, JSON or Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table

from zapsim.report.attribution import Explanation, Step
from zapsim.report.terminal import plain_console

MEANINGS: dict[str, str] = {
    "zero outputs": "if cycles and energy fell in proportion to MACs, and all zeros were known",
    "no predictor": "zeros of layers that have no predictor",
    "pattern": "zeros in the pattern, which are always computed",
    "errors": "zeros that the predictor misses, less non-zero outputs that it skips",
    "rigid array": "MACs that the array cannot skip, also because it is mapped for two stages",
    "imbalance": "PEs wait for the one with the most work",
    "buses": "ifmaps and psums cross the bus twice, or compute no longer hides them",
    "second loads": "filters are loaded, and the array filled and drained, for two stages",
    "predictor": "the array waits for the predictor, or the predictor's own energy",
    "DRAM": "the array waits for memory",
}
"""Meaning of each step; components of energy explain themselves."""


def render_explanation(explanation: Explanation, form: str) -> str:
    """Render the explanation in one of :data:`FORMATS`, with a final newline."""
    return FORMATS[form](explanation)


def _sections(explanation: Explanation) -> Sequence[tuple[str, tuple[Step, ...]]]:
    return ("cycles", explanation.cycles), ("energy", explanation.energy)


def _saved(steps: Sequence[Step]) -> float:
    return sum(step.share for step in steps)


def _table(explanation: Explanation) -> str:
    text = io.StringIO()
    console = plain_console(text)
    console.print(explanation.run.headline, soft_wrap=True)
    for name, steps in _sections(explanation):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(f"of the {name}")
        table.add_column("%", justify="right")
        table.add_column("left", justify="right")
        table.add_column("")
        left = 0.0
        for step in steps:
            left += step.share
            table.add_row(step.cause, f"{step.share:+.1%}", f"{left:.1%}", MEANINGS.get(step.cause, ""))
        table.add_section()
        table.add_row(f"{name} saved", f"{left:.1%}", "", "", style="bold")
        console.print(table)
    for line in explanation.run.notes:
        console.print(line, style="dim", soft_wrap=True)
    return text.getvalue()


def _csv(explanation: Explanation) -> str:
    text = io.StringIO()
    for line in (explanation.run.headline, *explanation.run.notes):
        text.write(f"# {line}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["of", "cause", "share"])
    writer.writerows([name, step.cause, step.share] for name, steps in _sections(explanation) for step in steps)
    return text.getvalue()


def _json(explanation: Explanation) -> str:
    whole = {
        "headline": explanation.run.headline,
        "arch": explanation.run.arch,
        "quality_note": explanation.run.quality_note,
        **{name: {step.cause: step.share for step in steps} for name, steps in _sections(explanation)},
        "saved": {name: _saved(steps) for name, steps in _sections(explanation)},
        "provenance": explanation.run.provenance,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _markdown(explanation: Explanation) -> str:
    parts = [explanation.run.headline]
    for name, steps in _sections(explanation):
        rows = [f"| of the {name} | | |", "|---|---:|---|"]
        rows += [f"| {step.cause} | {step.share:+.1%} | {MEANINGS.get(step.cause, '')} |" for step in steps]
        parts.append("\n".join([*rows, f"| **saved** | **{_saved(steps):.1%}** | |"]))
    return "\n\n".join([*parts, *explanation.run.notes]) + "\n"


FORMATS: dict[str, Callable[[Explanation], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
}
"""Renderers by the name that ``--format`` takes."""
