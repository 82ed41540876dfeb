"""``zapsim area``: what takes room on a chip."""

from __future__ import annotations

import argparse
import math

from zapsim.cli._arguments import Subparsers

_EPILOG = """\
examples:
  zapsim area                                              all shipped architectures
  zapsim area --arch eyeriss --set predictor.lanes=36      what wider predictors cost
  zapsim area --arch eyeriss systolic_16x16 my_chip.yaml

Areas are made from a table per part (docs/models/energy.md): good for comparing designs, not for taping one out.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "area",
        help="print the area of accelerators by component",
        description="Print the area of accelerators by component, in mm² of the process that the file names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--arch", nargs="+", metavar="FILE", help="architecture files, or bare names of shipped ones (default: all)"
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE",
                        help="change a key of each, as in predictor.lanes=36; may be repeated")  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print a row an architecture: its total, and each component with its share."""
    from rich.table import Table

    from zapsim.arch.load import known_archs, load_arch
    from zapsim.energy.area import AREA_COMPONENTS, area_by_component
    from zapsim.report.consoles import stdout_console

    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("mm²", *AREA_COMPONENTS):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("process")
    for name in args.arch or known_archs():
        arch = load_arch(name, args.overrides)
        area = area_by_component(arch)
        total = math.fsum(area.values())
        parts = (f"{size:.3g} ({size / total:.1%})" for size in area.values())
        table.add_row(arch.name, f"{total:.4g}", *parts, arch.area.technology if arch.area else "")
    stdout_console().print(table)
    return 0
