"""A residual network: ResNet-18 on Fashion-MNIST, trained here, predicted behind its sums' ReLUs.

    dpkg -x dataset-fashion-mnist_*.deb data
    python examples/experiments/residual.py --data data/usr/share/datasets/fashion-mnist --out docs/results

The network keeps 28×28 in its first stage (``small_images``). It is trained briefly, on a part of the training images:
what is shown is how prediction behaves in residual blocks, not how good ResNet-18 can be. Of the test images, which
neither network nor predictors have seen, three in ten choose thresholds and rows, and the others are measured on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from classifier import accuracy, idx_images, train_classifier
from comparison import Experiment, Row, rules, trained
from result_tables import POINTS, chosen_table, summaries, write_results
from safetensors.torch import save_file

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation_table import markdown
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks.resnet import resnet18
from zapsim.frontend.networks.vgg8 import PREPROCESSING
from zapsim.frontend.training.training import TrainingOptions, train_predictors

PATTERN = "1/2"
BUDGETS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sums over all predicted layers of the share of activation that is lost."""
SEED = 0


def network() -> Network:
    """Return the untrained network."""
    model = resnet18(num_classes=10, channels=1, small_images=True)
    return Network(model, "ResNet-18", "trained by examples/experiments/residual.py", PREPROCESSING)


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    net = network()
    train, others = (idx_images(args.data, part, PREPROCESSING) for part in ("train", "t10k"))
    train = train.sample(min(args.images, len(train)), SEED)
    others = others.sample(min(args.test_images, len(others)), SEED)
    count = len(others) * 3 // 10
    calibration = others.part(0, count, f"{count:,} test images")
    test = others.part(count, len(others), f"{len(others) - count:,} other test images")
    _base(net, train, args)
    graph = trace_graph(net.model, net.example())
    learning = train.first(args.predictor_images)
    budgets = BUDGETS[1::2] if args.quick else BUDGETS
    # Statistics are measured in batches of 128.
    many = len(calibration) >= 128
    experiment = Experiment(net, graph, calibration, test, budgets, budgets[1:2], recalibrated=many)
    rows: list[Row] = rules(experiment, PATTERN, [site.name for site in graph.eligible])
    for seed in args.seeds:
        options = TrainingOptions(PATTERN, epochs=args.epochs, batch=16, seed=seed)
        predictors = train_predictors(net.model, graph, learning, options).predictors
        rows += trained(experiment, PATTERN, seed, predictors)
    records = summaries(experiment, rows)
    methods = ("ZAP", *(["ZAP, recalibrated"] if many else []), "neighbours", "rule")
    wanted = [(method, limit) for limit in (0.005, 0.01) for method in methods]
    text = f"""{_report(experiment, train, learning, args)}
## Most MACs saved within a limit of lost accuracy

{chosen_table(experiment, rows, wanted, args.seeds)}
## All points

{markdown(records, POINTS)}
![lost accuracy over MACs saved](residual.png)
{_layers(graph)}"""
    write_results(args.out, "residual", text, records, f"ResNet-18 on Fashion-MNIST, {test.description}")


def _report(experiment: Experiment, train: ImageSet, learning: ImageSet, args: argparse.Namespace) -> str:
    right = accuracy(experiment.network.model, experiment.test)
    return f"""# ResNet-18 on Fashion-MNIST

`python examples/experiments/residual.py`{" --quick" if args.quick else ""}: the network learnt from {len(train)} images
in {args.base_epochs} epoch(s) and classifies {right:.2%} of {experiment.test.description}. Predictors learnt from
{len(learning)} of the training images in {args.epochs} epoch(s), pattern {PATTERN}, with seeds
{", ".join(map(str, args.seeds))}; thresholds and rows of the first table are chosen on
{experiment.calibration.description}. No image on which anything was chosen is measured on.
A sum's predictor sits behind the sum's ReLU and skips the last convolution of the main path.

*E*: budget of lost activation, summed over layers, weighed by what it does to the output. *lost*: top-1 lost, mean of
the seeds, with its 95 % interval over images; *least* and *most* of one seed. Differences to the neighbours are of the
same images. *none*: nothing was within the limit, so that nothing is skipped.

**rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
which is tuned per layer as ZAP's is. Neither takes MACs, nor training. **random**: as many outputs as ZAP, layer by
layer.
"""


def _layers(graph: Graph) -> str:
    rows = [f"- `{site.name}`: {site.unpredicted}" for site in graph.sites if site.unpredicted]
    sums = sum(site.added for site in graph.eligible)
    count = f"{len(graph.eligible)} of {len(graph.sites)} convolutions are predicted, {sums} of them behind a sum."
    return f"\n{count} Not:\n\n" + "\n".join(rows) + "\n"


def _base(net: Network, train: ImageSet, args: argparse.Namespace) -> None:
    """Train the network, or take it from a former run."""
    weights_file = args.work / "resnet18.safetensors" if args.work else None
    if weights_file and weights_file.exists():
        load_weights(net.model, weights_file)
        return
    train_classifier(net.model, train, args.base_epochs, SEED, batch=32, lr=0.03)
    if weights_file:
        args.work.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in net.model.state_dict().items()}, weights_file)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the four idx files")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the trained network there")
    parser.add_argument("--images", type=int, default=4000, metavar="N", help="that the network learns from")
    parser.add_argument("--base-epochs", type=int, default=2, metavar="N")
    parser.add_argument("--predictor-images", type=int, default=400, metavar="N")
    parser.add_argument("--test-images", type=int, default=10000, metavar="N", help="to choose and to measure on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="of predictors")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="of predictors")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few images: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.images, args.base_epochs, args.predictor_images, args.test_images, args.epochs = 256, 1, 32, 40, 1
        args.seeds = args.seeds[:1]
    return args


if __name__ == "__main__":
    main()
