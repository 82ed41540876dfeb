"""An explanation of savings as a table, CSV, JSON or Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.columns import BY_NAME
from zapsim.errors import printable
from zapsim.reading.escape import csv_cell, markdown
from zapsim.report.attribution import Explanation, Step
from zapsim.report.conclusion import of_explanation
from zapsim.report.formats import markdown_table
from zapsim.report.terminal import plain_console
from zapsim.report.view import View, footer, wrapped

MEANINGS: dict[str, str] = {
    "zero outputs": "if all fell as the MACs, and all zeros were known",
    "no predictor": "zeros of layers that have no predictor",
    "pattern": "zeros in the pattern, which are always computed",
    "errors": "zeros missed, less non-zero outputs that are skipped",
    "rigid array": "MACs that the array, mapped for two stages, cannot skip",
    "imbalance": "PEs wait for the one with the most work",
    "buses": "ifmaps and psums cross the bus twice, or in the open",
    "second loads": "filters are loaded, the array filled, for two stages",
    "predictor": "waiting for the predictor, or its own energy",
    "DRAM": "the array waits for memory",
}
"""Meaning of each step; components of energy explain themselves."""


_COMPONENTS: Final[dict[str, str]] = {
    "mac": "the MAC units",
    "spads": "scratch pads and registers beside the MAC units",
    "noc": "buses and wires between the GLB and the array",
    "glb": "the global buffer",
    "dram": "accesses to DRAM",
    "clock": "the clock network and leakage",
    "control": "control and FIFOs of the PEs",
}
"""Meaning of the components of energy."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A step, what is left after it, and the cycles or the pJ of the baseline of which both are shares."""

    step: Step
    left: float
    whole: float


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its heading, and its text of a row for the unit and its scale that the section has."""

    heading: str
    text: Callable[[_Row, float], str]
    right: bool = True


_COLUMNS: Final[dict[str, _Column]] = {
    "share": _Column("of the {section}, %", lambda row, _: f"{100 * row.step.share:+.1f}"),
    "left": _Column("left, %", lambda row, _: f"{100 * row.left:.1f}"),
    "amount": _Column("{section}, {unit}", lambda row, scale: f"{row.step.share * row.whole / scale:+,.1f}"),
    "meaning": _Column("meaning", lambda row, _: _meaning(row.step.cause), right=False),
}
_DEFAULT: Final = ("share", "left", "meaning")
_TOTAL: Final = ("share",)
"""Default columns, and those of the totals alone."""


def check_explanation_view(form: str, view: View) -> None:
    """Check before the work that a format can show what is selected.

    Raises
    ------
    ZapsimError
        If a column is named that there is not, or anything is selected of CSV or JSON, which hold everything.
    """
    view.check_whole(form, ("csv", "json"))
    view.chosen(_COLUMNS, _DEFAULT, tuple(_COLUMNS))


def render_explanation(explanation: Explanation, form: str, view: View = View(whole_provenance=True)) -> str:  # noqa: B008
    """Render the explanation in one of :data:`FORMATS`, with a final newline.

    Raises
    ------
    ZapsimError
        If the view names a column that there is not, or selects anything of CSV or JSON.
    """
    check_explanation_view(form, view)
    return FORMATS[form](explanation, view)


def _sections(explanation: Explanation) -> Sequence[tuple[str, tuple[Step, ...]]]:
    return ("cycles", explanation.cycles), ("energy", explanation.energy)


def _saved(steps: Sequence[Step]) -> float:
    return math.fsum(step.share for step in steps)


def _table(explanation: Explanation, view: View) -> str:
    text = io.StringIO()
    print_explanation(explanation, plain_console(text), view)
    return text.getvalue()


def print_explanation(explanation: Explanation, console: Console, view: View) -> None:
    """Print the conclusion and the steps of the cycles and of the energy; the last row of each is what is saved."""
    run = explanation.run
    for line in wrapped([of_explanation(explanation), "", run.headline], view, console.width):
        console.print(line, soft_wrap=True)
    for name, steps in _sections(explanation):
        headings, left, rows = _cells(explanation, name, steps, view)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading, is_left in zip(headings, left, strict=True):
            table.add_column(heading, justify="left" if is_left else "right")
        for row in rows[:-1]:
            table.add_row(*row)
        if rows[:-1]:
            table.add_section()
        table.add_row(*rows[-1], style="bold")
        console.print(table)
    notes = run.notes if view.whole_provenance else [*run.notes[:-1], footer(run.provenance)]
    for line in wrapped(notes, view, console.width):
        console.print(line, style="dim", soft_wrap=True)


def _cells(
    explanation: Explanation, name: str, steps: Sequence[Step], view: View
) -> tuple[list[str], list[bool], list[list[str]]]:
    """Return headings, which columns are aligned to the left, and the rows as text, the last of which is the saving."""
    baseline = explanation.run.total.baseline
    whole = float(baseline.cycles.total) if name == "cycles" else baseline.total_energy_pj
    unit, scale = _unit(name, whole)
    columns = view.chosen(_COLUMNS, _TOTAL if view.totals else _DEFAULT, tuple(_COLUMNS))
    rows, left = [], 0.0
    for step in steps:
        left += step.share
        rows.append([step.cause, *(column.text(_Row(step, left, whole), scale) for column in columns)])
    saved = _Row(Step(f"{name} saved", left), left, whole)
    last = [saved.step.cause, *(column.text(saved, scale) if column.right else "" for column in columns)]
    headings = [column.heading.format(section=name, unit=unit) for column in columns]
    kept = [] if view.totals else rows
    return ["cause", *headings], [True, *(not column.right for column in columns)], [*kept, last]


def _meaning(cause: str) -> str:
    return MEANINGS.get(cause, _COMPONENTS.get(cause, ""))


def _unit(name: str, whole: float) -> tuple[str, float]:
    """Return the unit, and what of the base unit is in one, that fits all of the cycles or of the energy."""
    column = BY_NAME["baseline_cycles" if name == "cycles" else "baseline_energy"].fitted([whole])
    return column.unit or "cycles", column.scale


def _csv(explanation: Explanation, _view: View) -> str:
    text = io.StringIO()
    for line in (explanation.run.headline, *explanation.run.notes):
        text.write(f"# {printable(line)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["of", "cause", "share"])
    writer.writerows(
        [csv_cell(name), step.cause, step.share] for name, steps in _sections(explanation) for step in steps
    )
    return text.getvalue()


def _json(explanation: Explanation, _view: View) -> str:
    whole = {
        "headline": explanation.run.headline,
        "arch": explanation.run.arch,
        "quality_note": explanation.run.quality_note,
        **{name: {step.cause: step.share for step in steps} for name, steps in _sections(explanation)},
        "saved": {name: _saved(steps) for name, steps in _sections(explanation)},
        "provenance": explanation.run.provenance,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _markdown(explanation: Explanation, view: View) -> str:
    parts = [markdown(of_explanation(explanation)), markdown(explanation.run.headline)]
    for name, steps in _sections(explanation):
        headings, left, rows = _cells(explanation, name, steps, view)
        last = [f"**{cell}**" if cell else "" for cell in rows[-1]]
        parts.append(markdown_table([headings, *rows[:-1], last], left))
    return "\n\n".join([*parts, *map(markdown, explanation.run.notes)]) + "\n"


FORMATS: dict[str, Callable[[Explanation, View], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
}
"""Renderers by the name that ``--format`` takes."""
