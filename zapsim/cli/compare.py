"""``zapsim compare``: two architectures, results or designs side by side, layer by layer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zapsim.cli._arguments import BUNDLED_TRACE, Subparsers

_EPILOG = """\
examples:
  zapsim compare eyeriss tpu_128x128
  zapsim compare eyeriss eyeriss --set-b array.rows=16 --policy oracle
  zapsim compare before.json after.json                results of `zapsim run --format json`
  zapsim compare results/@874be254 results/@4a350fa9   designs of `zapsim explore`, by the beginning of their ids
  zapsim compare eyeriss results/ --csv layers.csv     a folder alone: its best design by the first objective
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="put two architectures, results or designs side by side, layer by layer",
        description="Compare time, energy and DRAM words of two designs, A and B, layer by layer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for letter in "ab":
        parser.add_argument(letter, metavar=letter.upper(), help="an architecture, a JSON result, or DIR or DIR@ID")
    parser.add_argument(
        "--trace",
        type=Path,
        default=BUNDLED_TRACE,
        metavar="FILE",
        help="trace that architectures run (default: the bundled VGG-16)",
    )
    parser.add_argument("--point", metavar="NAME", help="operating point of the trace (default: its first)")
    parser.add_argument(
        "--policy", default="zap", metavar="NAME", help="what architectures do with zeros (default: zap)"
    )
    for letter in "ab":
        parser.add_argument(
            f"--set-{letter}", action="append", default=[], metavar="PATH=VALUE",
            help=f"change a key of architecture {letter.upper()}; may be repeated",
        )  # fmt: skip
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all metrics as CSV")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw time and energy (png, svg or pdf)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Compare and show."""
    from zapsim.exploration.compare import compare
    from zapsim.files import check_writable, write_atomically
    from zapsim.report.compare import comparison_csv, plot_comparison, print_comparison
    from zapsim.report.consoles import stdout_console
    from zapsim.report.plot import check_plot

    if args.csv is not None:
        check_writable(args.csv)
    if args.plot is not None:
        check_plot(args.plot)
    sides = compare(
        args.a, args.b, trace=args.trace, point=args.point, policy=args.policy,
        overrides_a=args.set_a, overrides_b=args.set_b,
    )  # fmt: skip
    records = sides.records()
    console = stdout_console()
    for description in sides.descriptions:
        console.print(description, soft_wrap=True, highlight=False)
    print_comparison(records, console)
    if args.csv is not None:
        write_atomically(args.csv, comparison_csv(records, sides.descriptions))
        print(f"wrote {args.csv}", file=sys.stderr)
    if args.plot is not None:
        plot_comparison(records, sides.descriptions, args.plot)
        print(f"wrote {args.plot}", file=sys.stderr)
    return 0
