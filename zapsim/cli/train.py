"""``zapsim train``: predictors for a PyTorch network, from pictures without labels."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.patterns import PATTERNS

if TYPE_CHECKING:
    from rich.console import Console

    from zapsim.frontend.network.graph import Graph
    from zapsim.frontend.training.training import TrainedPredictors

_EPILOG = """\
examples:
  zapsim train --network zapsim.frontend.networks.hed_vgg16:vgg16 --images photos/ \\
      --pattern 1/2 --epochs 3 --crops 200 --seed 0 --out vgg16.zap.safetensors
  zapsim train --network zapsim.frontend.networks.digits:cnn --images train-images-idx3-ubyte --crops 6000 \\
      --pattern 2/5 conv2=1/3 --out digits.zap.safetensors
  zapsim train --network mynets:vgg --weights vgg.safetensors --images photos/ --crops 500 --out vgg.zap.safetensors

A network is package.module:factory; the factory returns an nn.Module, or a zapsim.frontend.network.Network that also
says how pictures are prepared (a plain nn.Module gets torchvision's ImageNet convention, RGB 224×224).
The first run of a network lists its convolutions and says which are predicted, and why the others are not.
"""


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what says which network runs where."""
    parser.add_argument("--network", required=True, metavar="MODULE:FACTORY", help="function that makes the network")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="state dict: .safetensors, or .pth without code")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if torch sees one"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch's choice)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for crops and training (default: 0)")


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="train zero-activation predictors for a PyTorch network",
        description="Train predictors for all layers that can have one, in the same forward passes, without labels.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="pictures, folders of pictures, a folder by class, or one idx (gzipped or not) or npz file of images",
    )
    parser.add_argument("--crops", type=int, default=200, metavar="N", help="random crops to learn from (default: 200)")
    parser.add_argument(
        "--pattern",
        type=_pattern,
        nargs="+",
        default=["1/2"],
        metavar="[LAYER=]N/M",
        help=f"outputs that are computed first, of all layers or of one: {', '.join(PATTERNS)} (default: 1/2)",
    )
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="passes over the crops (default: 5)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="crops a step (default: 8)")
    parser.add_argument("--lr", type=float, metavar="X", help="Adam's rate (default: 0.03; the paper's recipe: 0.01)")
    parser.add_argument(
        "--recipe",
        choices=("weighted", "paper"),
        default="weighted",
        help="weighted: start as the neighbour rule, large activations count more, the rate falls to 0 (default); "
        "paper: start at random, all outputs count alike, constant rate",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="predictor file to write")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="state of an unfinished run, written every minute; the same command goes on from it "
        "(default: OUT.checkpoint)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Train, write the predictor file and print one line a layer."""
    from zapsim.frontend.data.images import load_crops
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import load_network
    from zapsim.frontend.provenance import arguments, describe, describe_preprocessing, versions
    from zapsim.frontend.training.predictor import save_predictors
    from zapsim.frontend.training.training import TrainingOptions, train_predictors

    checkpoint: Path = args.checkpoint or args.out.with_name(f"{args.out.name}.checkpoint")
    check_output(args.out)
    check_output(checkpoint)
    pattern, layer_patterns = _patterns(args.pattern)
    options = TrainingOptions(pattern, args.epochs, args.batch, args.lr, args.recipe, args.seed, layer_patterns)
    use_threads(args.threads)
    network = load_network(args.network, args.weights, args.device, args.seed)
    images = load_crops(args.images, network.preprocessing, args.crops, args.seed)
    graph = trace_graph(network.model, network.example().to(device_of(network.model)))
    if checkpoint.exists():
        print(f"zapsim: going on from {checkpoint}", file=sys.stderr)
    trained = train_predictors(network.model, graph, images, options, checkpoint=checkpoint)
    given = {**vars(args), "pattern": args.pattern if layer_patterns else pattern, "checkpoint": None}
    provenance = {
        "command": "zapsim train",
        "arguments": arguments(given),
        "versions": versions(),
        "data": describe(images),
        "preprocessing": describe_preprocessing(network.preprocessing),
        "losses": {name: list(losses) for name, losses in trained.losses.items()},
    }
    save_predictors(args.out, network.name, network.weights_sha256, trained.predictors, provenance)
    checkpoint.unlink(missing_ok=True)
    report_skipped_files(images.skipped)
    _print(graph, trained)
    return 0


def _pattern(text: str) -> str:
    """Check one value of --pattern: a pattern, or LAYER=PATTERN."""
    pattern = text.rpartition("=")[2]
    if pattern not in PATTERNS:
        raise argparse.ArgumentTypeError(f"unknown pattern '{pattern}'; known: {', '.join(PATTERNS)}")
    return text


def _patterns(given: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the pattern of all layers, and those of single layers."""
    from zapsim.errors import FrontendError

    common, layers = [], {}
    for text in given:
        layer, _, pattern = text.rpartition("=")
        if not layer:
            common.append(pattern)
        elif layer in layers:
            raise FrontendError(f"--pattern: two for layer {layer}")
        else:
            layers[layer] = pattern
    if len(common) > 1:
        raise FrontendError(f"--pattern: one for all layers, got {', '.join(common)}; write LAYER=PATTERN for others")
    return (common or ["1/2"])[0], layers


def check_output(path: Path) -> None:
    """Make sure before the work that its result can be written.

    Raises
    ------
    FrontendError
        If `path` is a folder, or its folder cannot be made or written to.
    """
    from zapsim.errors import FrontendError

    if path.is_dir():
        raise FrontendError(f"{path}: is a folder, expected the name of a file to write")
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FrontendError(f"{path}: cannot be written, {folder} is not a folder that may be written to")


def report_skipped_files(names: tuple[str, ...]) -> None:
    """Say on stderr which pictures did not decode."""
    if names:
        print(f"zapsim: {len(names)} pictures did not decode and were left out: {', '.join(names)}", file=sys.stderr)


def wide_console() -> Console:
    """Return a console that does not break lines where the output is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)


def _print(graph: Graph, trained: TrainedPredictors) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "ofmap", "pattern", "loss, first epoch", "loss, last epoch", "skips at 0"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    table.add_column("")
    for site in graph.sites:
        cells = [""] * 4
        if site.name in trained.predictors:
            losses = trained.losses[site.name]
            saving = f"{trained.savings[site.name]:.1%}"
            cells = [trained.predictors[site.name].pattern, f"{losses[0]:.4f}", f"{losses[-1]:.4f}", saving]
        shape = site.shape
        table.add_row(site.name, f"{shape.K}×{shape.P}×{shape.Q}", *cells, site.unpredicted or "")
    console = wide_console()
    console.print(table)
    console.print("skips at 0: outputs that threshold 0 would have skipped in the last batch", highlight=False)
