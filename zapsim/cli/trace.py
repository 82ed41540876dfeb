"""``zapsim trace``: which outputs a network with predictors computes, on given pictures, as a trace file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.cli._points import add_point_arguments, all_points
from zapsim.cli.train import add_network_arguments, check_output, report_skipped_files, wide_console

if TYPE_CHECKING:
    from zapsim.frontend.capture import LayerCounts
    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.data.preprocessing import Preprocessing
    from zapsim.frontend.network import Network
    from zapsim.frontend.network.graph import Graph
    from zapsim.frontend.quality import Quality
    from zapsim.frontend.training.adapted_weights import Adapted
    from zapsim.tracefile.model import ValueKind

_EPILOG = """\
examples:
  zapsim trace --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --images chelsea.png --threshold 0.2 --out chelsea.safetensors
  zapsim trace --network zapsim.frontend.networks.digits:cnn --predictors digits.zap.safetensors \\
      --images t10k-images-idx3-ubyte --count 4 --threshold 0.2 0.4 \\
      --eval-images t10k-images-idx3-ubyte --eval-labels t10k-labels-idx1-ubyte --out digits.safetensors
  zapsim trace --network mynets:vgg --predictors vgg.zap.safetensors --images photos/ --threshold 0.1 --values \
      --out vgg.safetensors && zapsim run --arch snapea --policy early-exit --trace vgg.safetensors

Each threshold becomes an operating point of the file (t0.2, t0.4, ...): an output outside the pattern is computed if
its predicted score is above it. The points of --points come behind them, under their own names, then those of
--adapted, which run with weights of their own. Pictures are cut in the middle; quality is measured on random crops of
--eval-images (all images of a folder by class, an idx or npz file), or else on the traced images themselves.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "trace",
        help="run a network with its predictors and write a trace",
        description="Run a network with its predictors on pictures; write which values are zero and which are skipped.",
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
        help="pictures, folders of pictures, a folder by class, or one idx or npz file of images",
    )
    parser.add_argument("--count", type=int, metavar="N", help="trace only the first N images (default: all)")
    add_point_arguments(parser, adapted=True)
    parser.add_argument("--eval-images", type=Path, nargs="+", metavar="PATH", help="what to measure the quality on")
    parser.add_argument("--eval-labels", type=Path, metavar="FILE", help="idx file of the classes of --eval-images")
    parser.add_argument(
        "--eval-crops", type=int, default=16, metavar="N", help="random crops of --eval-images (default: 16)"
    )
    parser.add_argument(
        "--values",
        action="store_const",
        const=True,  # not store_true: arguments that are not given stay out of the provenance
        help="also write when each output could stop early, for policy early-exit (about 16 times as large)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="trace to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Measure the quality, write the trace and print one line a layer."""
    from zapsim.frontend.capture import capture, trace_header
    from zapsim.frontend.data.images import load_images
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import load_network
    from zapsim.frontend.provenance import arguments, describe, describe_preprocessing, versions
    from zapsim.frontend.quality import measure_quality
    from zapsim.frontend.training.predictor import check_fit, load_predictors

    check_output(args.out)
    use_threads(args.threads)
    file = load_predictors(args.predictors)
    settings, adapted = all_points(args, file)
    settings += tuple(point.setting for point in adapted)
    network = load_network(args.network, args.weights, args.device, args.seed)
    images = load_images(args.images, network.preprocessing, count=args.count)
    evaluated = _evaluation_images(args, network.preprocessing)
    device = device_of(network.model)
    graph = trace_graph(network.model, network.example().to(device))
    check_fit(args.predictors, file.header, network.weights_sha256, graph)
    predictors = {name: predictor.to(device) for name, predictor in file.predictors.items()}
    network = replace(network, adapted={point.setting.name: point.model(network.model) for point in adapted})
    quality = measure_quality(network, graph, predictors, settings, evaluated) if evaluated else None
    provenance = {
        "command": "zapsim trace",
        "seed": args.seed,
        "arguments": arguments(vars(args)),
        "versions": versions(),
        "data": describe(images),
        "preprocessing": describe_preprocessing(network.preprocessing),
        "predictors": {"sha256": file.sha256, "training": file.header.provenance},
        **_weights_of(adapted, network),
    }
    values: tuple[ValueKind, ...] = ("early_exit_macs",) if args.values else ()
    header = trace_header(network, graph, predictors, settings, images, quality, provenance, values)
    captured = capture(args.out, header, network, graph, predictors, settings, images, quality)
    report_skipped_files((*images.skipped, *(evaluated.skipped if evaluated else ())))
    _print(graph, captured.counts, captured.quality)
    return 0


def _weights_of(adapted: Sequence[Adapted], network: Network) -> dict[str, dict[str, dict[str, str]]]:
    """Return, for the provenance, what was done to the weights of which points."""
    from zapsim.frontend.network.weights import weights_digest

    if not adapted:
        return {}
    known = {point.setting.name: point.how for point in adapted}
    return {
        "adapted": {name: {"how": how, "sha256": weights_digest(network.model_at(name))} for name, how in known.items()}
    }


def _evaluation_images(args: argparse.Namespace, pre: Preprocessing) -> ImageSet | None:
    from zapsim.errors import FrontendError
    from zapsim.frontend.data.arrays import is_array_file
    from zapsim.frontend.data.images import class_folders, load_crops, load_images

    paths: Sequence[Path] | None = args.eval_images
    if paths is None:
        if args.eval_labels is not None:
            raise FrontendError("--eval-labels needs --eval-images")
        return None
    if is_array_file(paths[0]) or class_folders(paths):
        return load_images(paths, pre, args.eval_labels)
    # Another stream of random numbers than training's, should both use the same pictures.
    return load_crops(paths, pre, args.eval_crops, args.seed + 1, args.eval_labels)


def _print(graph: Graph, counts: Mapping[str, Mapping[str, LayerCounts]], quality: Quality) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    table.add_column("zeros", justify="right")
    for name in counts:
        table.add_column(f"skipped {name}", justify="right")
    table.add_column("")
    for site in graph.sites:
        layers = [point[site.name] for point in counts.values() if site.name in point]
        zeros = f"{layers[0].zeros / layers[0].outputs:.1%}" if layers else ""
        skipped = [f"{layer.skipped / layer.outputs:.1%}" if layer.skipped else "" for layer in layers]
        blank = [""] * (len(counts) - len(skipped))
        table.add_row(site.name, zeros, *skipped, *blank, site.unpredicted or "")
    console = wide_console()
    console.print(table)
    for name, figures in quality.figures.items():
        saved = macs_saved(graph, counts[name])
        measured = ", ".join(f"{figure} {value:.4f}" for figure, value in figures.items())
        console.print(f"{name}: {saved:.1%} of MACs skipped; {measured}", highlight=False)
    console.print(f"measured {quality.note}", highlight=False)


def macs_saved(graph: Graph, counts: Mapping[str, LayerCounts]) -> float:
    """Return the share of the network's convolution MACs that skipped outputs would have taken."""
    dense = sum(site.shape.macs for site in graph.sites)
    known = [(site.shape.macs, counts[site.name]) for site in graph.sites if site.name in counts]
    return sum(macs * layer.skipped / layer.outputs for macs, layer in known) / dense
