"""``zapsim eval``: measure what operating points cost and save with all predictors at work, beside baselines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers, add_option, check_outputs
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
from zapsim.report.plot import check_plot, save_figure

if TYPE_CHECKING:
    from zapsim.frontend.evaluation import Evaluation

_BASELINES = ("perfect", "random", "neighbours")
_PLOTTED = ("top1_accuracy", "top1_agreement", "relative_output_error")

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
    parser.add_argument("--count", type=int, metavar="N", help="use only the first N images (default: all)")
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
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to this file instead of the terminal")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw quality against MACs saved (.png, .svg, .pdf)")
    add_option(parser, "--report")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Evaluate, and print or write the tables."""
    from zapsim.files import write_atomically
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import use_threads
    from zapsim.frontend.training.predictor import load_predictors

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
        _plot(evaluated, args.plot, f"{evaluated.provenance['network']} {evaluated[0].note}")
    text = evaluated.render(args.format, None if args.out else wide_console().width)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(args.out, text)
    if args.report is not None:
        write_evaluation_report(args.report, evaluated)
    return 0


def _plot(evaluations: Sequence[Evaluation], path: Path, title: str) -> None:
    """Draw every method as a point with its interval: top-1 if known, else agreement, else output error."""
    from matplotlib.figure import Figure

    figures = evaluations[0].figures
    name = next(name for name in _PLOTTED if name in figures)
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for family in dict.fromkeys(_family(evaluation) for evaluation in evaluations):
        members = sorted(
            (evaluation for evaluation in evaluations if _family(evaluation) == family),
            key=lambda evaluation: evaluation.macs_saved,
        )
        estimates = [evaluation.figures[name] for evaluation in members]
        below = [100 * (estimate.value - estimate.low) for estimate in estimates]
        above = [100 * (estimate.high - estimate.value) for estimate in estimates]
        saved = [100 * evaluation.macs_saved for evaluation in members]
        values = [100 * estimate.value for estimate in estimates]
        reach = [below, above]
        axes.errorbar(saved, values, yerr=reach, fmt="o-", markersize=4, linewidth=1, capsize=2, label=family)
        for evaluation, x, y in zip(members, saved, values, strict=True):
            axes.annotate(evaluation.name, (x, y), textcoords="offset points", xytext=(4, 4), fontsize=6)
    if "top1_accuracy_unmodified" in figures and name == "top1_accuracy":
        axes.axhline(100 * figures["top1_accuracy_unmodified"].value, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("MACs saved, net of the predictors' own, %")
    axes.set_ylabel(f"{name.replace('_', ' ')}, %")
    axes.set_title(title, fontsize=7, wrap=True, parse_math=False)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def _family(evaluation: Evaluation) -> str:
    """Return the line that a method belongs to: the predictors' own, adapted weights, or a baseline."""
    first, _, adapted = evaluation.name.split()[0].partition("-")
    if first in ("perfect", "random", "neighbours"):
        return first
    return f"predictors, {adapted}" if adapted in ("recalibrated", "finetuned") else "predictors"
