"""Predictors beside their baselines on one network: tables of accuracy and MACs, and a plot."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from zapsim.files import write_atomically
from zapsim.frontend.baselines import perfect, random_like
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.evaluation_table import Record, markdown, network_record
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, operating_point, predicting
from zapsim.frontend.training.adaptation import recalibrate
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.operating_points import trade_off
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted
from zapsim.report.plot import save_figure

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

    `calibration` images set the thresholds, `test` images measure what they cost. `recalibrated` adds the predictors
    with batch normalisation measured anew on the calibration images.
    """

    network: Network
    graph: Graph
    calibration: ImageSet
    test: ImageSet
    budgets: tuple[float, ...]
    random_budgets: tuple[float, ...]
    recalibrated: bool = False


def compare(experiment: Experiment, pattern: str, predictors: Mapping[str, ZapPredictor]) -> list[Record]:
    """Return a record per method and operating point, for predictors of one pattern; the first is the perfect one."""
    model, graph = experiment.network.model, experiment.graph
    patterns = dict.fromkeys(predictors, pattern)
    rules = {name: NeighbourRule(pattern) for name in predictors}
    trained = points(experiment, predictors, "ZAP")
    methods = [perfect(patterns), *trained, *points(experiment, rules, "neighbours")]
    # As published: zero where all computed neighbours are zero, nothing to tune.
    methods.append(predicting(rules, operating_point("rule", rules, dict.fromkeys(rules, 0.0))))
    evaluations = list(run_methods(model, graph, methods, experiment.test))
    chance = [
        random_like(evaluation, patterns, name=evaluation.name.replace("ZAP", "random"))
        for evaluation in evaluations
        if evaluation.name.startswith("ZAP ") and float(evaluation.name.split()[1]) in experiment.random_budgets
    ]
    if chance:
        evaluations += run_methods(model, graph, chance, experiment.test)
    records = [record(evaluation, pattern, evaluations[0].macs_skipped) for evaluation in evaluations]
    for method in trained if experiment.recalibrated else ():
        state = recalibrate(model, graph, method, experiment.calibration)
        evaluation = evaluate_with(experiment, state, method)
        records.append(record(evaluation, pattern, evaluations[0].macs_skipped, "ZAP, recalibrated"))
    return records


def evaluate_with(experiment: Experiment, state: Mapping[str, torch.Tensor], method: Method) -> Evaluation:
    """Return the evaluation of `method` in the network with other weights, compared with the network as it is."""
    model = copy.deepcopy(experiment.network.model)
    model.load_state_dict(state)
    return run_methods(model, experiment.graph, [method], experiment.test, reference=experiment.network.model)[0]


def weighted_curves(experiment: Experiment, scorers: Mapping[str, Scorer]) -> Curves:
    """Return the curves of `scorers` on the calibration images, their errors weighed by what they do to the output."""
    model, graph, images = experiment.network.model, experiment.graph, experiment.calibration
    curves = measure_curves(model, graph, scorers, images)
    few = images.first(min(len(images), 1000))
    return weighted(curves, measure_sensitivities(model, graph, scorers, curves, few))


def points(experiment: Experiment, scorers: Mapping[str, Scorer], name: str) -> list[Method]:
    """Return `scorers` at the best thresholds for every budget, named after it."""
    tuned = trade_off(weighted_curves(experiment, scorers), experiment.budgets)
    return [
        predicting(scorers, point, f"{name} {budget:g}")
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


def best_within(
    records: Sequence[Record], pattern: str, method: str, most_lost: float, figure: str = "top1_lost"
) -> Record | None:
    """Return the record that skips most of those whose `figure` is at most `most_lost`, or None."""
    within = [
        record
        for record in records
        if (record["pattern"], record["method"]) == (pattern, method) and float(record[figure]) <= most_lost + 1e-12
    ]
    return max(within, key=lambda record: record["macs_skipped"], default=None)


def csv_text(records: Sequence[Record]) -> str:
    """Return all records as CSV, with every column that any of them has."""
    keys = list(dict.fromkeys(["pattern", "method", "budget", *(key for record in records for key in record)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def target_table(records: Sequence[Record], patterns: Sequence[str], wanted: Sequence[tuple[str, float]]) -> str:
    """Return the best point of each method within its limit of lost accuracy, pattern by pattern."""
    best_records = []
    for pattern in patterns:
        for method, most_lost in wanted:
            best = best_within(records, pattern, method, most_lost)
            blank: Record = {"pattern": pattern, "method": method}
            best_records.append((best or blank) | {"limit": f"{most_lost:.1%}"})
    return markdown(best_records, (COLUMNS[0], COLUMNS[1], ("limit", "lost at most", ""), *COLUMNS[2:]))


def write_results(folder: Path, name: str, text: str, records: Sequence[Record], title: str) -> None:
    """Write ``name.md``, ``name.csv`` and ``name.png`` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.md", text)
    write_atomically(folder / f"{name}.csv", csv_text(records))
    plot(records, folder / f"{name}.png", title)
    print(text)


def plot(records: Sequence[Record], path: Path, title: str) -> None:
    """Draw lost accuracy over MACs skipped: a panel per pattern, a line per method."""
    from matplotlib.figure import Figure

    patterns = list(dict.fromkeys(str(record["pattern"]) for record in records))
    figure = Figure(figsize=(3.6 * len(patterns), 3.6), layout="constrained")
    panels = figure.subplots(1, len(patterns), sharey=True, squeeze=False)[0]
    for panel, pattern in zip(panels, patterns, strict=True):
        for method in dict.fromkeys(str(record["method"]) for record in records):
            chosen = [record for record in records if (record["pattern"], record["method"]) == (pattern, method)]
            chosen.sort(key=lambda record: record["macs_saved"])
            across, up = ([100 * float(record[key]) for record in chosen] for key in ("macs_saved", "top1_lost"))
            bars = [
                [max(0.0, 100 * (float(record["top1_lost"]) - float(record["top1_lost_low"]))) for record in chosen],
                [max(0.0, 100 * (float(record["top1_lost_high"]) - float(record["top1_lost"]))) for record in chosen],
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
    save_figure(figure, path)
