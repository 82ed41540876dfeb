"""``zapsim explore``: a space of designs, evaluated on all cores or on a cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import REPORT_HELP, Subparsers, add_option, check_outputs, whole
from zapsim.cli._reports import write_exploration_report

if TYPE_CHECKING:
    from zapsim.exploration.driver import Summary
    from zapsim.exploration.space import Space

MOST_WORKERS = 1024
"""Processes that --workers may ask for."""

_EPILOG = """\
examples:
  zapsim explore examples/eyeriss_vgg16.yaml --out results/
  zapsim explore examples/codesign_fashion.yaml --out codesign/ --workers 2
  zapsim explore space.yaml --out results/ --scheduler tcp://head:8786
  zapsim pareto results/ --plot front.png

If an exploration stops early, for whatever reason, the same command continues it. docs/exploring.md describes the space
file.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "explore",
        help="evaluate a space of designs: architecture, predictor and operating point together",
        description="Evaluate the designs of a space file, and write the results as Parquet files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "space", type=Path, metavar="SPACE.yaml", help="space file (see docs/exploring.md), or the name of an example"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--workers",
        type=whole(1, MOST_WORKERS),
        metavar="N",
        help="processes (default: one per core, but no more than the work needs)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="use the Dask cluster of this scheduler (tcp://...); 'local' starts one with --workers on this machine",
    )
    parser.add_argument("--layers", action="store_true", help="also write the metrics of every layer")
    parser.add_argument("--yes", action="store_true", help="evaluate the whole grid, however large it is")
    add_option(parser, "--report", help=f"{REPORT_HELP}: every design with filters and its command line")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Explore, and print a summary."""
    from zapsim.exploration import check_dependencies

    check_dependencies()
    check_outputs((), report=args.report)
    from zapsim.exploration.driver import RunOptions, run_space
    from zapsim.exploration.load import load_space
    from zapsim.exploration.pareto import load_front
    from zapsim.exploration.progress import ProgressBar
    from zapsim.report.pareto import front_conclusion

    space = load_space(args.space)
    options = RunOptions(args.workers, args.scheduler, args.layers, args.yes)
    with ProgressBar(space) as watcher:
        summary, _ = run_space(space, args.out, options, watcher)
    for line in summary_lines(summary, space, args.out):
        print(line, file=sys.stderr)
    front = load_front(args.out) if args.report is not None or summary.known or summary.statuses["ok"] else None
    if front is not None and front.best:
        goals = [(goal.column, goal.maximise) for goal in front.goals]
        print(front_conclusion(front.rows, front.best, goals), file=sys.stderr)
    if args.report is not None and front is not None:
        write_exploration_report(args.report, "zapsim explore", space, front)
    return 0


def summary_lines(summary: Summary, space: Space, out: Path) -> list[str]:
    """Describe the outcome of an exploration, one line per fact."""
    pace = f", {summary.evaluated / summary.seconds:.0f} per second" if summary.seconds and summary.evaluated else ""
    known = f"; {summary.known:,} were evaluated before" if summary.known else ""
    lines = [
        f"{summary.evaluated:,} of {space.lattice.size:,} designs evaluated in {summary.seconds:.1f} s{pace}{known}"
    ]
    lines += [f"  {status}: {count:,}" for status, count in summary.statuses.most_common()]
    lines += [f"  excluded by {text}: {count:,}" for text, count in summary.excluded.items()]
    lines += [f"  {count:,} × {reason}" for reason, count in summary.reasons.most_common(8)]
    if summary.stopped:
        lines.append(f"stopped after {summary.stopped}, its budget; the same command with a larger budget continues")
    if summary.known or summary.statuses["ok"]:
        return [*lines, f"wrote {out}; `zapsim pareto {out}` shows the front"]
    return [*lines, f"wrote {out}; no design meets the constraints"]
