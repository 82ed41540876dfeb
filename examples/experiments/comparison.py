"""Predictors beside their baselines on one network: tables of accuracy and MACs, and a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zapsim.files import write_atomically
from zapsim.frontend.baselines import NeighbourRule, perfect, random_like
from zapsim.frontend.curves import measure_curves
from zapsim.frontend.evaluation import Evaluation, evaluate
from zapsim.frontend.evaluation_table import Record, markdown, network_record
from zapsim.frontend.graph import Graph
from zapsim.frontend.images import ImageSet
from zapsim.frontend.methods import Method, predicting
from zapsim.frontend.network import Network
from zapsim.frontend.operating_points import trade_off
from zapsim.frontend.predictor import Predictor
from zapsim.frontend.scorer import Scorer

COLUMNS = (
    ("pattern", "pattern", ""),
    ("method", "method", ""),
    ("budget", "E", ""),
    ("top1_accuracy", "top-1", ".2%"),
    ("top1_lost", "lost", ".2%"),
    ("top1_lost_low", "from", ".2%"),
    ("top1_lost_high", "to", ".2%"),
    ("macs_skipped", "MACs skipped", ".1%"),
    ("macs_saved", "net saved", ".1%"),
    ("skipped_of_perfect", "skipped of perfect", ".1%"),
    ("saved_of_perfect", "net of perfect", ".1%"),
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """What stays the same over all patterns.

    `calibration` images set the thresholds, `test` images measure what they cost.
    """

    network: Network
    graph: Graph
    calibration: ImageSet
    test: ImageSet
    budgets: tuple[float, ...]
    random_budgets: tuple[float, ...]


def compare(experiment: Experiment, pattern: str, predictors: Mapping[str, Predictor]) -> list[Record]:
    """Return one record a method and operating point, for predictors of one pattern."""
    patterns = dict.fromkeys(predictors, pattern)
    rules = {name: NeighbourRule(pattern) for name in predictors}
    methods = [perfect(patterns)]
    methods += points(experiment, predictors, "ZAP") + points(experiment, rules, "neighbours", free=True)
    found = list(evaluate(experiment.network.model, experiment.graph, methods, experiment.test))
    chance = [
        random_like(one, patterns, name=one.name.replace("ZAP", "random"))
        for one in found
        if one.name.startswith("ZAP ") and float(one.name.split()[1]) in experiment.random_budgets
    ]
    if chance:
        found += evaluate(experiment.network.model, experiment.graph, chance, experiment.test)
    return [record(one, pattern, found[0].macs_skipped) for one in found]


def points(experiment: Experiment, scorers: Mapping[str, Scorer], name: str, *, free: bool = False) -> list[Method]:
    """Return `scorers` at the best thresholds for every budget, named after it."""
    network = experiment.network
    curves = measure_curves(network.model, experiment.graph, scorers, experiment.calibration, free=free)
    tuned = trade_off(curves, experiment.budgets)
    return [
        predicting(scorers, point.setting, f"{name} {budget:g}", free=free)
        for point, budget in zip(tuned, experiment.budgets, strict=True)
    ]


def record(evaluation: Evaluation, pattern: str, perfect_saving: float, method: str | None = None) -> Record:
    """Return one row of the tables; `perfect_saving` is what a perfect predictor saves of the unmodified network."""
    name, _, budget = evaluation.name.partition(" ")
    return network_record(evaluation) | {
        "pattern": pattern,
        "method": method or name,
        "budget": budget,
        "skipped_of_perfect": evaluation.macs_skipped / perfect_saving,
        "saved_of_perfect": evaluation.macs_saved / perfect_saving,
    }


def best_within(records: Sequence[Record], pattern: str, method: str, most_lost: float) -> Record | None:
    """Return the record that skips most of those that lose at most `most_lost` of the top-1 accuracy, or None."""
    kept = [
        one
        for one in records
        if (one["pattern"], one["method"]) == (pattern, method) and float(one["top1_lost"]) <= most_lost + 1e-12
    ]
    return max(kept, key=lambda one: one["macs_skipped"], default=None)


def csv_text(records: Sequence[Record]) -> str:
    """Return all records as CSV, with every column that any of them has."""
    keys = list(dict.fromkeys(["pattern", "method", "budget", *(key for one in records for key in one)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def target_table(records: Sequence[Record], patterns: Sequence[str], wanted: Sequence[tuple[str, float]]) -> str:
    """Return the best point of each method within its limit of lost accuracy, pattern by pattern."""
    found = []
    for pattern in patterns:
        for method, most_lost in wanted:
            best = best_within(records, pattern, method, most_lost)
            blank: Record = {"pattern": pattern, "method": method}
            found.append((best or blank) | {"limit": f"{most_lost:.1%}"})
    return markdown(found, (COLUMNS[0], COLUMNS[1], ("limit", "lost at most", ""), *COLUMNS[2:]))


def write_results(folder: Path, name: str, text: str, records: Sequence[Record], title: str) -> None:
    """Write ``name.md``, ``name.csv`` and ``name.png`` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.md", text)
    write_atomically(folder / f"{name}.csv", csv_text(records))
    plot(records, folder / f"{name}.png", title)
    print(text)


def plot(records: Sequence[Record], path: Path, title: str) -> None:
    """Draw lost accuracy over MACs skipped: one panel a pattern, one line a method."""
    from matplotlib.figure import Figure

    patterns = list(dict.fromkeys(str(one["pattern"]) for one in records))
    figure = Figure(figsize=(3.6 * len(patterns), 3.6), layout="constrained")
    panels = figure.subplots(1, len(patterns), sharey=True, squeeze=False)[0]
    for panel, pattern in zip(panels, patterns, strict=True):
        for method in dict.fromkeys(str(one["method"]) for one in records):
            chosen = [one for one in records if (one["pattern"], one["method"]) == (pattern, method)]
            chosen.sort(key=lambda one: one["macs_saved"])
            across, up = ([100 * float(one[key]) for one in chosen] for key in ("macs_saved", "top1_lost"))
            bars = [
                [max(0.0, 100 * (float(one["top1_lost"]) - float(one["top1_lost_low"]))) for one in chosen],
                [max(0.0, 100 * (float(one["top1_lost_high"]) - float(one["top1_lost"]))) for one in chosen],
            ]
            style = "*" if method == "perfect" else "o-"
            panel.errorbar(across, up, yerr=bars, fmt=style, markersize=4, linewidth=1, capsize=2, label=method)
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_title(f"pattern {pattern}")
        panel.set_xlabel("MACs saved, net of the predictor's, %")
        panel.set_ylim(-0.6, 4)
    panels[0].set_ylabel("top-1 lost, percentage points")
    panels[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)
