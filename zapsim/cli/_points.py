"""Which operating points a command runs at: thresholds, points of a file, points with adapted weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zapsim.frontend.skipping import Setting
    from zapsim.frontend.training.adapted_weights import Adapted
    from zapsim.frontend.training.predictor import PredictorFile


def add_point_arguments(parser: argparse.ArgumentParser, *, adapted: bool) -> None:
    """Declare what says which points; with `adapted` also those of `zapsim adapt`."""
    parser.add_argument(
        "--threshold", type=float, nargs="+", metavar="T", help="one operating point each, the same in all layers"
    )
    parser.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="operating points with thresholds by layer, as `zapsim tune` writes",
    )
    parser.add_argument("--point", nargs="+", metavar="NAME", help="only these of --points (default: all)")
    if adapted:
        parser.add_argument(
            "--adapted",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="operating points with weights of their own, as `zapsim adapt` writes",
        )


def settings_of(args: argparse.Namespace, file: PredictorFile) -> tuple[Setting, ...]:
    """Return the operating points of --threshold, then those of --points."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.skipping import uniform_settings
    from zapsim.frontend.tuning.operating_points import load_points

    settings = uniform_settings(args.threshold or (), file.predictors)
    if args.points is not None:
        settings += load_points(args.points, file).settings(args.point)
    elif args.point:
        raise FrontendError("--point needs --points")
    _only_once(settings, str(args.points))
    return settings


def all_points(args: argparse.Namespace, file: PredictorFile) -> tuple[tuple[Setting, ...], tuple[Adapted, ...]]:
    """Return the points of --threshold and --points, and those of --adapted."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.training.adapted_weights import load_adapted

    settings = settings_of(args, file)
    adapted = tuple(point for path in args.adapted or () for point in load_adapted(path, file))
    _only_once((*settings, *(point.setting for point in adapted)), "--adapted")
    if not (settings or adapted):
        raise FrontendError("no operating point: give --threshold, --points or --adapted")
    return settings, adapted


def _only_once(settings: tuple[Setting, ...], where: str) -> None:
    from zapsim.errors import FrontendError

    names = [setting.name for setting in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FrontendError(f"{where}: two operating points are called '{twice[0]}'")
