"""``zapsim trace-info``: what is in a trace file."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import Subparsers

_EPILOG = """\
example:
  zapsim trace-info traces/vgg16_hed_chelsea.safetensors

Every map of the operating point is read and checked against its digest.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "trace-info",
        help="print what is in a trace: network, images, operating points, zeros and skips a layer",
        description="Print network, images, operating points and provenance of a trace, and zeros and skips a layer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="trace file (.safetensors)")
    parser.add_argument("--point", metavar="NAME", help="operating point of the layer table (default: the first)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the description."""
    from zapsim.report.consoles import stdout_console
    from zapsim.report.trace_info import print_trace_info
    from zapsim.tracefile.reader import Trace

    print_trace_info(Trace(args.file), args.point, stdout_console())
    return 0
