"""``zapsim trace``: run a network with its predictors and write which outputs are computed to a trace file."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import COUNT, Subparsers
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

if TYPE_CHECKING:
    from zapsim.frontend.capture import LayerCounts
    from zapsim.frontend.training.adapted_weights import AdaptedWeights
    from zapsim.frontend.training.predictor import PredictorSet
    from zapsim.tracefile.reader import Trace
    from zapsim.tracefile.records import OperatingPoint, TraceHeader

_EPILOG = """\
examples:
  zapsim trace --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --images chelsea.png --threshold 0.2 --out chelsea.safetensors
  zapsim trace --network zapsim.frontend.networks.digits:cnn --predictors digits.zap.safetensors \\
      --images t10k-images-idx3-ubyte --count 4 --threshold 0.2 0.4 \\
      --eval-images t10k-images-idx3-ubyte --eval-labels t10k-labels-idx1-ubyte --out digits.safetensors
  zapsim trace --network mynets:vgg --predictors vgg.zap.safetensors --images photos/ --threshold 0.1 --values \\
      --out vgg.safetensors
  zapsim run --arch snapea --policy early-exit --trace vgg.safetensors
  zapsim trace --network mynets:mlp --inputs mynets:features --fully-connected --masks mlp.npz --out mlp.safetensors

Each threshold becomes an operating point of the trace (t0.2, t0.4, ...): an output outside the pattern is computed if
its score is above the threshold. The points of --points follow under their own names, then those of --adapted, which
run with weights of their own. Of each picture, the centre is traced. Quality is measured on --eval-images: on random
crops of pictures, or on all images of an idx file, an npz file or a folder with one subfolder per class (of at least 6
photographs), and on the traced images, which may differ from them.

Masks of any other predictor come from --masks: an npz file with an array of booleans (images, K, P, Q) for each layer,
True = computed. They make a point masks; the network runs with them, so that quality is measured. Nothing is computed
first there, and no predictor is charged. Without --predictors and --masks, every output is computed (point dense).
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "trace",
        help="run a network with its predictors and write a trace",
        description="Run a network with its predictors on images, and write which values are zero and which outputs "
        "are computed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_predictors_argument(parser, " (default: none, every output is computed)", required=False)
    add_image_arguments(parser, tensors=True)
    parser.add_argument("--count", type=COUNT, metavar="N", help="trace only the first N images (default: all)")
    add_point_arguments(parser, adapted=True)
    parser.add_argument("--masks", type=Path, metavar="FILE", help="masks of another predictor (.npz), for point masks")
    parser.add_argument(
        "--fully-connected",
        action="store_const",
        const=True,
        help="also trace fully connected layers, as 1×1 convolutions without a predictor",
    )
    add_method_argument(parser, "prediction method of --threshold (default: the first of the predictor file)")
    parser.add_argument(
        "--eval-images",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="other images to measure the quality on, beside the traced ones",
    )
    parser.add_argument("--eval-labels", type=Path, metavar="FILE", help="idx file with the classes of --eval-images")
    parser.add_argument(
        "--eval-crops",
        type=COUNT,
        default=16,
        metavar="N",
        help="number of random crops of --eval-images (default: 16)",
    )
    parser.add_argument(
        "--values",
        action="store_const",
        const=True,  # not store_true: arguments that are not given stay out of the provenance
        help="also write when each output could stop early, for policy early-exit (a trace about 16 times as large)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="trace to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Measure the quality, write the trace and print a line per layer."""
    from zapsim.errors import FrontendError
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import use_threads
    from zapsim.frontend.training.predictor import load_predictors

    check_output(args.out)
    use_threads(args.threads)
    predictors = None if args.predictors is None else load_predictors(args.predictors)
    points, adapted = _points(args, predictors)
    if args.eval_labels is not None and args.eval_images is None:
        raise FrontendError("--eval-labels needs --eval-images")
    with undecoded_on_stderr():
        trace = api.trace(
            named_network(args),
            predictors,
            images_or_inputs(args),
            args.out,
            points=points,
            adapted=adapted,
            count=args.count,
            eval_images=args.eval_images,
            eval_labels=args.eval_labels,
            eval_crops=args.eval_crops,
            values=bool(args.values),
            masks=args.masks,
            fully_connected=bool(args.fully_connected),
            seed=args.seed,
            weights=args.weights,
            device=args.device,
            provenance=provenance("trace", vars(args)),
        )
    _print(trace)
    return 0


def _points(
    args: argparse.Namespace, predictors: PredictorSet | None
) -> tuple[tuple[OperatingPoint, ...], tuple[AdaptedWeights, ...]]:
    """Return the operating points of the predictors."""
    from zapsim.errors import FrontendError

    options = ("threshold", "points", "point", "adapted", "method")
    named = [f"--{name}" for name in options if getattr(args, name) is not None]
    if predictors is None:
        if named:
            raise FrontendError(f"{named[0]} needs --predictors")
        return (), ()
    return ((), ()) if args.masks is not None and not named else load_all_points(args, predictors)


def _print(trace: Trace) -> None:
    from rich.table import Table

    from zapsim.frontend.capture import count_outputs

    points = trace.header.operating_points
    counts = {point.name: count_outputs(trace, point.name) for point in points}
    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    table.add_column("zeros", justify="right")
    for name in counts:
        table.add_column(f"skipped {name}", justify="right")
    table.add_column("")
    for layer in trace.header.layers:
        by_point = [counted[layer.shape.name] for counted in counts.values()] if layer.relu else []
        zeros = f"{by_point[0].zeros / by_point[0].outputs:.1%}" if by_point else ""
        skipped = [f"{counted.skipped / counted.outputs:.1%}" if counted.skipped else "" for counted in by_point]
        blank = [""] * (len(counts) - len(skipped))
        table.add_row(layer.shape.name, zeros, *skipped, *blank, layer.unpredicted or "")
    console = wide_console()
    console.print(table)
    if "not_simulated" in trace.header.provenance:
        console.print(trace.header.provenance["not_simulated"]["what"], highlight=False)
    for point in points:
        saved = macs_saved(trace.header, counts[point.name])
        measured = ", ".join(f"{figure} {value:.4f}" for figure, value in point.quality.items())
        console.print(f"{point.name}: {saved:.1%} of MACs skipped; {measured}", highlight=False)
        if extreme := all_or_nothing(trace.header, point, counts[point.name]):
            console.print(
                f"{point.name}: {extreme} is skipped; `zapsim tune` chooses thresholds for an error that you name",
                highlight=False,
            )
    console.print(f"measured {points[0].quality_note}", highlight=False)


def all_or_nothing(header: TraceHeader, point: OperatingPoint, counts: Mapping[str, LayerCounts]) -> str:
    """Say whether thresholds skip nothing, or all that the pattern leaves; else return an empty text."""
    from zapsim.patterns import NO_PATTERN, pattern_map

    skipped, left = 0, 0.0
    for layer in header.layers:
        setting = point.predictors.get(layer.shape.name)
        if setting is not None and setting.pattern != NO_PATTERN:
            counted = counts[layer.shape.name]
            skipped += counted.skipped
            left += counted.outputs * (1 - float(pattern_map(setting.pattern, layer.shape.P, layer.shape.Q).mean()))
    if not left or 0 < skipped < round(left):
        return ""
    return "everything outside the pattern" if skipped else "nothing"


def macs_saved(header: TraceHeader, counts: Mapping[str, LayerCounts]) -> float:
    """Return the share of the network's convolution MACs that skipped outputs would have taken."""
    macs = {layer.shape.name: layer.shape.macs for layer in header.layers}
    skipped = math.fsum(macs[name] * counted.skipped / counted.outputs for name, counted in counts.items())
    return skipped / sum(macs.values())
