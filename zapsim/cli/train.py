"""``zapsim train``: predictors for a PyTorch network, from pictures without labels."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.patterns import PATTERNS

if TYPE_CHECKING:
    from rich.console import Console

    from zapsim.frontend.graph import Graph
    from zapsim.frontend.training import TrainedPredictors

_EPILOG = """\
examples:
  zapsim train --network zapsim.frontend.networks.hed_vgg16:vgg16 --images photos/ \\
      --pattern 1/2 --epochs 3 --crops 200 --seed 0 --out vgg16.zap.safetensors
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
        help="pictures, folders of pictures, or one idx file of images (gzipped or not)",
    )
    parser.add_argument("--crops", type=int, default=200, metavar="N", help="random crops to learn from (default: 200)")
    parser.add_argument(
        "--pattern", choices=PATTERNS, default="1/2", help="outputs that are computed first (default: 1/2)"
    )
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="passes over the crops (default: 5)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="crops a step (default: 8)")
    parser.add_argument("--lr", type=float, default=0.01, metavar="X", help="Adam's learning rate (default: 0.01)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="predictor file to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Train, write the predictor file and print one line a layer."""
    from zapsim.frontend.graph import trace_graph
    from zapsim.frontend.guard import device_of, use_threads
    from zapsim.frontend.images import load_crops
    from zapsim.frontend.network import load_network
    from zapsim.frontend.predictor_file import save_predictors
    from zapsim.frontend.provenance import arguments, describe, describe_preprocessing, versions
    from zapsim.frontend.training import TrainingOptions, train_predictors

    check_output(args.out)
    options = TrainingOptions(args.pattern, args.epochs, args.batch, args.lr, args.seed)
    use_threads(args.threads)
    network = load_network(args.network, args.weights, args.device, args.seed)
    images = load_crops(args.images, network.preprocessing, args.crops, args.seed)
    graph = trace_graph(network.model, network.example().to(device_of(network.model)))
    trained = train_predictors(network.model, graph, images, options)
    provenance = {
        "command": "zapsim train",
        "arguments": arguments(vars(args)),
        "versions": versions(),
        "data": describe(images),
        "preprocessing": describe_preprocessing(network.preprocessing),
        "losses": {name: list(losses) for name, losses in trained.losses.items()},
    }
    save_predictors(args.out, network.name, network.weights_sha256, trained.predictors, provenance)
    report_skipped_files(images.skipped)
    _print(graph, trained, args.pattern)
    return 0


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


def _print(graph: Graph, trained: TrainedPredictors, pattern: str) -> None:
    from rich.table import Table

    table = Table(title=f"predictors, pattern {pattern}", box=None, pad_edge=False, title_justify="left")
    for heading in ("layer", "ofmap", "loss, first epoch", "loss, last epoch"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    table.add_column("")
    for site in graph.sites:
        losses = trained.losses.get(site.name)
        cells = (f"{losses[0]:.4f}", f"{losses[-1]:.4f}") if losses else ("", "")
        shape = site.shape
        table.add_row(site.name, f"{shape.K}×{shape.P}×{shape.Q}", *cells, site.unpredicted or "")
    wide_console().print(table)
