r"""ZAP, the neighbour rule, and the better of both per layer, at equal harm on six networks.

    python examples/experiments/harm.py digits vgg8 resnet18 digits_in_photographs vgg16 efficientnet_lite0 \
        --mnist package/data --fashion data/usr/share/datasets/fashion-mnist --photographs photographs --work work

The page ``harm.md`` and its table ``harm.csv`` hold every network for which the folder ``--work`` has results; networks
and results are kept there. ``--photographs`` has the folders ``train``, ``calibrate`` and ``test``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from harm_cases import CASES, OUTPUT, Case
from harm_page import METHODS, page
from result_tables import csv_text

from zapsim.files import write_atomically
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.evaluation_table import Record
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, predicting, scorer_key
from zapsim.frontend.training.training import TrainingOptions, train_predictors
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.harm_curves import measure_harm_curves
from zapsim.frontend.tuning.one_method import mixture_or_one_method
from zapsim.frontend.tuning.operating_points import for_error
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted

PATTERN = "1/2"
ACTIVATION = (0.01, 1.0)
"""Smallest and largest sums of lost activation, weighed by what they do to the output."""


def main(arguments: list[str] | None = None) -> None:
    """Run the networks that are named and write the page."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.networks:
        for seed in args.seeds:
            case = replace(CASES[name](args, seed), harm_images=args.harm_images)
            graph = trace_graph(case.network.model, case.network.example())
            sizes = {"learning": len(case.learning), "calibration": len(case.calibration), "n": len(case.test)}
            about: Record = {"network": name, "seed": seed, **sizes, "compared": True}
            records = [{**about, **record} for record in measure(case, graph, args, seed)]
            write_atomically(args.work / f"harm-{name}-{seed}.json", json.dumps(records, indent=1))
    files = sorted(args.work.glob("harm-*.json"))
    records = [record for file in files for record in json.loads(file.read_text())]
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "harm.csv", csv_text(records))
    write_atomically(args.out / "harm.md", page(records, PATTERN))
    print(page(records, PATTERN))


def measure(case: Case, graph: Graph, args: argparse.Namespace, seed: int) -> list[Record]:
    """Return a record for every method and limit: the budget that meets the limit on calibration, measured on test."""
    layers = [site.name for site in graph.eligible]
    trained: dict[str, Mapping[str, Scorer]] = {"neighbours": {layer: NeighbourRule(PATTERN) for layer in layers}}
    first: dict[tuple[str, str], Curves] = {}
    records: list[Record] = []
    for method in args.methods:
        kinds, harm = METHODS[method]
        for recipe in kinds:
            if recipe not in trained:
                options = TrainingOptions(PATTERN, args.epochs, batch=case.batch, seed=seed, recipe=recipe)
                trained[recipe] = train_predictors(case.network.model, graph, case.learning, options).predictors
        further = {scorer_key(name, each.method): each for kind in kinds[1:] for name, each in trained[kind].items()}
        scorers = {**trained[kinds[0]], **further}
        curves = _joined([first.setdefault((kind, harm), _curves(case, graph, trained[kind], harm)) for kind in kinds])
        skipping = _skipping(case, graph, scorers, curves, harm)
        budgets = np.geomspace(*(case.errors if harm == "output" else ACTIVATION), args.budgets).tolist()
        calibrated = run_methods(case.network.model, graph, [skipping(budget) for budget in budgets], case.calibration)
        for figure, limit in case.limits:
            row = at_limit(case, graph, skipping, (budgets, calibrated), figure, limit)
            records.append({"method": method, "figure": figure, "asked": limit} | row)
            print(records[-1], flush=True)
    return records


def _curves(case: Case, graph: Graph, scorers: Mapping[str, Scorer], harm: str) -> Curves:
    """Measure the curves of one kind of predictor; those of the output, in the unmodified network."""
    model, images = case.network.model, case.calibration
    if harm == "output":
        return measure_harm_curves(model, graph, scorers, images.first(min(len(images), case.harm_images)))
    curves = measure_curves(model, graph, scorers, images)
    few = images.first(min(len(images), 500))
    return weighted(curves, measure_sensitivities(model, graph, scorers, curves, few))


def _joined(curves: Sequence[Curves]) -> Curves:
    """Return the curves of several methods as one."""
    return replace(curves[0], layers=tuple(layer for each in curves for layer in each.layers))


def _skipping(
    case: Case, graph: Graph, scorers: Mapping[str, Scorer], curves: Curves, harm: str
) -> Callable[[float], Method]:
    """Return what makes a method of a budget: by harm, from curves that are measured again at the middle point."""
    if harm == "output":
        middle = for_error(curves, case.middle)
        few = case.calibration.first(min(len(case.calibration), case.harm_images))
        curves = measure_harm_curves(case.network.model, graph, scorers, few, point=middle)
    run = case.calibration.first(min(len(case.calibration), 4 * case.harm_images))

    def skipping(budget: float) -> Method:
        point = mixture_or_one_method(case.network.model, graph, scorers, run, curves, for_error(curves, budget))
        return predicting(scorers, point)

    return skipping


def at_limit(
    case: Case,
    graph: Graph,
    skipping: Callable[[float], Method],
    calibrated: tuple[Sequence[float], Sequence[Evaluation]],
    figure: str,
    limit: float,
) -> Record:
    """Return what the budget that loses `limit` on calibration does on test.

    The budget lies on the lines through those that were run, whose losses are made to rise (:func:`rising`). `equal`
    moves the saving along the same lines by what the test lost more or less than the limit.
    """
    budgets = np.array([0.0, *calibrated[0]])
    losses = rising([0.0, *(each.figures[figure].value for each in calibrated[1])])
    saved = np.array([0.0, *(each.macs_saved for each in calibrated[1])])
    budget = reaching(budgets, losses, limit)
    (tested,) = run_methods(case.network.model, graph, [skipping(budget)], case.test)
    loss = tested.figures[figure]
    moved = [np.interp(reaching(budgets, losses, value), budgets, saved) for value in (limit, loss.value)]
    row: Record = {"budget": budget, "calibrate_saved": float(moved[0]), "macs_saved": tested.macs_saved}
    row |= {"loss": loss.value, "loss_low": loss.low, "loss_high": loss.high}
    if figure == OUTPUT:
        row["equal"] = tested.macs_saved + float(moved[0] - moved[1])
    return row


def rising(values: Sequence[float]) -> np.ndarray:
    """Return the rising values that are nearest to these in squares (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, many), (high, more) = blocks[-2:]
            blocks[-2:] = [((low * many + high * more) / (many + more), many + more)]
    return np.concatenate([np.full(count, value) for value, count in blocks])


def reaching(budgets: np.ndarray, losses: np.ndarray, limit: float) -> float:
    """Return the largest budget whose loss, on straight lines between budgets, is at most `limit`."""
    over = int(np.searchsorted(losses, limit, side="right"))
    if over == len(losses):
        return float(budgets[-1])
    part = (limit - losses[over - 1]) / (losses[over] - losses[over - 1])
    return float(budgets[over - 1] + part * (budgets[over] - budgets[over - 1]))


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"{', '.join(CASES)} (default: only the page)")
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="the four idx files of MNIST")
    parser.add_argument("--fashion", type=Path, metavar="DIR", help="the four idx files of Fashion-MNIST")
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="photographs by split")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="keep networks and results there")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="S", help="of predictors and splits")
    parser.add_argument("--base-images", type=int, default=15000, metavar="N", help="that a network learns from")
    parser.add_argument("--base-epochs", type=int, default=3, metavar="N", help="of a network")
    parser.add_argument("--learning", type=int, default=3000, metavar="N", help="images that predictors learn from")
    parser.add_argument("--calibration", type=int, default=3000, metavar="N", help="images for thresholds")
    parser.add_argument("--harm-images", type=int, default=256, metavar="N", help="of these, to measure harm on")
    parser.add_argument("--test", type=int, default=5000, metavar="N", help="images to measure on")
    parser.add_argument("--size", type=int, metavar="N", help="side of crops of photographs (default: the network's)")
    parser.add_argument("--epochs", type=int, default=4, metavar="N", help="of predictors")
    parser.add_argument("--budgets", type=int, default=9, metavar="N", help="to run on the calibration images")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few images: shows that it runs")
    args = parser.parse_args(given)
    unknown = set(args.networks) - set(CASES)
    if unknown:
        parser.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if args.quick:
        args.budgets, args.base_images, args.base_epochs = 3, 256, 1
        args.learning, args.calibration, args.test, args.epochs = 64, 64, 64, 1
    return args


if __name__ == "__main__":
    main()
