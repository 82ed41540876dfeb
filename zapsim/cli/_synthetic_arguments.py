"""Options that say how synthetic masks are drawn, for the commands that draw them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zapsim.cli._arguments import PATTERN_NAMES, SEED, number
from zapsim.errors import ZapsimError

_DEFAULTS = {"skipped": None, "pattern": "1/2", "space": 0.0, "channel": 0.0, "seed": 0}
"""What is drawn unless an option says otherwise."""


def add_synthetic_arguments(parser: argparse.ArgumentParser, title: str) -> None:
    """Declare densities and how zeros lie, under a title of their own."""
    group = parser.add_argument_group(title)
    group.add_argument(
        "--density", nargs="+", metavar="[LAYER=]D",
        help="share of the outputs that are not zero, of all layers or of LAYER; or one CSV file with the columns "
        "layer, and density, skipped or both; or the name of published rates (zap_alexnet, zap_resnet18, zap_vgg16)",
    )  # fmt: skip
    group.add_argument(
        "--skipped", type=number, metavar="S",
        help="share of each layer's outputs that are skipped (default: all zeros outside the pattern)",
    )  # fmt: skip
    group.add_argument("--pattern", choices=PATTERN_NAMES, help="outputs to compute first (default: 1/2)")
    group.add_argument("--space", type=number, metavar="A", help="share of variance that neighbouring pixels share (0)")
    group.add_argument(
        "--channel", type=number, metavar="B", help="share of variance that a filter's outputs share (0)"
    )
    group.add_argument("--seed", type=SEED, metavar="N", help="seed of all random numbers (default: 0)")


def check_synthetic(args: argparse.Namespace) -> None:
    """Refuse options of synthetic masks where none are drawn, and a seed that cannot be one.

    Raises
    ------
    ZapsimError
        Naming the option.
    """
    for option in _DEFAULTS:
        if args.density is None and getattr(args, option) is not None:
            raise ZapsimError(f"--{option} is for masks that are drawn: give --density, too")
    if args.seed is not None and args.seed < 0:
        raise ZapsimError(f"--seed must be at least 0, got {args.seed}")


def density_files(args: argparse.Namespace) -> Sequence[Path]:
    """Find the file of densities, which no output may replace."""
    from zapsim.workloads.rates import rates_file

    return [path for word in args.density or () if (path := rates_file(word)) is not None]


def draw(args: argparse.Namespace, source: str, out: Path, images: int = 1) -> None:
    """Draw the masks of the workload that `source` names, and write them as a trace.

    Raises
    ------
    ZapsimError
        If the workload or a density cannot be used.
    """
    from zapsim.cli._arguments import open_workload
    from zapsim.workloads.rates import rates_of
    from zapsim.workloads.synthetic import Likeness, synthesise

    chosen = {name: getattr(args, name) for name in _DEFAULTS if getattr(args, name) is not None}
    options: dict[str, Any] = {**_DEFAULTS, **chosen}
    likeness = Likeness(options["space"], options["channel"])
    workload = open_workload(source, args.size)
    rates = rates_of(args.density, workload, skipped=options["skipped"], pattern=options["pattern"])
    synthesise(workload, rates, out, pattern=options["pattern"], likeness=likeness, images=images, seed=options["seed"])
