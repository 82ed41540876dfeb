"""``zapsim trace-info``: what is in a trace file."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import Subparsers, add_command, add_option

_EPILOG = """\
example:
  zapsim trace-info traces/vgg16_hed_chelsea_1_3.safetensors

The command reads every map of the operating point and checks it against its digest.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "trace-info",
        "print what is in a trace: network, images, operating points, zeros and skipped outputs of each layer",
        "Print a trace's network, images, operating points, provenance, and zeros and skipped outputs of each layer.",
        _EPILOG,
    )
    parser.add_argument("file", type=Path, help="trace file (.safetensors)")
    add_option(parser, "--point", help="operating point of the layer table (default: the first)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the description."""
    from zapsim.report.terminal import stdout_console
    from zapsim.report.trace_info import print_trace_info
    from zapsim.tracefile.reader import Trace

    print_trace_info(Trace(args.file), args.point, stdout_console())
    return 0
