"""``zapsim explain``: where the savings go, from zero outputs to cycles and joules."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zapsim.cli._arguments import Subparsers, add_design_arguments

_EPILOG = """\
examples:
  zapsim explain --arch eyeriss
  zapsim explain --arch lanes_256 --set array.sync=cluster --plot lanes.png
  zapsim explain --arch systolic_16x16 --set array.dataflow=input-stationary --format markdown --out is.md

Three runs are compared: an oracle, a predictor that is never wrong, and the real one. Steps are shares of the
baseline's cycles (energy) and sum to what is saved.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "explain",
        help="say what is lost between zero outputs and cycles or energy saved",
        description="Say what is lost between a network's zero outputs and the cycles and energy that are saved.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_design_arguments(parser)
    parser.add_argument("--format", choices=("table", "csv", "json", "markdown"), default="table")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the steps as a waterfall (png, svg or pdf)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the three simulations and show or write what becomes of the zeros."""
    from zapsim.arch.load import load_arch
    from zapsim.arch.policy import preset
    from zapsim.files import check_writable, write_atomically
    from zapsim.report.attribution import explain
    from zapsim.report.explanation import plot_explanations, render_explanation
    from zapsim.report.plot import check_plot
    from zapsim.simulation import simulate
    from zapsim.tracefile.reader import Trace

    if args.out is not None:
        check_writable(args.out, (args.trace, Path(args.arch)))
    if args.plot is not None:
        check_plot(args.plot)
    arch, trace = load_arch(args.arch, args.overrides), Trace(args.trace)
    oracle, perfect, predicted = (
        simulate(arch, trace, preset(name, arch.inputs), point=args.point, images=args.images)
        for name in ("oracle", "zap-perfect", "zap")
    )
    found = explain(oracle, perfect, predicted)
    text = render_explanation(found, args.format)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(args.out, text)
        print(f"wrote {args.out}", file=sys.stderr)
    if args.plot is not None:
        plot_explanations([found], args.plot)
        print(f"wrote {args.plot}", file=sys.stderr)
    return 0
