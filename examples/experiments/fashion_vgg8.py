"""VGG-8 on Fashion-MNIST: trained, predicted, compared with baselines, fine-tuned.

    dpkg -x dataset-fashion-mnist_*.deb data
    python examples/experiments/fashion_vgg8.py --data data/usr/share/datasets/fashion-mnist --out docs/results

The data are the Debian package ``dataset-fashion-mnist``. Everything is made here, from seeds: the network (4 epochs),
its predictors for four patterns, thresholds on training images that no predictor saw, one epoch of fine-tuning. All
figures are of the 10,000 test images. ``--work DIR`` keeps network, predictors and what was measured of each pattern,
and a second run goes on from there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from classifier import accuracy, idx_images, train_classifier
from comparison import (
    COLUMNS,
    Experiment,
    compare,
    evaluate_with,
    record,
    target_table,
    weighted_curves,
    write_results,
)
from safetensors.torch import save_file

from zapsim.files import write_atomically
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.evaluation_table import Record, markdown
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


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment and write its results."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    network = vgg8()
    train, test = (idx_images(args.data, part, network.preprocessing) for part in ("train", "t10k"))
    if args.quick:
        train, test = train.sample(min(1500, len(train)), SEED), test.sample(min(300, len(test)), SEED)
    _base(network, train, args)
    learning, calibration = _split(train, args.predictor_images)
    graph = trace_graph(network.model, network.example())
    budgets = (0.08, 0.18) if args.quick else BUDGETS
    experiment = Experiment(network, graph, calibration, test, budgets, RANDOM_BUDGETS, recalibrated=True)
    patterns = PATTERNS[2:3] if args.quick else tuple(args.patterns)
    records: list[Record] = []
    for pattern in patterns:
        predictors = _predictors(network, graph, learning, pattern, args)
        records += _records(experiment, pattern, predictors, train, args)
    text = _report(experiment, records, patterns, len(train), args)
    write_results(args.out, "fashion_vgg8", text, records, "VGG-8 on Fashion-MNIST, 10,000 test images")


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the four idx files")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep network and predictors there")
    parser.add_argument("--patterns", nargs="+", default=PATTERNS, choices=PATTERNS)
    parser.add_argument("--predictor-images", type=int, default=15000, metavar="N", help="that predictors learn from")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a small subset and one pattern: shows that it runs")
    args = parser.parse_args(given)
    if args.quick:
        args.predictor_images = 1000
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


def _split(train: ImageSet, predictor_images: int) -> tuple[ImageSet, ImageSet]:
    """Return images that predictors learn from, and up to 5,000 others for thresholds (the file is in no order)."""
    calibrated = train.first(min(len(train), predictor_images + 5000))
    rest = slice(predictor_images, None)
    held_out = replace(
        calibrated,
        pixels=calibrated.pixels[rest],
        names=calibrated.names[rest],
        labels=calibrated.labels[rest],
        description=f"{len(calibrated) - predictor_images} training images",
    )
    return train.first(predictor_images), held_out


def _predictors(
    network: Network, graph: Graph, images: ImageSet, pattern: str, args: argparse.Namespace
) -> dict[str, ZapPredictor]:
    """Train predictors of one pattern, or take them from a former run."""
    predictor_file = args.work / f"vgg8_{pattern.replace('/', '_')}.zap.safetensors" if args.work else None
    if predictor_file and predictor_file.exists():
        return load_predictors(predictor_file).predictors
    options = TrainingOptions(pattern, epochs=2 if args.quick else 5, batch=64, seed=SEED)
    trained = train_predictors(network.model, graph, images, options)
    if predictor_file:
        save_predictors(predictor_file, network.name, network.weights_sha256, trained.predictors, {"seed": SEED})
    return trained.predictors


def _records(
    experiment: Experiment, pattern: str, predictors: dict[str, ZapPredictor], train: ImageSet, args: argparse.Namespace
) -> list[Record]:
    """Measure all methods for one pattern, or read them from an earlier run."""
    records_file = args.work / f"vgg8_{pattern.replace('/', '_')}.records.json" if args.work else None
    if records_file and records_file.exists():
        records: list[Record] = json.loads(records_file.read_text())
        return records
    records = compare(experiment, pattern, predictors)
    records.append(_finetuned(experiment, pattern, predictors, train, float(records[0]["macs_skipped"])))
    if records_file:
        write_atomically(records_file, json.dumps(records, indent=1))
    print(markdown(records, COLUMNS), flush=True)
    return records


def _finetuned(
    experiment: Experiment, pattern: str, predictors: dict[str, ZapPredictor], train: ImageSet, perfect_skips: float
) -> Record:
    """Fine-tune for one epoch where much of what a perfect predictor skips is skipped."""
    network, graph = experiment.network, experiment.graph
    curves = weighted_curves(experiment, predictors)
    own = sum(layer.predictor_macs for layer in curves.layers) / curves.dense_macs
    point = for_saving(curves, FINETUNED * perfect_skips - own)
    method = predicting(predictors, point, f"ZAP {point.quality['summed_error']:.3f}")
    state = finetune(network.model, graph, method, train, FinetuningOptions(seed=SEED))
    return record(evaluate_with(experiment, state, method), pattern, perfect_skips, "ZAP, fine-tuned")


def _report(
    experiment: Experiment, records: list[Record], patterns: tuple[str, ...], trained: int, args: argparse.Namespace
) -> str:
    """Return the page of results."""
    test, base = experiment.test, accuracy(experiment.network.model, experiment.test)
    methods = ("ZAP", "ZAP, recalibrated", "neighbours", "rule", "random")
    wanted = [(method, limit) for limit in (0.005, 0.01) for method in methods]
    wanted.append(("ZAP, fine-tuned", 0.01))
    return f"""# VGG-8 on Fashion-MNIST

`examples/experiments/fashion_vgg8.py`, seed {SEED}, torch {torch.__version__} on a CPU.

Top-1 of the network without skipping: {base:.2%} on {len(test):,} test images. Predictors learnt from
{args.predictor_images:,} training images, thresholds were set on {len(experiment.calibration):,} others, for a sum of
the layers' errors of at most E, weighed by what they do to the output; no label was used for either, and no test image
was used to choose anything but the rows of the first table.

- **ZAP**: trained predictors, thresholds per layer.
- **ZAP, recalibrated**: the same with batch normalisation measured anew on the {len(experiment.calibration):,} images,
  without labels; no weight changes.
- **ZAP, fine-tuned**: after one epoch over {trained:,} training images with labels, at thresholds that, by the curves,
  skip {FINETUNED:.0%} of what a perfect predictor skips.
- **rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
  which is tuned per layer as ZAP's is. Neither takes MACs.
- **random**: as many outputs as ZAP, layer by layer. **perfect**: every zero outside the pattern.

*lost* is the top-1 lost against the unmodified network (95 % interval, paired bootstrap over images, from / to);
*skipped* are MACs of skipped outputs as a share of all convolutions' MACs; *net saved* is less what the predictors
take themselves; *of perfect* is relative to what a perfect predictor of the same pattern skips.

## Most MACs skipped within a limit of lost accuracy

{target_table(records, patterns, wanted)}
## All points

{markdown(records, COLUMNS)}
![lost accuracy over MACs saved](fashion_vgg8.png)
"""


if __name__ == "__main__":
    main()
