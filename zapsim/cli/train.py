"""``zapsim train``: train predictors for a PyTorch network, from pictures without labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import COUNT, PATTERN_NAMES, Subparsers, number
from zapsim.cli._frontend_arguments import (
    add_image_arguments,
    add_method_argument,
    add_network_arguments,
    images_or_inputs,
    named_network,
    provenance,
    undecoded_on_stderr,
    wide_console,
)
from zapsim.errors import shown

if TYPE_CHECKING:
    from zapsim.frontend.api import TrainingResult

CROPS = 200
"""Crops to learn from, if not said."""

_EPILOG = """\
examples:
  zapsim train --network zapsim.frontend.networks.hed_vgg16:vgg16 --images photos/ \\
      --pattern 1/2 --epochs 3 --crops 200 --seed 0 --out vgg16.zap.safetensors
  zapsim train --network zapsim.frontend.networks.digits:cnn --images train-images-idx3-ubyte --crops 6000 \\
      --pattern 2/5 conv2=1/3 --out digits.zap.safetensors
  zapsim train --network mynets:vgg --weights vgg.safetensors --images photos/ --crops 500 --out vgg.zap.safetensors

Name a network as package.module:factory. The factory returns an nn.Module (pictures are then prepared as
torchvision does for ImageNet, RGB 224×224), or a zapsim.frontend.network.Network that says how pictures are prepared.
The command lists the convolutions of the network, and why some have no predictor.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="train zero-activation predictors for a PyTorch network",
        description="Train predictors for all layers that can have one, in the same forward passes and without labels.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_image_arguments(parser, tensors=True)
    parser.add_argument(
        "--crops",
        type=COUNT,
        metavar="N",
        help="number of random crops to learn from (default: 200), or of the first --inputs (default: all)",
    )
    parser.add_argument(
        "--pattern",
        type=_pattern,
        nargs="+",
        default=["1/2"],
        metavar="[LAYER=]PATTERN",
        help=f"outputs to compute first, in all layers or in LAYER: {', '.join(PATTERN_NAMES)} (default: 1/2)",
    )
    parser.add_argument("--epochs", type=COUNT, default=5, metavar="N", help="passes over the crops (default: 5)")
    parser.add_argument(
        "--batch",
        type=COUNT,
        metavar="N",
        help="crops per training step (default: 8, or 128 with the paper's recipe)",
    )
    parser.add_argument(
        "--lr", type=number, metavar="X", help="Adam's learning rate (default: 0.03, or 0.01 with the paper's recipe)"
    )
    parser.add_argument(
        "--recipe",
        choices=("weighted", "harm", "paper"),
        default="weighted",
        help="weighted (default): start as the neighbour rule, large activations count more, the learning rate falls "
        "to 0; harm: the same, but learn how much skipping an output changes the network's output; paper: as "
        "published: start at random, all outputs count the same, the learning rate is constant, crops of pictures are "
        "cut again for every epoch",
    )
    add_method_argument(parser, "prediction methods, trained at the same time (default: zap)", several=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="predictor file to write")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="state of an unfinished run, written every minute; the same command continues from it "
        "(default: OUT.checkpoint)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Train, write the predictor file and print a line per layer."""
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import keep_freed_memory, use_threads
    from zapsim.frontend.training.training import BATCHES

    checkpoint: Path = args.checkpoint or args.out.with_name(f"{args.out.name}.checkpoint")
    check_output(args.out)
    check_output(checkpoint)
    pattern, layer_patterns = _patterns(args.pattern)
    threads = use_threads(args.threads)
    keep_freed_memory()
    if checkpoint.exists():
        print(f"zapsim: continuing from {checkpoint}", file=sys.stderr)
    # One pattern for all layers is written down as such, and the checkpoint is gone in the end.
    batch = BATCHES[args.recipe] if args.batch is None else args.batch
    crops = CROPS if args.crops is None and args.inputs is None else args.crops
    arguments = {**vars(args), "batch": batch, "checkpoint": None, "crops": crops}
    arguments["pattern"] = args.pattern if layer_patterns else pattern
    with undecoded_on_stderr():
        trained = api.train(
            named_network(args),
            images_or_inputs(args),
            pattern=pattern,
            layer_patterns=layer_patterns,
            crops=CROPS if crops is None else crops,
            epochs=args.epochs,
            batch=batch,
            lr=args.lr,
            recipe=args.recipe,
            method=args.method or "zap",
            seed=args.seed,
            weights=args.weights,
            device=args.device,
            out=args.out,
            checkpoint=checkpoint,
            provenance=provenance("train", arguments),
        )
    _print(trained, threads)
    return 0


def _pattern(text: str) -> str:
    """Check one value of --pattern: a pattern, or LAYER=PATTERN."""
    pattern = text.rpartition("=")[2]
    if pattern not in PATTERN_NAMES:
        raise argparse.ArgumentTypeError(f"unknown pattern {shown(pattern)}; known: {', '.join(PATTERN_NAMES)}")
    return text


def _patterns(values: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Split --pattern into the pattern of all layers and those of single layers."""
    from zapsim.errors import FrontendError

    common, layers = [], {}
    for text in values:
        layer, _, pattern = text.rpartition("=")
        if not layer:
            common.append(pattern)
        elif layer in layers:
            raise FrontendError(f"--pattern: two patterns for layer {layer}")
        else:
            layers[layer] = pattern
    if len(common) > 1:
        raise FrontendError(
            f"--pattern: expected one for all layers, got {', '.join(common)}; write LAYER=PATTERN for single layers"
        )
    return (common or ["1/2"])[0], layers


def _print(trained: TrainingResult, threads: int) -> None:
    from rich.table import Table

    from zapsim.frontend.network.unsimulated import summary

    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "ofmap", "pattern", "loss, first epoch", "loss, last epoch", "skips at 0"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    table.add_column("")
    methods = trained.predictors.header.methods
    patterns = {name: predictor.pattern for name, predictor in trained.predictors.predictors.items()}
    for site in trained.graph.sites:
        shape = site.shape
        name, ofmap = site.name, f"{shape.K}×{shape.P}×{shape.Q}"
        for key in [key for key in trained.losses if key in (name, *(f"{name}/{method}" for method in methods))]:
            losses, saving = trained.losses[key], f"{trained.savings[key]:.1%}"
            table.add_row(key, ofmap, patterns[name], f"{losses[0]:.4f}", f"{losses[-1]:.4f}", saving, "")
        if name not in trained.losses:
            table.add_row(name, ofmap, patterns.get(name, ""), *[""] * 3, site.unpredicted or "nothing to train")
    for layer in trained.graph.unsimulated:
        table.add_row(layer.name, "", *[""] * 4, f"not simulated ({layer.macs:,} MACs): {layer.reason}")
    console = wide_console()
    console.print(table)
    if left_out := summary(trained.graph.unsimulated, trained.graph.macs):
        console.print(left_out, highlight=False)
    console.print(
        "skips at 0: share of the outputs that threshold 0 would have skipped in the last batch", highlight=False
    )
    console.print(
        f"with --threads {threads}: another number of threads sums in another order, and gives slightly other weights",
        highlight=False,
    )
