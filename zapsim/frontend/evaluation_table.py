"""Evaluations as flat records, and these as text: terminal table, CSV, JSON, Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, overload

from rich.console import Console
from rich.table import Table

from zapsim.frontend.evaluation import Evaluation
from zapsim.reading.escape import csv_cell
from zapsim.reading.escape import markdown as escape_markdown
from zapsim.tracefile.records import OperatingPoint

Cell = str | int | float
Record = dict[str, Cell]


def network_record(evaluation: Evaluation) -> Record:
    """Return one method's figures over the whole network; shares are of 1, intervals 95 % over photographs."""
    record: Record = {
        "method": evaluation.name,
        "images": evaluation.images,
        "photographs": evaluation.photographs,
        "macs_saved": evaluation.macs_saved,
        "macs_skipped": evaluation.macs_skipped,
        "predictor_macs_share": evaluation.predictor_share,
        "perfect_macs_skipped": evaluation.perfect_bound,
    }
    for name, figure in evaluation.figures.items():
        record |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return record


_ASKED = ("asked_summed_error", "asked_macs_saved")


def asked_record(evaluation: Evaluation, point: OperatingPoint | None) -> Record:
    """Return what an operating point was asked for, and the summed error that it achieves; empty for other methods."""
    asked = {name: "" if point is None else point.quality.get(name, "") for name in _ASKED}
    was_asked = point is not None and any(name in point.quality for name in _ASKED)
    achieved = evaluation.summed_error(point.error_weights) if was_asked and point is not None else ""
    return {**asked, "summed_error": achieved}


def difference_record(evaluation: Evaluation, reference: Evaluation) -> Record:
    """Return the differences to another method, with their intervals; empty for the reference itself."""
    record: Record = {"reference": reference.name}
    for name, figure in evaluation.minus(reference).items():
        bounds = {"": figure.value, "_low": figure.low, "_high": figure.high}
        own = evaluation is reference
        record |= {f"{name}_difference{bound}": "" if own else value for bound, value in bounds.items()}
    return record


def layer_records(evaluation: Evaluation) -> list[Record]:
    """Return one method's confusion layer by layer: outputs over all images."""
    return [
        {
            "method": evaluation.name,
            "layer": layer.name,
            "pattern": layer.pattern,
            "pattern_outputs": layer.pattern_outputs,
            "zero_computed": layer.zero_computed,
            "zero_skipped": layer.zero_skipped,
            "nonzero_computed": layer.nonzero_computed,
            "nonzero_skipped": layer.nonzero_skipped,
            "skipped_share": layer.skipped / layer.outputs,
            "perfect_share": layer.skippable / layer.outputs,
            "zeros_found": layer.zeros_found,
            "nonzeros_lost": layer.nonzeros_lost,
        }
        for layer in evaluation.layers
    ]


def markdown(records: Sequence[Record], columns: Sequence[tuple[str, str, str]]) -> str:
    """Return a Markdown table of `columns`: (key, heading, format specification); missing values are empty."""
    lines = [[heading for _, heading, _ in columns], ["---" if not show else "---:" for _, _, show in columns]]
    lines += [[_escaped(record.get(key, ""), show) for key, _, show in columns] for record in records]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cell_text(value: Cell, show: str) -> str:
    """Return a value as people read it."""
    return value if isinstance(value, str) else format(value, show)


def _escaped(value: Cell, show: str) -> str:
    return escape_markdown(cell_text(value, show))


Column = tuple[str, str, str]
"""Key of a record, heading, format specification (empty: text)."""

_NETWORK: tuple[Column, ...] = (
    ("method", "method", ""),
    ("macs_saved", "MACs saved", ".2%"),
    ("macs_skipped", "MACs skipped", ".2%"),
    ("predictor_macs_share", "predictor", ".2%"),
    ("perfect_macs_skipped", "perfect skips", ".2%"),
)
_ASKED_COLUMN: Column = ("asked", "asked", "")
_ERROR_COLUMN: Column = ("summed_error", "achieved error", "")
_LAYERS: tuple[Column, ...] = (
    ("method", "method", ""),
    ("layer", "layer", ""),
    ("pattern", "pattern", ""),
    ("skipped_share", "skipped", ".1%"),
    ("perfect_share", "perfect skips", ".1%"),
    ("zero_computed", "zero, computed", ",d"),
    ("zero_skipped", "zero, skipped", ",d"),
    ("nonzero_computed", "non-zero, computed", ",d"),
    ("nonzero_skipped", "non-zero, skipped", ",d"),
    ("zeros_found", "zeros found", ".1%"),
    ("nonzeros_lost", "non-zeros lost", ".1%"),
)


@dataclass(frozen=True, slots=True)
class EvaluationTable(Sequence[Evaluation]):
    """Evaluations of several methods on the same images.

    Attributes
    ----------
    evaluations
        Baselines without rates first, then operating points, then their baselines at random, then adapted weights.
    provenance
        How they were made.
    points
        The operating points by name, which say what was asked for.
    reference
        Name of the method to which the others' differences are taken.
    """

    evaluations: tuple[Evaluation, ...]
    provenance: Mapping[str, Any]
    points: Mapping[str, OperatingPoint]
    reference: str

    @property
    def _left_out(self) -> list[str]:
        """The line that says which layers of the network are not simulated, if there are any."""
        layers = self.provenance.get("not_simulated")
        return [str(layers["what"])] if layers else []

    def __len__(self) -> int:
        return len(self.evaluations)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, index: int | slice) -> Evaluation | tuple[Evaluation, ...]:
        return self.evaluations[index]

    def records(self) -> list[Record]:
        """Return a record per method: figures of the whole network, what was asked for, differences; with intervals."""
        reference = next(evaluation for evaluation in self if evaluation.name == self.reference)
        return [
            network_record(evaluation)
            | asked_record(evaluation, self.points.get(evaluation.name))
            | difference_record(evaluation, reference)
            for evaluation in self
        ]

    def to_dataframe(self) -> Any:
        """Return a ``pandas.DataFrame`` of :meth:`records`."""
        import pandas as pd

        return pd.DataFrame(self.records())

    def to_json(self) -> str:
        """Return all figures, of networks and layers, and the provenance as JSON."""
        return self.render("json")

    def _repr_html_(self) -> str:
        """Show a table in notebooks."""
        columns = self._columns()
        rows = _shown(self.records(), self)
        head = "".join(f"<th>{escape(heading)}</th>" for _, heading, _ in columns)
        lines = [
            "".join(f"<td>{escape(cell_text(row.get(key, ''), show))}</td>" for key, _, show in columns) for row in rows
        ]
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

    def render(self, form: str, width: int | None = None) -> str:
        """Return the evaluations as ``table``, ``csv``, ``json`` or ``markdown``, with a final newline.

        A ``table`` is `width` characters wide (None: 200); columns that do not fit follow in further tables.
        """
        networks = self.records()
        layers = [record for evaluation in self for record in layer_records(evaluation)]
        note = self[0].note
        if form == "json":
            document = {"networks": networks, "layers": layers, "measured": note, "provenance": self.provenance}
            return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if form == "csv":
            return f"# measured {note}\n{_csv(networks)}\n{_csv(layers)}"
        columns, differences = self._columns(), self._differences()
        shown = _shown(networks, self)
        photographs = self[0].photographs
        basis = (
            f"easured {note}, {self[0].images} images of {photographs} photographs; intervals of 95 % over photographs"
        )
        if form == "markdown":
            tables = [markdown(shown, columns), markdown(shown, differences), markdown(layers, _LAYERS)]
            return "\n".join([*tables, *self._left_out, f"M{basis}.\n"])
        text = io.StringIO()
        console = Console(file=text, width=width or 200, highlight=False, markup=False, emoji=False)
        for records, part in ((shown, columns), (shown, differences), (layers, _LAYERS)):
            _print_table(console, records, part)
        console.print(f"m{basis}", soft_wrap=True)
        for line in self._left_out:
            console.print(line, soft_wrap=True)
        return text.getvalue()

    def _columns(self) -> list[Column]:
        """Return the columns of the first table; what was asked for is shown if anything was."""
        asked = [_ASKED_COLUMN, _ERROR_COLUMN] if any(asked_text(point) for point in self.points.values()) else []
        return [*_NETWORK, *asked, *_figures(self[0])]

    def _differences(self) -> list[Column]:
        """Return the columns of the table of differences."""
        names = self[0].minus(self[0])
        texts = {name: name.replace("_", " ").replace("macs", "MACs") for name in names}
        figures = [(f"{name}_difference", f"{text} − {self.reference}", "") for name, text in texts.items()]
        return [_NETWORK[0], *figures]


def asked_text(point: OperatingPoint | None) -> str:
    """Say what an operating point was asked for."""
    if point is None:
        return ""
    weighted = "weighted error" if point.error_weights else "summed error"
    texts = {"asked_summed_error": f"{weighted} {{:g}}", "asked_macs_saved": "{:.1%} of MACs saved"}
    return ", ".join(texts[name].format(point.quality[name]) for name in _ASKED if name in point.quality)


def _figures(evaluation: Evaluation) -> list[Column]:
    return [(name, name.replace("_", " "), "") for name in evaluation.figures]


def _shown(records: Sequence[Record], evaluations: EvaluationTable) -> list[Record]:
    """Return the records with every figure and its interval in one cell, and in words what was asked for."""
    cells: list[Record] = []
    for record, evaluation in zip(records, evaluations.evaluations, strict=True):
        figures: Record = {
            name: f"{estimate.value:.2%} ({estimate.low:.2%} to {estimate.high:.2%})"
            for name, estimate in evaluation.figures.items()
        }
        for name in [key.removesuffix("_low") for key in record if key.endswith("_difference_low")]:
            value, low, high = (record[f"{name}{bound}"] for bound in ("", "_low", "_high"))
            figures[name] = value if isinstance(value, str) else f"{value:+.2%} ({low:+.2%} to {high:+.2%})"
        error = record["summed_error"]
        figures["asked"] = asked_text(evaluations.points.get(evaluation.name))
        figures["summed_error"] = error if isinstance(error, str) else f"{error:.3f}"
        cells.append(record | figures)
    return cells


def _csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in record.items()} for record in records)
    return text.getvalue()


def _print_table(console: Console, records: Sequence[Record], columns: Sequence[Column]) -> None:
    """Print a table, in several parts that each name the rows if the console is too narrow for one."""
    unlimited = console.options.update(width=10_000)  # else no table is wider than the console
    names = [column for column in columns if column[0] in ("method", "layer")]
    left = [column for column in columns if column not in names]

    def fits(count: int) -> bool:
        table = _table(records, [*names, *left[:count]])
        return console.measure(table, options=unlimited).maximum <= console.width

    while left:
        count = next((n for n in range(len(left), 1, -1) if fits(n)), 1)
        console.print(_table(records, [*names, *left[:count]]))
        del left[:count]


def _table(records: Sequence[Record], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False)
    for _, heading, show in columns:
        table.add_column(heading, justify="right" if show else "left")
    for record in records:
        table.add_row(*(cell_text(record.get(key, ""), show) for key, _, show in columns))
    return table
