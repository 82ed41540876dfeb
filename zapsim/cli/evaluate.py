"""``zapsim eval``: what operating points cost and save, beside baselines, with all predictors at work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.cli._points import add_point_arguments, all_points
from zapsim.cli.train import add_network_arguments, check_output, report_skipped_files, wide_console

if TYPE_CHECKING:
    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.evaluation import Evaluation
    from zapsim.frontend.network import Network
    from zapsim.frontend.network.graph import Graph
    from zapsim.frontend.skipping import Method, Setting
    from zapsim.frontend.training.adapted_weights import Adapted
    from zapsim.frontend.training.predictor import Predictor

_BASELINES = ("perfect", "random", "neighbours")

_EPILOG = """\
examples:
  zapsim eval --network zapsim.frontend.networks.digits:cnn --predictors digits.zap.safetensors \\
      --points digits.points.json --images t10k-images-idx3-ubyte --labels t10k-labels-idx1-ubyte \\
      --baselines perfect random neighbours
  zapsim eval --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --threshold 0 0.1 0.2 --images photos/ --format csv --out vgg16.csv --plot vgg16.png

Labels make top-1 and top-5: an idx file with --labels, an npz file with its own, or a folder with one folder a class.
Without them there is the agreement with the unmodified network, and always the relative error of its outputs.
Intervals are of 95 %, over images. The unmodified network that points are compared with is the one without --adapted.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "eval",
        help="measure accuracy and MACs saved at operating points, beside baselines",
        description="Run a network with its predictors at operating points: quality, MACs saved, confusion by layer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    parser.add_argument("--predictors", type=Path, required=True, metavar="FILE", help="what `zapsim train` wrote")
    add_point_arguments(parser, adapted=True)
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="pictures, folders of pictures (also by class), or one idx or npz file of images",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="idx file of the images' classes")
    parser.add_argument("--count", type=int, metavar="N", help="only the first N images (default: all)")
    parser.add_argument(
        "--baselines",
        nargs="+",
        choices=_BASELINES,
        default=["perfect"],
        help="perfect: never wrong; random: at every point's rates; neighbours: zero where all computed neighbours are "
        "(default: perfect)",
    )
    parser.add_argument("--format", choices=("table", "csv", "json", "markdown"), default="table")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw quality over MACs saved (.png, .svg, .pdf)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Evaluate, and print or write the tables."""
    from zapsim.files import write_atomically
    from zapsim.frontend.data.images import load_images
    from zapsim.frontend.evaluation_table import render
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import load_network
    from zapsim.frontend.provenance import arguments, describe, versions
    from zapsim.frontend.training.predictor import check_fit, load_predictors

    _check_outputs(args)
    use_threads(args.threads)
    file = load_predictors(args.predictors)
    settings, adapted = all_points(args, file)
    network = load_network(args.network, args.weights, args.device, args.seed)
    device = device_of(network.model)
    graph = trace_graph(network.model, network.example().to(device))
    check_fit(args.predictors, file.header, network.weights_sha256, graph)
    images = load_images(args.images, network.preprocessing, args.labels, args.count)
    predictors = {name: predictor.to(device) for name, predictor in file.predictors.items()}
    evaluations = _evaluate(network, graph, predictors, settings, images, args)
    evaluations += _adapted(network, graph, predictors, adapted, images)
    provenance = {
        "command": "zapsim eval",
        "network": network.name,
        "predictors_sha256": file.sha256,
        "arguments": arguments(vars(args)),
        "versions": versions(),
        "data": describe(images),
    }
    if args.plot is not None:
        from zapsim.cli._evaluation_plot import plot_evaluations

        plot_evaluations(evaluations, args.plot, f"{network.name} {evaluations[0].note}")
    text = render(evaluations, args.format, provenance, None if args.out else wide_console().width)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(args.out, text)
    report_skipped_files(images.skipped)
    return 0


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse before the work what cannot be written or drawn."""
    if args.out is not None:
        check_output(args.out)
    if args.plot is not None:
        from zapsim.report.plot import check_plot

        check_plot(args.plot)


def _evaluate(
    network: Network,
    graph: Graph,
    predictors: dict[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
    args: argparse.Namespace,
) -> tuple[Evaluation, ...]:
    """Return the evaluations of baselines without rates, of the points, then of skipping at random at their rates."""
    from zapsim.frontend.baselines import NeighbourRule, perfect, random_like
    from zapsim.frontend.evaluation import evaluate
    from zapsim.frontend.skipping import Setting, predicting

    patterns = {name: predictor.pattern for name, predictor in predictors.items()}
    methods: list[Method] = [perfect(patterns)] if "perfect" in args.baselines else []
    if "neighbours" in args.baselines:
        rules = {name: NeighbourRule(pattern) for name, pattern in patterns.items()}
        methods.append(predicting(rules, Setting("neighbours", dict.fromkeys(rules, 0.0)), free=True))
    points = [predicting(predictors, setting) for setting in settings]
    if not (methods or points):
        return ()
    found = evaluate(network.model, graph, [*methods, *points], images)
    if "random" not in args.baselines or not points:
        return found
    likes = [random_like(one, patterns, args.seed, f"random {one.name}") for one in found[len(methods) :]]
    return found + evaluate(network.model, graph, likes, images)


def _adapted(
    network: Network, graph: Graph, predictors: dict[str, Predictor], adapted: Sequence[Adapted], images: ImageSet
) -> tuple[Evaluation, ...]:
    """Return the evaluations of points with weights of their own, compared with the network as it was."""
    from zapsim.frontend.evaluation import evaluate
    from zapsim.frontend.skipping import predicting

    found: tuple[Evaluation, ...] = ()
    for point in adapted:
        methods = [predicting(predictors, point.setting)]
        found += evaluate(point.model(network.model), graph, methods, images, reference=network.model)
    return found
