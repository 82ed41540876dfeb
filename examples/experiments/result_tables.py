"""Tables and plots of an experiment: rows are chosen on calibration images, and measured on others."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from comparison import NO_SEED, Experiment, Row

from zapsim.files import write_atomically
from zapsim.frontend.evaluation import Evaluation
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.quality import ImageOutcomes
from zapsim.report.style import Layout, add_legend, grid, legend_handles, line_look, new_figure, save_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURE: tuple[tuple[str, str, str], ...] = (
    ("value", "lost", ".2%"),
    ("low", "from", ".2%"),
    ("high", "to", ".2%"),
    ("least", "least", ".2%"),
    ("most", "most", ".2%"),
)
_MACS = (
    ("macs_skipped", "MACs skipped", ".1%"),
    ("macs_saved", "net saved", ".1%"),
    ("saved_of_perfect", "net of perfect", ".1%"),
)
POINTS = (
    ("pattern", "pattern", ""),
    ("method", "method", ""),
    ("budget", "E", ""),
    ("seeds", "seeds", "d"),
    ("calibrate_value", "lost, calibrate", ".2%"),
    *_FIGURE,
    *_MACS,
)
CHOSEN = (
    *POINTS[:2],
    ("limit", "lost at most", ""),
    ("budget", "E", ""),
    *POINTS[3:5],
    *_FIGURE,
    *_MACS[:2],
    ("difference", "net saved less the neighbours'", "+.1%"),
    ("difference_least", "least", "+.1%"),
    ("difference_most", "most", "+.1%"),
)


def choose(rows: Iterable[Row], limit: float, figure: str) -> Row | None:
    """Return the row that saves most of those that lose at most `limit` on calibration images; None if none does."""
    within = [row for row in rows if row.calibrate.figures[figure].value <= limit + 1e-12]
    return max(within, key=lambda row: row.calibrate.macs_saved, default=None)


def chosen_table(
    experiment: Experiment, rows: Sequence[Row], wanted: Sequence[tuple[str, float]], seeds: Sequence[int]
) -> str:
    """Return, pattern by pattern, what is chosen for each method and limit on the calibration images, as it tests.

    A seed for which nothing is within the limit skips nothing. The methods that are not trained are the same for all
    seeds.
    """
    records = []
    for pattern in dict.fromkeys(row.pattern for row in rows):
        perfect_row = next(row for row in rows if row.pattern == pattern)

        def chosen(method: str, limit: float, pattern: str = pattern, nothing: Row = perfect_row) -> list[Row]:
            of_method = [row for row in rows if (row.pattern, row.method) == (pattern, method)]
            best = []
            for seed in seeds:
                of_seed = [row for row in of_method if row.seed in (seed, NO_SEED)]
                row = choose(of_seed, limit, experiment.figure)
                best.append(row or _nothing(nothing, method, of_seed[0].seed if of_seed else seed))
            return best

        for method, limit in wanted:
            record = summary(experiment, chosen(method, limit), perfect_row) | {"limit": f"{limit:.1%}"}
            if method not in ("neighbours", "rule"):
                pairs = zip(chosen(method, limit), chosen("neighbours", limit), strict=True)
                saved = [ours.test.macs_saved - theirs.test.macs_saved for ours, theirs in pairs]
                record |= {
                    "difference": float(np.mean(saved)),
                    "difference_least": min(saved),
                    "difference_most": max(saved),
                }
            records.append(record)
    return markdown(records, CHOSEN)


def _nothing(perfect_row: Row, method: str, seed: int) -> Row:
    """Return the row of a method that skips nothing."""

    def dense(evaluation: Evaluation) -> Evaluation:
        outcomes = evaluation.outcomes
        agreed = None if outcomes.agreed is None else np.ones_like(outcomes.agreed)
        zeros = np.zeros_like(outcomes.error)
        none = replace(outcomes, error=zeros, agreed=agreed, right=outcomes.right_unmodified, macs_saved=zeros)
        return replace(evaluation, name=method, layers=(), figures=none.figures(), outcomes=none)

    return Row(perfect_row.pattern, method, "none", seed, dense(perfect_row.calibrate), dense(perfect_row.test))


def pooled(evaluations: Sequence[Evaluation]) -> ImageOutcomes:
    """Return the outcomes of several seeds together: an image that comes with every seed is of the same photograph."""
    outcomes = [evaluation.outcomes for evaluation in evaluations]
    first = outcomes[0]

    def joined(values: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate(list(values))

    return ImageOutcomes(
        joined(one.places for one in outcomes),
        joined(one.error for one in outcomes),
        joined(one.norm for one in outcomes),
        None if first.agreed is None else joined(one.agreed for one in outcomes),
        {top: joined(one.right[top] for one in outcomes) for top in first.right},
        {top: joined(one.right_unmodified[top] for one in outcomes) for top in first.right},
        joined(one.macs_saved for one in outcomes),
    )


def summary(experiment: Experiment, rows: Sequence[Row], perfect_row: Row) -> Record:
    """Return a line of the tables: one method over seeds, on the test images unless it says calibrate."""
    calibrate, test = (pooled([getattr(row, name) for row in rows]).figures() for name in ("calibrate", "test"))
    figure = test[experiment.figure]
    of_seeds = [row.test.figures[experiment.figure].value for row in rows]
    saved = float(np.mean([row.test.macs_saved for row in rows]))
    seeds = {row.seed for row in rows}
    budgets = list(dict.fromkeys(row.budget for row in rows))
    return {
        "pattern": rows[0].pattern,
        "method": rows[0].method,
        "budget": " / ".join(budgets),
        "seeds": len(seeds),
        "calibrate_value": calibrate[experiment.figure].value,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "least": min(of_seeds),
        "most": max(of_seeds),
        "macs_skipped": float(np.mean([row.test.macs_skipped for row in rows])),
        "macs_saved": saved,
        "saved_of_perfect": saved / perfect_row.test.macs_skipped,
        "images": figure.images // len(rows),
        "photographs": figure.photographs,
    }


def summaries(experiment: Experiment, rows: Sequence[Row]) -> list[Record]:
    """Return a line for every method and budget, over its seeds."""
    perfect_rows = {row.pattern: row for row in reversed(rows) if row.method == "perfect"}
    points_of = dict.fromkeys((row.pattern, row.method, row.budget) for row in rows)
    return [
        summary(
            experiment, [row for row in rows if (row.pattern, row.method, row.budget) == point], perfect_rows[point[0]]
        )
        for point in points_of
    ]


def csv_text(records: Sequence[Record]) -> str:
    """Return all records as CSV, with every column that any of them has."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def write_results(folder: Path, name: str, text: str, records: Sequence[Record], title: str) -> None:
    """Write ``name.md``, ``name.csv`` and ``name.png`` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.md", text)
    write_atomically(folder / f"{name}.csv", csv_text(records))
    save_figure(plot(records, title), folder / f"{name}.png")
    print(text)


@styled
def plot(records: Sequence[Record], title: str) -> Figure:
    """Draw lost accuracy over MACs skipped: a panel per pattern, a line per method."""
    patterns = list(dict.fromkeys(str(record["pattern"]) for record in records))
    figure = new_figure(Layout("page", title), 2.4)
    panels = figure.subplots(1, len(patterns), sharey=True, squeeze=False)[0]
    for panel, pattern in zip(panels, patterns, strict=True):
        for index, method in enumerate(dict.fromkeys(str(record["method"]) for record in records)):
            chosen = [record for record in records if (record["pattern"], record["method"]) == (pattern, method)]
            chosen.sort(key=lambda record: record["macs_saved"])
            across, up = ([100 * float(record[key]) for record in chosen] for key in ("macs_saved", "value"))
            bars = [
                [100 * (float(record["value"]) - float(record["low"])) for record in chosen],
                [100 * (float(record["high"]) - float(record["value"])) for record in chosen],
            ]
            panel.errorbar(across, up, yerr=bars, capsize=1.5, elinewidth=0.7, label=method, **line_look(index))
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_title(f"pattern {pattern}")
        panel.set_xlabel("MACs saved, net of the\npredictor's, %")
        panel.set_ylim(-0.6, 4)
        grid(panel, "both")
    panels[0].set_ylabel("top-1 lost, percentage points")
    add_legend(figure, legend_handles(panels[0]), 5)
    return figure
