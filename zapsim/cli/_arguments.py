"""What several commands take: the sub-parser type, and where the bundled trace lies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

BUNDLED_TRACE = Path(__file__).parents[2] / "traces" / "vgg16_hed_chelsea.safetensors"
"""VGG-16 (HED weights) on one photograph: what ``zapsim run`` takes if no trace is named."""


def add_design_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what runs where: architecture, changes to it, trace, operating point and images."""
    parser.add_argument(
        "--arch", required=True, metavar="FILE", help="architecture file, or the bare name of a shipped one"
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE",
                        help="change a key of the architecture, as in array.rows=16; may be repeated")  # fmt: skip
    parser.add_argument(
        "--trace", type=Path, default=BUNDLED_TRACE, metavar="FILE", help="trace (default: the bundled VGG-16)"
    )
    parser.add_argument("--point", metavar="NAME", help="operating point of the trace (default: its first)")
    parser.add_argument(
        "--images", type=int, nargs="+", metavar="I", help="indices of images in the trace (default: all)"
    )
