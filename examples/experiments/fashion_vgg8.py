"""VGG-8 on Fashion-MNIST: trained, predicted, compared with baselines, fine-tuned.

    dpkg -x dataset-fashion-mnist_*.deb data
    python examples/experiments/fashion_vgg8.py --data data/usr/share/datasets/fashion-mnist --out docs/results

The data are the Debian package ``dataset-fashion-mnist``. Everything is made here, from seeds: the network (4 epochs),
its predictors for four patterns and three seeds, one epoch of fine-tuning. Of the test images, which neither has
seen, three in ten choose thresholds and rows, and the others are measured on. ``--work DIR`` keeps network and
predictors, and a second run goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from classifier import accuracy, idx_images, train_classifier
from comparison import Experiment, Row, adapted, rules, trained, weighted_curves
from result_tables import POINTS, chosen_table, summaries, write_results
from safetensors.torch import save_file

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation_table import markdown
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks.vgg8 import vgg8
from zapsim.frontend.skipping import predicting
from zapsim.frontend.training.adaptation import FinetuningOptions, finetune
from zapsim.frontend.training.predictor import load_predictors, save_predictors
from zapsim.frontend.training.training import TrainingOptions, train_predictors
from zapsim.frontend.tuning.operating_points import for_saving

PATTERNS = ("1/3", "2/5", "1/2", "3/5")
BUDGETS = (0.04, 0.08, 0.12, 0.18, 0.25, 0.4)
"""Sums over five layers of the share of activation that is lost, weighed by what it does to the output."""
RANDOM_BUDGETS = (0.08, 0.18, 0.4)
FINETUNED = 0.93
"""What is fine-tuned skips that share of what a perfect predictor skips, by the curves."""
SEED = 0
"""Of the network."""
LIMITS = (0.005, 0.01)

METHODS = ("ZAP", "ZAP, recalibrated", "neighbours", "rule")


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    network = vgg8()
    train, others = (idx_images(args.data, part, network.preprocessing) for part in ("train", "t10k"))
    if args.quick:
        train, others = train.sample(min(1500, len(train)), SEED), others.first(min(300, len(others)))
    others = others.sample(min(args.test_images, len(others)), SEED)
    if args.base_images < len(train):
        train = train.sample(args.base_images, SEED)
    _base(network, train, args)
    graph = trace_graph(network.model, network.example())
    count = len(others) * 3 // 10
    calibration = others.part(0, count, f"{count:,} test images")
    test = others.part(count, len(others), f"{len(others) - count:,} other test images")
    budgets = (0.08, 0.18) if args.quick else BUDGETS
    experiment = Experiment(network, graph, calibration, test, budgets, RANDOM_BUDGETS, recalibrated=not args.quick)
    learning = train.first(args.predictor_images)
    rows: list[Row] = []
    for pattern in PATTERNS[2:3] if args.quick else tuple(args.patterns):
        rows += rules(experiment, pattern, [site.name for site in graph.eligible])
        most = next(row for row in rows if row.pattern == pattern).calibrate.macs_skipped
        for seed in args.seeds:
            predictors = _predictors(network, graph, learning, pattern, seed, args)
            rows += trained(experiment, pattern, seed, predictors)
            if args.finetune:
                rows += _finetuned(experiment, pattern, seed, predictors, train, most)
            print(f"pattern {pattern}, seed {seed}: {len(rows)} rows", flush=True)
    records = summaries(experiment, rows)
    wanted = [(method, limit) for limit in LIMITS for method in METHODS]
    wanted += [("ZAP, fine-tuned", LIMITS[-1])] if args.finetune else []
    text = f"""{_report(experiment, len(train), args)}
## Most MACs saved within a limit of lost accuracy

{chosen_table(experiment, rows, wanted, args.seeds)}
## All points

{markdown(records, POINTS)}
![lost accuracy over MACs saved](fashion_vgg8.png)
"""
    write_results(args.out, "fashion_vgg8", text, records, f"VGG-8 on Fashion-MNIST, {test.description}")


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the four idx files")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep network and predictors there")
    parser.add_argument("--patterns", nargs="+", default=PATTERNS, choices=PATTERNS)
    parser.add_argument("--base-images", type=int, default=60000, metavar="N", help="that the network learns from")
    parser.add_argument("--predictor-images", type=int, default=15000, metavar="N", help="that predictors learn from")
    parser.add_argument("--test-images", type=int, default=10000, metavar="N", help="to choose and to measure on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="of predictors")
    parser.add_argument("--finetune", action="store_true", help="fine-tune, too: an epoch for every pattern and seed")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a small subset and one pattern: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.predictor_images, args.seeds = 1000, args.seeds[:1]
    return args


def _base(network: Network, train: ImageSet, args: argparse.Namespace) -> None:
    """Train the network, or take it from a former run."""
    weights_file = args.work / "vgg8.safetensors" if args.work else None
    if weights_file and weights_file.exists():
        load_weights(network.model, weights_file)
        return
    train_classifier(network.model, train, 1 if args.quick else 4, SEED)
    if weights_file:
        args.work.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in network.model.state_dict().items()}, weights_file)


def _predictors(
    network: Network, graph: Graph, images: ImageSet, pattern: str, seed: int, args: argparse.Namespace
) -> dict[str, ZapPredictor]:
    """Train predictors of one pattern and seed, or take them from a former run."""
    name = f"vgg8_{pattern.replace('/', '_')}_{seed}.zap.safetensors"
    predictor_file = args.work / name if args.work else None
    if predictor_file and predictor_file.exists():
        return load_predictors(predictor_file).predictors
    options = TrainingOptions(pattern, epochs=2 if args.quick else 5, batch=64, seed=seed)
    trained_predictors = train_predictors(network.model, graph, images, options).predictors
    if predictor_file:
        save_predictors(predictor_file, network.name, network.weights_sha256, trained_predictors, {"seed": seed})
    return trained_predictors


def _finetuned(
    experiment: Experiment, pattern: str, seed: int, predictors: dict[str, ZapPredictor], train: ImageSet, most: float
) -> list[Row]:
    """Fine-tune for one epoch where much of what a perfect predictor skips is skipped, on the calibration images."""
    network, graph = experiment.network, experiment.graph
    curves = weighted_curves(experiment, predictors)
    own = sum(layer.predictor_macs for layer in curves.layers) / curves.dense_macs
    point = for_saving(curves, FINETUNED * most - own)
    method = predicting(predictors, point, f"ZAP {point.quality['summed_error']:.3f}")
    state = finetune(network.model, graph, method, train, FinetuningOptions(seed=seed))
    return adapted(experiment, pattern, seed, state, method, "ZAP, fine-tuned")


def _report(experiment: Experiment, learnt: int, args: argparse.Namespace) -> str:
    """Return what the page says of the experiment."""
    test, base = experiment.test, accuracy(experiment.network.model, experiment.test)
    finetuned = f"""
- **ZAP, fine-tuned**: after one epoch over {learnt:,} training images with labels, at thresholds that, by the curves,
  skip {FINETUNED:.0%} of what a perfect predictor skips."""
    return f"""# VGG-8 on Fashion-MNIST

`examples/experiments/fashion_vgg8.py`{" --quick" if args.quick else ""}, torch {torch.__version__} on a CPU.

Top-1 of the network without skipping: {base:.2%} of {test.description}. It learnt from {learnt:,} training images;
predictors learnt from {args.predictor_images:,} of them, with seeds {", ".join(map(str, args.seeds))}.
Thresholds are set on {experiment.calibration.description},
for a sum of the layers' errors of at most E, weighed by what they do to the output. The rows of the first table are
chosen on the same images, by the top-1 that they lose there and the MACs that they save there. No image on which
anything was chosen is measured on.

- **ZAP**: trained predictors, thresholds per layer.
- **ZAP, recalibrated**: the same with batch normalisation measured again on the calibration images, without labels; no
  weight changes.{finetuned if args.finetune else ""}
- **rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
  which is tuned per layer as ZAP's is. Neither takes MACs, nor training.
- **random**: as many outputs as ZAP, layer by layer. **perfect**: every zero outside the pattern.

*lost* is the top-1 lost against the unmodified network, mean of the seeds, with its 95 % interval over images; *least*
and *most* of one seed. *net saved*: MACs of skipped outputs as a share of all convolutions' MACs, less what the
predictors take themselves; *net of perfect*: as a share of what a perfect predictor of the same pattern skips.
Differences to the neighbours are of the same images; they vary with the seed far more than with the images. E is that
of each seed; *none*: nothing was within the limit, so that nothing is skipped.
"""


if __name__ == "__main__":
    main()
