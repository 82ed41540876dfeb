"""``zapsim eval``: measure what operating points cost and save with all predictors at work, beside baselines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zapsim.cli._arguments import COUNT, Subparsers, add_option, check_outputs
from zapsim.cli._frontend_arguments import (
    add_image_arguments,
    add_method_argument,
    add_network_arguments,
    add_point_arguments,
    add_predictors_argument,
    images_or_inputs,
    load_all_points,
    named_network,
    provenance,
    undecoded_on_stderr,
    wide_console,
)
from zapsim.cli._reports import write_evaluation_report
from zapsim.report.style import Layout, check_plot, save_figure

_BASELINES = ("perfect", "random", "neighbours")

_EPILOG = """\
examples:
  zapsim eval --network zapsim.frontend.networks.digits:cnn --predictors digits.zap.safetensors \\
      --points digits.points.json --images t10k-images-idx3-ubyte --labels t10k-labels-idx1-ubyte \\
      --baselines perfect random neighbours
  zapsim eval --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --threshold 0 0.1 0.2 --images photos/ --format csv --out vgg16.csv --plot vgg16.png

With labels, the table shows top-1 and top-5 accuracy. Labels come from --labels, from an npz file that holds its own,
or from a folder with one subfolder per class. Without labels, the table shows the agreement with the unmodified
network. It always shows the relative error of the outputs. Intervals are 95 % intervals over photographs, of which
there must be at least 6. A second table has the differences to one of the rows, paired image by image, with intervals
of their own. All points, those of --adapted too, are compared with the unmodified network. What a point was asked for
stands beside what it achieves. The command says so if photographs have trained the predictors or chosen the thresholds.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "eval",
        help="measure accuracy and MACs saved at operating points, and compare with baselines",
        description="Run a network with its predictors at operating points: quality, MACs saved, right and wrong "
        "predictions per layer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_predictors_argument(parser)
    add_point_arguments(parser, adapted=True)
    add_method_argument(parser, "prediction method of --threshold (default: the first of the predictor file)")
    add_image_arguments(parser, labels=True, tensors=True)
    parser.add_argument("--count", type=COUNT, metavar="N", help="use only the first N images (default: all)")
    parser.add_argument(
        "--baselines",
        nargs="+",
        choices=_BASELINES,
        default=["perfect"],
        help="perfect: is never wrong; random: skips at random, in each layer as much as the operating point; "
        "neighbours: skips where all computed neighbours are zero (default: perfect)",
    )
    parser.add_argument(
        "--reference",
        metavar="METHOD",
        help="row of the table to which the others' differences are taken (default: the first operating point)",
    )
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json", "markdown"),
        default="table",
        help="format of the tables (default: table)",
    )
    parser.add_argument("--wide", action="store_true", help="tables in one piece (default: 100 columns at most)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to this file instead of the terminal")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the error over the MACs saved (.png, .svg, .pdf)"
    )
    add_option(parser, "--report")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Evaluate, and print or write the tables."""
    from zapsim.files import write_atomically
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import use_threads
    from zapsim.frontend.training.predictor import load_predictors
    from zapsim.report.conclusion import of_evaluations
    from zapsim.report.figures.curves import draw_curves, evaluated_curves
    from zapsim.report.terminal import UNLIMITED
    from zapsim.report.view import WIDTH, View, wrapped

    check_output(args.out)
    if args.plot is not None:
        check_plot(args.plot)
    check_outputs((), report=args.report)
    use_threads(args.threads)
    predictors = load_predictors(args.predictors)
    points, adapted = load_all_points(args, predictors)
    with undecoded_on_stderr():
        evaluated = api.evaluate(
            named_network(args),
            predictors,
            images_or_inputs(args),
            points=points,
            adapted=adapted,
            labels=args.labels,
            count=args.count,
            baselines=args.baselines,
            reference=args.reference,
            seed=args.seed,
            weights=args.weights,
            device=args.device,
            provenance=provenance("eval", vars(args)),
        )
    if args.plot is not None:
        save_figure(draw_curves(evaluated_curves(evaluated.records()), Layout("page")), args.plot)
    width = UNLIMITED if args.wide else min(wide_console().width, WIDTH)
    text = evaluated.render(args.format, width)
    if args.format in ("table", "markdown"):
        conclusion = of_evaluations(evaluated, evaluated.reference)
        lines = wrapped([conclusion], View(whole_provenance=args.wide or args.format == "markdown"), width)
        text = "\n".join([*lines, "", text])
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(args.out, text)
    if args.report is not None:
        write_evaluation_report(args.report, evaluated)
    return 0
