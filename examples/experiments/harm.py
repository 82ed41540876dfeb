r"""Two measures of harm, two recipes and the neighbour rule, at equal loss on several networks.

    python examples/experiments/harm.py digits vgg8 digits_in_photographs \
        --mnist package/data --fashion data/usr/share/datasets/fashion-mnist --photographs photographs --work work

The page ``harm.md`` and its table ``harm.csv`` hold every network for which the folder ``--work`` has results; networks
and results are kept there. ``--photographs`` has the folders ``train``, ``calibrate`` and ``test``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import digits_in_photographs
import numpy as np
import torch
from classifier import idx_images, train_classifier
from numpy.typing import NDArray
from result_tables import csv_text
from safetensors.torch import save_file

from zapsim.files import write_atomically
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation import Evaluation, run_methods
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks import digits, vgg8
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, predicting, scorer_key
from zapsim.frontend.training.training import TrainingOptions, train_predictors
from zapsim.frontend.tuning.curves import measure_curves
from zapsim.frontend.tuning.harm_curves import measure_harm_curves
from zapsim.frontend.tuning.operating_points import for_error, trade_off
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted

PATTERN = "1/2"
BUDGETS = {"activation": (0.005, 1.0), "output": (0.01, 0.4)}
"""Smallest and largest sums of lost activation, weighed by what they do to the output, and errors of the output."""
MIDDLE = 0.1
"""The error of the output at whose operating point the harm is measured that all budgets are chosen by."""
METHODS = (
    ("ZAP weighted", ("weighted",), "activation"),
    ("ZAP harm", ("harm",), "output"),
    ("neighbours", ("neighbours",), "activation"),
    ("neighbours, by harm", ("neighbours",), "output"),
    ("best, by harm", ("harm", "neighbours"), "output"),
)
"""What a row is called, the recipes of predictors (or the rule), and the harm that thresholds are tuned by."""
OUTPUT = "of the output"
LOSSES = {"relative_output_error": OUTPUT, "top1_lost": "top-1"}
LABELLED = (("relative_output_error", 0.03), ("top1_lost", 0.005), ("top1_lost", 0.01))
COLUMNS = (
    ("network", "network", ""),
    ("limit", "loss asked for", ""),
    ("method", "method", ""),
    ("macs_saved", "net saved", ".1%"),
    ("loss", "loss on test", ".2%"),
    ("loss_low", "from", ".2%"),
    ("loss_high", "to", ".2%"),
    ("equal", "net at equal error", ".1%"),
    ("n", "n", ""),
    ("seed", "seed", ""),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A network and its three splits, and the losses that are asked for."""

    network: Network
    learning: ImageSet
    calibration: ImageSet
    test: ImageSet
    limits: tuple[tuple[str, float], ...]
    options: TrainingOptions


def main(arguments: list[str] | None = None) -> None:
    """Run the networks that are named and write the page."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.networks:
        for seed in args.seeds:
            case = CASES[name](args, seed)
            graph = trace_graph(case.network.model, case.network.example())
            records = [record | {"network": name, "seed": seed} for record in measure(case, graph, args)]
            write_atomically(args.work / f"harm-{name}-{seed}.json", json.dumps(records, indent=1))
    files = sorted(args.work.glob("harm-*.json"))
    records = [record for file in files for record in json.loads(file.read_text())]
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "harm.csv", csv_text(records))
    write_atomically(args.out / "harm.md", page(records))
    print(page(records))


def measure(case: Case, graph: Graph, args: argparse.Namespace) -> list[Record]:
    """Return a record for every method and limit: the best budget within the limit on calibration, measured on test."""
    layers = [site.name for site in graph.eligible]
    trained: dict[str, Mapping[str, Scorer]] = {"neighbours": {layer: NeighbourRule(PATTERN) for layer in layers}}
    records: list[Record] = []
    for method, kinds, harm in METHODS:
        for recipe in kinds:
            if recipe not in trained:
                options = replace(case.options, recipe=recipe)
                trained[recipe] = train_predictors(case.network.model, graph, case.learning, options).predictors
        further = {scorer_key(name, each.method): each for kind in kinds[1:] for name, each in trained[kind].items()}
        points = tuned(case, graph, {**trained[kinds[0]], **further}, harm, args.budgets)
        calibrated = run_methods(case.network.model, graph, points, case.calibration)
        tested: dict[int, Evaluation] = {}
        for name, limit in case.limits:
            row: Record = {"method": method, "limit": f"{limit:.1%} {LOSSES[name]}", "n": len(case.test)}
            records.append(row | at_limit(case, graph, points, calibrated, tested, (name, limit)))
            print(records[-1], flush=True)
    return records


def tuned(case: Case, graph: Graph, scorers: Mapping[str, Scorer], harm: str, count: int) -> list[Method]:
    """Return the scorers at the thresholds of every budget, from the smallest to the largest."""
    model, images = case.network.model, case.calibration
    if harm == "activation":
        curves = measure_curves(model, graph, scorers, images)
        few = images.first(min(len(images), 500))
        curves = weighted(curves, measure_sensitivities(model, graph, scorers, curves, few))
    else:
        few = images.first(min(len(images), 256))
        middle = for_error(measure_harm_curves(model, graph, scorers, few), MIDDLE)
        curves = measure_harm_curves(model, graph, scorers, few, point=middle)
    budgets = np.geomspace(*BUDGETS[harm], count).tolist()
    return [predicting(scorers, point) for point in trade_off(curves, budgets)]


def at_limit(
    case: Case,
    graph: Graph,
    points: Sequence[Method],
    calibrated: Sequence[Evaluation],
    tested: dict[int, Evaluation],
    loss: tuple[str, float],
) -> Record:
    """Return what the largest budget within the limit on calibration does on test, and the saving at equal loss.

    `tested` keeps the evaluations on test, by number of the budget.
    """
    name, limit = loss
    within = [index for index, each in enumerate(calibrated) if each.figures[name].value <= limit]
    if not within:
        return {}
    best = within[-1]
    wanted = [index for index in (best, best + 1) if index < len(points)]
    missing = [index for index in wanted if index not in tested]
    if missing:
        evaluations = run_methods(case.network.model, graph, [points[index] for index in missing], case.test)
        tested.update(zip(missing, evaluations, strict=True))
    figure = tested[best].figures[name]
    row: Record = {"macs_saved": tested[best].macs_saved, "loss": figure.value, "budget": points[best].name}
    row |= {"loss_low": figure.low, "loss_high": figure.high}
    losses = [tested[index].figures[name].value for index in wanted]
    if len(losses) > 1 and losses[1] > losses[0]:
        share = (limit - losses[0]) / (losses[1] - losses[0])
        row["equal"] = tested[best].macs_saved + share * (tested[best + 1].macs_saved - tested[best].macs_saved)
    return row


def page(records: Sequence[Record]) -> str:
    """Return the page of results."""
    shown = [record if OUTPUT in str(record["limit"]) else {**record, "equal": ""} for record in records]
    return f"""# Two measures of harm

`python examples/experiments/harm.py`. Pattern {PATTERN}. Five ways to skip. The images that predictors learn from,
those on which thresholds are chosen, and those of the test are different ones.

- **ZAP weighted**: predictors of `--recipe weighted`, thresholds by lost activation (`tune --weigh`).
- **ZAP harm**: predictors of `--recipe harm`, thresholds by the estimated error of the output (`tune --harm output`).
- **neighbours**: the neighbour rule with a threshold for each layer, tuned by lost activation; **by harm**: tuned as
  ZAP harm is. The rule takes no MACs.
- **best**: each layer gets ZAP or the rule, whichever the budget is better spent on (`--method best`).

*loss* is the relative error of the output (of the logits of a classifier), or the top-1 lost. The row is the largest
budget that is within the loss asked for on the calibration images. *net saved* (MACs, less the predictors' own) and
*loss on test*, with its 95 % interval over n test images, are that budget's. *net at equal error* is where the line
through this point and the next budget's on the test images reaches the error asked for: it compares methods, and no
threshold was chosen by it (for top-1, two budgets differ by a few images, and the line says nothing).
All budgets by harm are chosen from one measurement, at the point of {MIDDLE:.0%} error.

{markdown(shown, COLUMNS)}"""


def _base(net: Network, images: ImageSet, args: argparse.Namespace, name: str) -> None:
    """Train a network, or take it from a former run."""
    file = args.work / f"{name}.safetensors"
    if file.exists():
        load_weights(net.model, file)
        return
    train_classifier(net.model, images, args.base_epochs, 0, batch=64, lr=0.05)
    save_file({key: value.contiguous() for key, value in net.model.state_dict().items()}, file)


def _digits(args: argparse.Namespace, seed: int) -> Case:
    net = digits.cnn()
    train, test = (idx_images(args.mnist, part, net.preprocessing) for part in ("train", "t10k"))
    both = train.sample(args.learning + args.calibration, seed)
    return _classified(net, both, test, args, seed)


def _vgg8(args: argparse.Namespace, seed: int) -> Case:
    torch.manual_seed(0)
    net = vgg8.vgg8()
    train, test = (idx_images(args.fashion, part, net.preprocessing) for part in ("train", "t10k"))
    _base(net, train.first(args.base_images), args, "vgg8")
    return _classified(net, train.sample(args.learning + args.calibration, seed), test, args, seed)


def _digits_in_photographs(args: argparse.Namespace, seed: int) -> Case:
    torch.manual_seed(0)
    net = digits_in_photographs.network()
    cut = partial(digits_in_photographs.pictures, args.mnist)
    train, calibrate, test = (args.photographs / part for part in ("train", "calibrate", "test"))
    _base(net, cut("train", slice(0, args.base_images), train, 0), args, "digits_in_photographs")
    learning = cut("train", slice(0, args.learning), train, seed + 1)
    calibration = cut("train", slice(50_000, 50_000 + args.calibration), calibrate, seed + 2)
    tested = cut("t10k", slice(0, args.test), test, seed + 3)
    return Case(net, learning, calibration, tested, LABELLED, _options(args, seed))


def _classified(net: Network, both: ImageSet, test: ImageSet, args: argparse.Namespace, seed: int) -> Case:
    """Split images drawn from one file into those to learn from and those for thresholds."""
    order = np.random.default_rng(seed).permutation(len(both))
    learning, calibration = (_part(both, part) for part in (order[: args.learning], order[args.learning :]))
    return Case(
        net,
        learning,
        calibration,
        test.first(min(args.test, len(test))),
        LABELLED,
        _options(args, seed),
    )


def _part(images: ImageSet, chosen: NDArray[np.int64]) -> ImageSet:
    names = tuple(images.names[index] for index in chosen)
    about = f"{len(chosen)} of {images.description}"
    return replace(images, pixels=images.pixels[chosen], names=names, labels=images.labels[chosen], description=about)


def _options(args: argparse.Namespace, seed: int) -> TrainingOptions:
    return TrainingOptions(PATTERN, args.epochs, batch=32, seed=seed)


CASES: dict[str, Callable[[argparse.Namespace, int], Case]] = {
    "digits": _digits,
    "vgg8": _vgg8,
    "digits_in_photographs": _digits_in_photographs,
}


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", choices=CASES)
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="the four idx files of MNIST")
    parser.add_argument("--fashion", type=Path, metavar="DIR", help="the four idx files of Fashion-MNIST")
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="photographs by split")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="keep networks and results there")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="S", help="of predictors and splits")
    parser.add_argument("--base-images", type=int, default=15000, metavar="N", help="that a network learns from")
    parser.add_argument("--base-epochs", type=int, default=3, metavar="N", help="of a network")
    parser.add_argument("--learning", type=int, default=3000, metavar="N", help="images that predictors learn from")
    parser.add_argument("--calibration", type=int, default=1500, metavar="N", help="images for thresholds")
    parser.add_argument("--test", type=int, default=5000, metavar="N", help="images to measure on")
    parser.add_argument("--epochs", type=int, default=4, metavar="N", help="of predictors")
    parser.add_argument("--budgets", type=int, default=12, metavar="N", help="to choose from")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few images: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.budgets = 3
        args.base_images, args.base_epochs, args.learning, args.calibration, args.test, args.epochs = (
            256,
            1,
            64,
            64,
            64,
            1,
        )
    return args


if __name__ == "__main__":
    main()
