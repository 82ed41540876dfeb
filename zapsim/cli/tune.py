"""``zapsim tune``: operating points (thresholds by layer) from curves measured on pictures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.cli.train import add_network_arguments, check_output, report_skipped_files, wide_console

if TYPE_CHECKING:
    from zapsim.frontend.tuning.curves import Curves
    from zapsim.frontend.tuning.operating_points import TunedPoint

_WEIGHED_ON = 1000
"""Images that weights are measured on at most: they are means, and take a forward pass a layer."""

_EPILOG = """\
examples:
  zapsim tune --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --images photos/ --crops 32 --error 0.05 0.1 0.2 --out vgg16.points.json
  zapsim tune --network mynets:vgg --predictors vgg.zap.safetensors --images train-images-idx3-ubyte --crops 5000 \\
      --saving 0.2 0.3 --threshold 0 --out vgg.points.json
  zapsim trace --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json --images ...

Each budget becomes one operating point, for `zapsim eval --points` and `zapsim trace --points`:
  --error E       thresholds by layer that save most MACs with a summed error of at most E; a layer's error is the
                  share of its activation sum that is skipped (point eE)
  --saving S      thresholds by layer of least summed error that save a share S of the MACs, net of the predictors'
                  (point sS)
  --uniform E     the highest threshold, the same in all layers, with a summed error of at most E (point uE)
  --threshold T   this threshold in all layers; a multiple of the curves' step (point tT)
With --weigh, a layer's error counts as much as it hurts: times its weight, which is measured, without labels, by what
skipping in this layer alone does to the network's output (one forward pass a layer and image). Weights have mean 1.
The curves look at one layer at a time: what a point really costs is measured by `zapsim eval`.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "tune",
        help="choose thresholds for error budgets or MAC savings",
        description="Measure every layer's step curves in one pass and choose thresholds for error budgets or savings.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    parser.add_argument("--predictors", type=Path, required=True, metavar="FILE", help="what `zapsim train` wrote")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="pictures, folders of pictures (also by class), or one idx or npz file of images; best none of the "
        "training's",
    )
    parser.add_argument("--crops", type=int, default=64, metavar="N", help="random crops of them (default: 64)")
    parser.add_argument("--error", type=float, nargs="+", default=[], metavar="E", help="error budgets")
    parser.add_argument("--saving", type=float, nargs="+", default=[], metavar="S", help="shares of MACs to save")
    parser.add_argument("--uniform", type=float, nargs="+", default=[], metavar="E", help="budgets for one threshold")
    parser.add_argument("--threshold", type=float, nargs="+", default=[], metavar="T", help="thresholds for all layers")
    parser.add_argument(
        "--weigh",
        action="store_const",
        const=True,  # not store_true: arguments that are not given stay out of the provenance
        help=f"weigh the layers' errors by what they do to the output (measured on up to {_WEIGHED_ON} of the images)",
    )
    parser.add_argument(
        "--bins", type=int, default=2048, metavar="N", help="steps of the curves, a power of two (default: 2048)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="operating points to write (JSON)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Measure the curves, write the points and print one line a point."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.data.images import load_crops
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import load_network
    from zapsim.frontend.provenance import arguments, describe, versions
    from zapsim.frontend.training.predictor import check_fit, load_predictors
    from zapsim.frontend.tuning.curves import measure_curves
    from zapsim.frontend.tuning.operating_points import save_points
    from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted

    if not (args.error or args.saving or args.uniform or args.threshold):
        raise FrontendError("nothing to tune for: give --error, --saving, --uniform or --threshold")
    check_output(args.out)
    use_threads(args.threads)
    file = load_predictors(args.predictors)
    network = load_network(args.network, args.weights, args.device, args.seed)
    device = device_of(network.model)
    graph = trace_graph(network.model, network.example().to(device))
    check_fit(args.predictors, file.header, network.weights_sha256, graph)
    # Another stream of random numbers than training's, should both use the same pictures.
    images = load_crops(args.images, network.preprocessing, args.crops, args.seed + 2)
    predictors = {name: predictor.to(device) for name, predictor in file.predictors.items()}
    curves = measure_curves(network.model, graph, predictors, images, bins=args.bins)
    weights: dict[str, float] | None = None
    if args.weigh:
        few = images.first(min(len(images), _WEIGHED_ON))
        weights = measure_sensitivities(network.model, graph, predictors, curves, few)
        curves = weighted(curves, weights)
    points = tuple(_points(args, curves))
    provenance = {
        "command": "zapsim tune",
        "arguments": arguments(vars(args)),
        "versions": versions(),
        "data": describe(images),
        **({} if weights is None else {"weights": weights}),
    }
    save_points(args.out, points, file, provenance)
    report_skipped_files(images.skipped)
    _print(points, curves, weights)
    return 0


def _points(args: argparse.Namespace, curves: Curves) -> Iterator[TunedPoint]:
    from zapsim.frontend.tuning.operating_points import best_threshold, for_error, for_saving, for_threshold

    kinds = (args.error, for_error), (args.saving, for_saving), (args.uniform, best_threshold)
    for values, choose in (*kinds, (args.threshold, for_threshold)):
        for value in dict.fromkeys(values):
            yield choose(curves, value)


def _print(points: Sequence[TunedPoint], curves: Curves, weights: Mapping[str, float] | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    if weights is not None:
        table.add_column("weight", justify="right")
    blank = () if weights is None else ("",)
    for point in points:
        table.add_column(point.setting.name, justify="right")
    for layer in curves.layers:
        thresholds = [point.setting.thresholds.get(layer.name) for point in points]
        weight = () if weights is None else (f"{weights[layer.name]:.2f}",)
        table.add_row(layer.name, *weight, *("off" if one is None else f"{one:.4f}" for one in thresholds))
    table.add_section()
    table.add_row("MACs saved", *blank, *(f"{point.macs_saved:.2%}" for point in points))
    table.add_row(
        "summed error" if weights is None else "weighted error", *blank, *(f"{point.error:.4f}" for point in points)
    )
    table.add_row("cannot be beaten", *blank, *(_bound(point) for point in points))
    console = wide_console()
    console.print(table)
    console.print(
        f"MACs saved: expected, net of the predictors' own; measured {curves.note}, one layer at a time; off: without "
        "its predictor",
        highlight=False,
    )


def _bound(point: TunedPoint) -> str:
    """Return what no thresholds can beat: MACs saved for an error budget, summed error for a saving."""
    if point.bound is None:
        return ""
    return f"{point.bound:.4f}" if point.setting.name.startswith("s") else f"{point.bound:.2%}"
