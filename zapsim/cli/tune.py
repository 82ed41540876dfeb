"""``zapsim tune``: choose operating points (thresholds per layer) from curves measured on pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers, add_option, check_outputs, say_written
from zapsim.cli._frontend_arguments import (
    add_image_arguments,
    add_network_arguments,
    add_predictors_argument,
    provenance,
    undecoded_on_stderr,
    wide_console,
)

if TYPE_CHECKING:
    from zapsim.frontend.api import TuningResult
    from zapsim.tracefile.records import OperatingPoint, PredictorSetting

_EPILOG = """\
examples:
  zapsim tune --network zapsim.frontend.networks.hed_vgg16:vgg16 --predictors vgg16.zap.safetensors \\
      --images photos/ --crops 32 --error 0.05 0.1 0.2 --out vgg16.points.json
  zapsim tune --network mynets:vgg --predictors vgg.zap.safetensors --images train-images-idx3-ubyte --crops 5000 \\
      --saving 0.2 0.3 --threshold 0 --out vgg.points.json
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
The curves look at one layer at a time. `zapsim eval` measures what a point really costs.

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
    add_image_arguments(parser, "; preferably not the training images")
    parser.add_argument(
        "--crops", type=int, default=64, metavar="N", help="number of random crops of the pictures (default: 64)"
    )
    parser.add_argument(
        "--error", type=float, nargs="+", default=[], metavar="E", help="error budgets, with thresholds per layer"
    )
    parser.add_argument(
        "--saving",
        type=float,
        nargs="+",
        default=[],
        metavar="S",
        help="shares of the MACs to save, with thresholds per layer",
    )
    parser.add_argument(
        "--uniform",
        type=float,
        nargs="+",
        default=[],
        metavar="E",
        help="error budgets, with one threshold for all layers",
    )
    parser.add_argument(
        "--threshold", type=float, nargs="+", default=[], metavar="T", help="thresholds, each for all layers"
    )
    parser.add_argument(
        "--weigh",
        action="store_const",
        const=True,  # not store_true: arguments that are not given stay out of the provenance
        help="weigh each layer's error by its effect on the output (measured on at most 1000 of the images)",
    )
    _add_array_arguments(parser)
    parser.add_argument(
        "--bins",
        type=int,
        default=2048,
        metavar="N",
        help="number of threshold steps from -1 to 1, a power of two (default: 2048)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="operating points to write (JSON)")
    parser.set_defaults(execute=execute)


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
        type=int,
        metavar="N",
        help="how many of the images are simulated; needs --arch (default: 8, or all if there are fewer)",
    )
    add_option(
        parser, "--plot", help="also draw cycles and energy saved over the error (png, svg or pdf); needs --arch"
    )


def execute(args: argparse.Namespace) -> int:
    """Measure the curves, write the points and print a column per point."""
    from zapsim.errors import FrontendError
    from zapsim.frontend import api
    from zapsim.frontend.inputs import check_output
    from zapsim.frontend.network.forward import use_threads
    from zapsim.report.plot import save_figure
    from zapsim.report.points_plot import draw_points

    if not (args.error or args.saving or args.uniform or args.threshold):
        raise FrontendError("nothing to tune for: give --error, --saving, --uniform or --threshold")
    if args.plot is not None and args.arch is None:
        raise FrontendError("--plot shows what is expected on an array: give --arch")
    check_output(args.out)
    check_outputs((args.out,), (args.plot,), [] if args.arch is None else [Path(args.arch)])
    use_threads(args.threads)
    with undecoded_on_stderr():
        tuned = api.tune(
            args.network,
            args.predictors,
            args.images,
            error=args.error,
            saving=args.saving,
            uniform=args.uniform,
            threshold=args.threshold,
            weigh=bool(args.weigh),
            arch=args.arch,
            overrides=args.overrides,
            minimise=args.minimise,
            unit=args.unit,
            array_crops=args.array_crops,
            crops=args.crops,
            bins=args.bins,
            seed=args.seed,
            weights=args.weights,
            device=args.device,
            out=args.out,
            provenance=provenance("tune", {**vars(args), "arch": None if args.arch is None else Path(args.arch)}),
        )
    _print(tuned)
    if args.plot is not None:
        save_figure(draw_points(tuned.points, "summed error" if tuned.weights is None else "weighted error"), args.plot)
        say_written(args.plot)
    return 0


def _print(tuned: TuningResult) -> None:
    from rich.table import Table

    weights, points = tuned.weights, tuned.points
    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    if weights is not None:
        table.add_column("weight", justify="right")
    blank = () if weights is None else ("",)
    for point in points:
        table.add_column(point.name, justify="right")
    for layer in tuned.curves.layers:
        settings = [point.predictors.get(layer.name) for point in points]
        weight = () if weights is None else (f"{weights[layer.name]:.2f}",)
        table.add_row(layer.name, *weight, *map(_setting, settings))
    table.add_section()
    table.add_row("MACs saved", *blank, *(f"{point.quality['macs_saved']:.2%}" for point in points))
    table.add_row(
        "summed error" if weights is None else "weighted error",
        *blank,
        *(f"{point.quality['summed_error']:.4f}" for point in points),
    )
    if any(map(_bound, points)):
        table.add_row("cannot be beaten", *blank, *map(_bound, points))
    for key, heading in _EXPECTED.items():
        if any(key in point.quality for point in points):
            table.add_row(heading, *blank, *(_share(point, key) for point in points))
    console = wide_console()
    console.print(table)
    console.print(
        f"MACs saved: expected, net of the predictors' own; measured {tuned.curves.note}, one layer at a time; off: "
        "the layer computes everything",
        highlight=False,
    )
    if "expected_cycle_saving" in points[0].quality:
        console.print(f"cycles, energy and what comes below: {points[0].quality_note}", highlight=False)


_EXPECTED = {
    "layerwise_cycle_saving": "cycles saved, layers alone",
    "layerwise_energy_saving": "energy saved, layers alone",
    "expected_cycle_saving": "cycles saved",
    "expected_energy_saving": "energy saved",
    "relative_output_error": "output error",
    "top1_agreement": "top-1 agreement",
    "top1_accuracy": "top-1 accuracy",
}
"""Rows of the table for what is expected on an array, by the name in a point's quality."""


def _share(point: OperatingPoint, key: str) -> str:
    return f"{point.quality[key]:.2%}" if key in point.quality else ""


def _setting(setting: PredictorSetting | None) -> str:
    if setting is None:
        return "off"
    return f"{setting.threshold:.4f}" + ("" if setting.unit is None else f" by {setting.unit}")


def _bound(point: OperatingPoint) -> str:
    """Return what no thresholds can beat: MACs saved for an error budget, summed error for a saving."""
    if "most_macs_saved" in point.quality:
        return f"{point.quality['most_macs_saved']:.2%}"
    error = point.quality.get("least_summed_error")
    return "" if error is None else f"{error:.4f}"
