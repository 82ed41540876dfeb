"""Evaluations as flat records: one a method, and one a method and layer."""

from __future__ import annotations

from collections.abc import Sequence

from zapsim.frontend.evaluation import Evaluation

Cell = str | int | float
Record = dict[str, Cell]


def network_record(evaluation: Evaluation) -> Record:
    """Return one method's figures over the whole network; shares are of 1, intervals 95 % over images."""
    record: Record = {
        "method": evaluation.name,
        "images": evaluation.images,
        "macs_saved": evaluation.macs_saved,
        "macs_skipped": evaluation.macs_skipped,
        "predictor_macs_share": evaluation.predictor_share,
        "perfect_macs_skipped": evaluation.perfect_bound,
    }
    for name, figure in evaluation.figures.items():
        record |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return record


def layer_records(evaluation: Evaluation) -> list[Record]:
    """Return one method's confusion layer by layer: outputs over all images."""
    return [
        {
            "method": evaluation.name,
            "layer": layer.name,
            "pattern": layer.pattern,
            "pattern_outputs": layer.pattern_outputs,
            "zero_kept": layer.zero_kept,
            "zero_skipped": layer.zero_skipped,
            "nonzero_kept": layer.nonzero_kept,
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
    return cell_text(value, show).replace("|", r"\|")
