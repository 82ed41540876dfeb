"""``zapsim pareto``: the best designs of an exploration, as table, CSV and plot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zapsim.cli._arguments import Subparsers
from zapsim.errors import ZapsimError

_EPILOG = """\
examples:
  zapsim pareto results/
  zapsim pareto results/ --minimise latency area --where "accuracy_drop <= 0.5"
  zapsim pareto results/ --csv front.csv --plot front.png --plot front.html

The Pareto front holds the designs that no other dominates: none is at least as good in everything and better in
something. A NAME is a metric or a column of the results (docs/exploring.md); an .html plot is interactive.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "pareto",
        help="show the best designs of an exploration",
        description="Show the Pareto front of the results that `zapsim explore` wrote.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--minimise",
        nargs="+",
        default=[],
        metavar="NAME",
        help="what to minimise (default: the objectives of the space)",
    )
    parser.add_argument("--maximise", nargs="+", default=[], metavar="NAME", help="what to maximise")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="condition that designs must meet; may be repeated",
    )
    parser.add_argument("--limit", type=int, default=30, metavar="N", help="rows of the table at most (default: 30)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the front with all columns as CSV")
    parser.add_argument(
        "--plot", type=Path, action="append", default=[], metavar="FILE",
        help="draw the front (png, svg, pdf; html: interactive); may be repeated",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Show the front."""
    from zapsim.exploration.dependencies import check_dependencies

    check_dependencies()
    from zapsim.exploration.pareto import load_front
    from zapsim.files import check_writable, write_atomically
    from zapsim.report.consoles import stdout_console
    from zapsim.report.pareto import front_csv, print_front
    from zapsim.report.pareto_plot import FrontPlot, check_front_plot, plot_front

    if args.limit < 1:
        raise ZapsimError(f"--limit must be at least 1, got {args.limit}")
    if args.csv is not None:
        check_writable(args.csv)
    for path in args.plot:
        check_front_plot(path)
    front = load_front(args.folder, args.minimise, args.maximise, args.where)
    if not front.best:
        raise ZapsimError(f"{args.folder}: no design meets the constraints")
    goals = [(goal.column, goal.maximise) for goal in front.goals]
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(front.statuses.items()))
    title = f"{front.name}: {len(front.best):,} of {len(front.rows):,} designs on the front"
    console = stdout_console()
    console.print(f"{title} ({counts})", highlight=False)
    print_front(front.best, front.choices, goals, console, args.limit)
    for note in front.notes:
        console.print(f"Quality of {note}", style="dim", highlight=False, soft_wrap=True)
    if args.csv is not None:
        write_atomically(args.csv, front_csv(front.best, front.notes))
        print(f"wrote {args.csv}", file=sys.stderr)
    for path in args.plot:
        plot_front(FrontPlot(title, front.rows, front.best, goals, front.choices), path)
        print(f"wrote {path}", file=sys.stderr)
    return 0
