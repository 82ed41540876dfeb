"""``zapsim tune``: choose operating points (thresholds per layer) from curves measured on pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import COUNT, Subparsers, add_option, check_outputs, number, say_written
from zapsim.cli._frontend_arguments import (
    add_image_arguments,
    add_method_argument,
    add_network_arguments,
    add_predictors_argument,
    images_or_inputs,
    named_network,
    provenance,
    undecoded_on_stderr,
)

CROPS = 64
"""Crops to choose thresholds on, if not said."""

_EPILOG = """\
examples:
  zapsim tune --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --images photos/ --crops 32 --error 0.05 0.1 0.2 --out vgg16.points.json
  zapsim tune --network mynets:vgg --predictors vgg.zap.safetensors --images train-images-idx3-ubyte --crops 5000 \\
      --unseen --saving 0.2 0.3 --threshold 0 --out vgg.points.json
  zapsim trace --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json --images ...

Each budget becomes one operating point, for `zapsim eval --points` and `zapsim trace --points`:
  --error E       the thresholds per layer that save the most MACs with a summed error of at most E; a layer's error
                  is the share of its activation sum that is skipped (point eE)
  --saving S      the thresholds per layer with the least summed error that save a share S of the MACs, net of the
                  predictors' own (point sS)
  --uniform E     the highest threshold for all layers with a summed error of at most E (point uE)
  --threshold T   threshold T in all layers; it must be a multiple of the curves' step (point tT)
With --weigh, a layer's error is multiplied by a weight: the effect that skipping in this layer alone has on the
network's output. It is measured without labels, in one forward pass per layer and image. The weights have mean 1.
With --harm output, errors and budgets are relative errors of the network's output: 0.03 asks for at most 3 %. What each
output contributes is estimated from gradients, without labels, while the other layers skip.
With --order, every point comes once more for each order of filters (e0.2-density), with the same thresholds: filters
sorted by the share of their outputs that are computed on the images, or dealt so that neighbours are unlike. It
costs no hardware: `zapsim reorder` permutes the weights, and `zapsim run` takes the order into account. Layers whose
outputs are added or joined keep one order.
The curves look at one layer at a time, on the images that thresholds are chosen on. What a point achieves with all
predictors at work is measured, too: on --check, or else on at most 1000 of these images. Photographs on which the
predictors learnt are refused, as they err less there: --unseen leaves them out. Fewer than 6 photographs are refused,
too, as they say nothing of others.

With --arch, a layer's cost is what it takes on this array, from its own engine, on masks of the first --array-crops
images, and savings are shares of it. Outputs that the array can only leave out together are decided on together
(--unit). The table then says what is expected of a point on these images with all predictors at work:
  zapsim tune --network mynets:vgg --predictors vgg.zap.safetensors --images photos/ --weigh \\
      --arch systolic_16x16 --set array.dataflow=output-stationary --error 0.1 0.2 --plot vgg.png --out vgg.points.json
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "tune",
        help="choose thresholds for error budgets or MAC savings",
        description="Measure error and MACs of every layer by threshold in one pass, and choose thresholds for error "
        "budgets or savings.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_predictors_argument(parser)
    _add_images(parser)
    _add_budgets(parser)
    _add_decisions(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="operating points to write (JSON)")
    parser.set_defaults(execute=execute)


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Declare the images that thresholds are chosen on."""
    add_image_arguments(parser, "; other photographs than those of the training", tensors=True)
    parser.add_argument(
        "--crops",
        type=COUNT,
        metavar="N",
        help="number of random crops of the pictures (default: 64), or of the first --inputs (default: all)",
    )
    parser.add_argument(
        "--check",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="other images, on which to measure what the points achieve (default: those of --images)",
    )
    overlap = parser.add_mutually_exclusive_group()
    overlap.add_argument(
        "--unseen",
        action="store_const",
        const=True,
        help="leave out the photographs of the training",
    )
    overlap.add_argument(
        "--allow-overlap",
        action="store_const",
        const=True,
        help="tune on photographs of the training, too (default: refuse them)",
    )


def _add_budgets(parser: argparse.ArgumentParser) -> None:
    """Declare what may be lost or is to be saved."""
    parser.add_argument(
        "--error", type=number, nargs="+", default=[], metavar="E", help="error budgets, with thresholds per layer"
    )
    parser.add_argument(
        "--saving",
        type=number,
        nargs="+",
        default=[],
        metavar="S",
        help="shares of the MACs to save, with thresholds per layer",
    )
    parser.add_argument(
        "--uniform",
        type=number,
        nargs="+",
        default=[],
        metavar="E",
        help="error budgets, with one threshold for all layers",
    )
    parser.add_argument(
        "--threshold", type=number, nargs="+", default=[], metavar="T", help="thresholds, each for all layers"
    )


def _add_decisions(parser: argparse.ArgumentParser) -> None:
    """Declare how outputs are scored, how errors are counted, and what is decided together."""
    add_method_argument(
        parser,
        "prediction method (default: the first of the predictor file); of several, or of all with best, each layer "
        "gets the one that the budget is best spent on, net of its own MACs",
        several=True,
    )
    parser.add_argument(
        "--weigh",
        action="store_const",
        const=True,  # not store_true: arguments that are not given stay out of the provenance
        help="weigh each layer's error by its effect on the output (measured on at most 1000 of the images)",
    )
    _add_array_arguments(parser)
    parser.add_argument(
        "--order",
        nargs="+",
        choices=("density", "deal"),
        help="also learn a static order of filters for every point: like filters side by side, or neighbours unlike",
    )
    parser.add_argument(
        "--harm",
        choices=("activation", "output"),
        help="what errors are: the share of a layer's activation that is lost (default), or the relative error of the "
        "network's output",
    )
    parser.add_argument(
        "--bins",
        type=COUNT,
        default=2048,
        metavar="N",
        help="number of threshold steps from -1 to 1, a power of two (default: 2048)",
    )


def _add_array_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the array that thresholds are chosen for; what is not given stays out of the provenance (None)."""
    add_option(parser, "--arch", help="choose for this array: an architecture file, or the name of a shipped one")
    add_option(parser, "--set", default=None)
    parser.add_argument(
        "--minimise",
        choices=("cycles", "energy", "edp"),
        help="what of the array is to be saved; needs --arch (default: cycles)",
    )
    parser.add_argument(
        "--unit",
        metavar="NAME",
        help="what is decided on together; needs --arch. auto: single outputs, or what the array leaves out together, "
        "whichever pays in a layer (default); output; filters: a pixel for a tile of filters; pixels: a filter for a "
        "tile of pixels; quota: as many outputs on every lane",
    )
    parser.add_argument(
        "--array-crops",
        type=COUNT,
        metavar="N",
        help="how many of the images are simulated; needs --arch (default: 8, or all if there are fewer)",
    )
    add_option(
        parser, "--plot", help="also draw cycles and energy saved over the error (png, svg or pdf); needs --arch"
    )


def execute(args: argparse.Namespace) -> int:
    """Measure the curves, write the points and print a column per point."""
    from zapsim.cli._tuning_table import print_tuning
    from zapsim.errors import FrontendError
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import use_threads
    from zapsim.report.figures.curves import draw_curves, point_curve
    from zapsim.report.style import Layout, save_figure

    if not (args.error or args.saving or args.uniform or args.threshold):
        raise FrontendError("nothing to tune for: give --error, --saving, --uniform or --threshold")
    if args.plot is not None and args.arch is None:
        raise FrontendError("--plot shows what is expected on an array: give --arch")
    check_output(args.out)
    check_outputs((args.out,), (args.plot,), [] if args.arch is None else [Path(args.arch)])
    use_threads(args.threads)
    crops = CROPS if args.crops is None and args.inputs is None else args.crops
    options = {**vars(args), "crops": crops, "arch": None if args.arch is None else Path(args.arch)}
    with undecoded_on_stderr():
        tuned = api.tune(
            named_network(args),
            args.predictors,
            images_or_inputs(args),
            error=args.error,
            saving=args.saving,
            uniform=args.uniform,
            threshold=args.threshold,
            weigh=bool(args.weigh),
            harm=args.harm or "activation",
            method=args.method,
            order=args.order or (),
            arch=args.arch,
            overrides=args.overrides,
            minimise=args.minimise,
            unit=args.unit,
            array_crops=args.array_crops,
            crops=CROPS if crops is None else crops,
            check=args.check,
            unseen=bool(args.unseen),
            allow_overlap=bool(args.allow_overlap),
            bins=args.bins,
            seed=args.seed,
            weights=args.weights,
            device=args.device,
            out=args.out,
            provenance=provenance("tune", options),
        )
    print_tuning(tuned)
    if args.plot is not None:
        curve = point_curve("operating points", [point.quality for point in tuned.points])
        names = {} if tuned.weights is None else {"summed_error": "weighted error"}
        save_figure(draw_curves([curve], Layout("page"), names), args.plot)
        say_written(args.plot)
    return 0
