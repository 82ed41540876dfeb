"""Options that the commands of the frontend share, and what these commands do alike."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from zapsim.cli._arguments import COUNT, SEED, number

if TYPE_CHECKING:
    from rich.console import Console

    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.network.network import NamedNetwork
    from zapsim.frontend.training.adapted_weights import AdaptedWeights
    from zapsim.frontend.training.predictor import PredictorSet
    from zapsim.tracefile.records import OperatingPoint


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which network runs, and where."""
    parser.add_argument("--network", required=True, metavar="MODULE:FACTORY", help="function that builds the network")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="state dict: .safetensors, or .pth (weights only)")
    parser.add_argument(
        "--size",
        type=COUNT,
        metavar="N",
        help="rows and columns of the network's input (default: as the network says)",
    )
    for name, what in (("mean", "mean"), ("std", "standard deviation")):
        parser.add_argument(
            f"--{name}", type=number, nargs="+", metavar="X",
            help=f"{what} of the pixels (0 to 255), a value per channel (default: as the network says)",
        )  # fmt: skip
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the network runs (default: a GPU if torch sees one)",
    )
    parser.add_argument("--threads", type=COUNT, metavar="N", help="CPU threads (default: torch's choice)")
    parser.add_argument("--seed", type=SEED, default=0, metavar="N", help="seed of all random choices (default: 0)")


def named_network(args: argparse.Namespace) -> str | NamedNetwork:
    """Return the network that is named, with --size, --mean and --std if any is given."""
    from zapsim.frontend.network.network import NamedNetwork

    if args.size is None and args.mean is None and args.std is None:
        return str(args.network)
    mean, std = (None if values is None else tuple(values) for values in (args.mean, args.std))
    return NamedNetwork(args.network, args.size, mean, std)


def add_predictors_argument(parser: argparse.ArgumentParser, note: str = "", *, required: bool = True) -> None:
    """Declare the predictor file. A `note` is appended to the help text."""
    text = f"predictors, as `zapsim train` writes them{note}"
    parser.add_argument("--predictors", type=Path, required=required, metavar="FILE", help=text)


def add_image_arguments(
    parser: argparse.ArgumentParser, note: str = "", *, labels: bool = False, tensors: bool = False
) -> None:
    """Declare the images; with `labels` also their classes, with `tensors` also inputs that are no pictures.

    A `note` is appended to the help text.
    """
    group = parser.add_mutually_exclusive_group(required=True) if tensors else parser
    group.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=not tensors,
        metavar="PATH",
        help="pictures, folders of pictures, a folder with one subfolder per class, or one idx or npz file of images"
        + note,
    )
    if tensors:
        group.add_argument(
            "--inputs",
            metavar="MODULE:FACTORY",
            help="function that returns the network's inputs, if these are no pictures: a tensor (examples, ...) or "
            "batches of such tensors, with or without classes",
        )
    if labels:
        parser.add_argument("--labels", type=Path, metavar="FILE", help="idx file with the classes of the images")


def add_point_arguments(parser: argparse.ArgumentParser, *, adapted: bool) -> None:
    """Declare the operating points; with `adapted` also those of `zapsim adapt`."""
    parser.add_argument(
        "--threshold",
        type=number,
        nargs="+",
        metavar="T",
        help="thresholds; each makes an operating point with the same threshold in all layers",
    )
    parser.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="operating points with a threshold per layer, as `zapsim tune` writes them",
    )
    parser.add_argument("--point", nargs="+", metavar="NAME", help="use only these points of --points (default: all)")
    if adapted:
        parser.add_argument(
            "--adapted",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="operating points with weights of their own, as `zapsim adapt` writes them",
        )


METHOD_NAMES = ("zap", "neighbours", "logistic", "zap-power-of-two")
"""The prediction methods, for help texts; loading them takes torch."""


def add_method_argument(parser: argparse.ArgumentParser, note: str, *, several: bool = False) -> None:
    """Declare the prediction method, or `several` of them; a `note` begins the help text."""
    parser.add_argument(
        "--method",
        nargs="+" if several else None,
        metavar="NAME",
        help=f"{note}: {', '.join(METHOD_NAMES)}",
    )


def images_or_inputs(args: argparse.Namespace) -> list[Path] | ImageSet:
    """Return the paths of --images, or the tensors of --inputs: the first --count or --crops of them, or all."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.examples import load_examples

    paths: list[Path] = args.images
    if args.inputs is None:
        return paths
    if getattr(args, "labels", None) is not None:
        raise FrontendError("--labels is for --images; the function of --inputs gives its own classes")
    if getattr(args, "check", None) is not None:
        raise FrontendError("--check is for --images, expected none with --inputs")
    return load_examples(args.inputs, args.count if hasattr(args, "count") else args.crops)


def load_common_points(args: argparse.Namespace, predictors: PredictorSet) -> tuple[OperatingPoint, ...]:
    """Return the operating points of --threshold, then those of --points."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.inputs import check_names, scorers_of_thresholds
    from zapsim.frontend.skipping import uniform_points
    from zapsim.frontend.tuning.operating_points import load_points

    points: tuple[OperatingPoint, ...] = ()
    if args.threshold:
        points = uniform_points(args.threshold, scorers_of_thresholds(predictors, getattr(args, "method", None)))
    if args.points is not None:
        points += load_points(args.points, predictors, args.point)
    elif args.point:
        raise FrontendError("--point needs --points")
    check_names(points, f"{args.points}: ")
    return points


def load_all_points(
    args: argparse.Namespace, predictors: PredictorSet
) -> tuple[tuple[OperatingPoint, ...], tuple[AdaptedWeights, ...]]:
    """Return the points of --threshold and --points, and those of --adapted."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.inputs import check_names
    from zapsim.frontend.training.adapted_weights import load_adapted

    points = load_common_points(args, predictors)
    adapted = tuple(weights for path in args.adapted or () for weights in load_adapted(path, predictors))
    check_names([*points, *(weights.point for weights in adapted)], "--adapted: ")
    if not (points or adapted):
        raise FrontendError("no operating point: give --threshold, --points or --adapted")
    return points, adapted


def provenance(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what files say of a command: its name and its arguments, paths as file names."""
    from zapsim.frontend import inputs

    return {"command": f"zapsim {command}", "arguments": inputs.arguments(arguments)}


@contextmanager
def undecoded_on_stderr() -> Iterator[None]:
    """Show as lines on stderr: pictures that did not decode, splits that overlap, savings that cannot be reached."""
    from zapsim.frontend.inputs import UndecodedPicturesWarning
    from zapsim.frontend.splits import OverlapWarning
    from zapsim.frontend.tuning.operating_points import UnreachableWarning

    lines = (UndecodedPicturesWarning, OverlapWarning, UnreachableWarning)
    with warnings.catch_warnings():
        for shown in lines:
            warnings.simplefilter("always", shown)
        show = warnings.showwarning

        def show_line(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, lines):
                print(f"zapsim: {message}", file=sys.stderr)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = show_line
        yield


def wide_console() -> Console:
    """Return a console that does not break lines where the output is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, markup=False, emoji=False)
