"""``zapsim pareto``: the best designs of an exploration, as table, CSV and plot."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import (
    COUNT,
    REPORT_HELP,
    Subparsers,
    add_command,
    add_option,
    check_outputs,
    say_written,
    write_output,
)
from zapsim.cli._reports import write_exploration_report
from zapsim.errors import ZapsimError, check_extra

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
    parser = add_command(
        commands,
        "pareto",
        "show the best designs of an exploration",
        "Show the Pareto front of the results that `zapsim explore` wrote.",
        _EPILOG,
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
    parser.add_argument("--limit", type=COUNT, default=30, metavar="N", help="largest number of rows (default: 30)")
    parser.add_argument("--wide", action="store_true", help="one table, however wide (default: 100 columns at most)")
    add_option(parser, "--csv", help="also write the front with all columns as CSV")
    summary = "also draw the front (png, svg, pdf; html: interactive); may be repeated"
    add_option(parser, "--plot", action="append", default=[], help=summary)
    add_option(parser, "--report", help=f"{REPORT_HELP}: every design with filters and its command line")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Show the front."""
    from zapsim.exploration import check_dependencies

    check_dependencies()
    from zapsim.exploration.manifest import space_of_folder
    from zapsim.exploration.pareto import load_front
    from zapsim.plotting import drawn_front
    from zapsim.report.figures.pareto import draw_pareto
    from zapsim.report.figures.pareto_page import front_page
    from zapsim.report.pareto import front_conclusion, front_csv, print_front
    from zapsim.report.style import Layout, save_figure
    from zapsim.report.terminal import UNLIMITED, stdout_console
    from zapsim.report.view import WIDTH, View, wrapped

    if args.limit < 1:
        raise ZapsimError(f"--limit must be at least 1, got {args.limit}")
    pages = [path for path in args.plot if path.suffix == ".html"]
    check_outputs((args.csv, *pages), [path for path in args.plot if path not in pages], report=args.report)
    if pages:
        check_extra("interactive plots need", "report", "plotly")
    front = load_front(args.folder, args.minimise, args.maximise, args.where)
    if not front.best:
        raise ZapsimError(f"{args.folder}: no design meets the constraints")
    drawn = drawn_front(front)
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(front.statuses.items()))
    console = stdout_console()
    console.print(f"{drawn.headline} ({counts})", highlight=False)
    for line in wrapped([front_conclusion(front.rows, front.best, drawn.goals)], View(), console.width):
        console.print(line, highlight=False, soft_wrap=True)
    print_front(front.best, front.choices, drawn.goals, console, args.limit, UNLIMITED if args.wide else WIDTH)
    for note in front.notes:
        console.print(f"Quality of {note}", style="dim", highlight=False, soft_wrap=True)
    if args.csv is not None:
        write_output(args.csv, front_csv(front.best, front.notes))
    for path in args.plot:
        if path in pages:
            write_output(path, front_page(drawn))
        else:
            save_figure(draw_pareto([drawn], Layout("page")), path)
            say_written(path)
    if args.report is not None:
        write_exploration_report(args.report, "zapsim pareto", space_of_folder(args.folder), front)
    return 0
