"""``zapsim explore``: a space of designs, evaluated on all cores or on a cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers

if TYPE_CHECKING:
    from zapsim.exploration.driver import Summary
    from zapsim.exploration.space import Space

_EPILOG = """\
examples:
  zapsim explore examples/eyeriss_vgg16.yaml --out results/
  zapsim explore examples/codesign_fashion.yaml --out codesign/ --workers 2
  zapsim explore space.yaml --out results/ --scheduler tcp://head:8786
  zapsim pareto results/ --plot front.png

The same command goes on where an earlier one stopped, whatever stopped it. docs/exploring.md tells what a space file
says.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "explore",
        help="evaluate a space of designs: architecture, predictor and operating point together",
        description="Evaluate the designs of a space file; results stream to Parquet files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("space", type=Path, metavar="SPACE.yaml", help="the space (see docs/exploring.md)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: as many as there are cores and work for)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="evaluate on the Dask cluster of this scheduler (tcp://...); 'local' starts one of --workers here",
    )
    parser.add_argument("--layers", action="store_true", help="also write every layer's metrics")
    parser.add_argument("--yes", action="store_true", help="evaluate the whole grid, however large")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Explore, and say what became of it."""
    from zapsim.exploration.extras import check_extras

    check_extras()
    from zapsim.exploration.api import How, run_space
    from zapsim.exploration.load import load_space
    from zapsim.exploration.progress import Display

    space = load_space(args.space)
    how = How(args.workers, args.scheduler, args.layers, args.yes)
    with Display(space) as watcher:
        summary, _ = run_space(space, args.out, how, watcher)
    for line in summary_lines(summary, space, args.out):
        print(line, file=sys.stderr)
    return 0


def summary_lines(summary: Summary, space: Space, out: Path) -> list[str]:
    """Return what became of an exploration, in words."""
    pace = f", {summary.evaluated / summary.seconds:.0f} a second" if summary.seconds and summary.evaluated else ""
    known = f", {summary.known:,} were known" if summary.known else ""
    lines = [
        f"{summary.evaluated:,} of {space.lattice.size:,} designs evaluated in {summary.seconds:.1f} s{pace}{known}"
    ]
    lines += [f"  {status}: {count:,}" for status, count in summary.statuses.most_common()]
    lines += [f"  left out by {text}: {count:,}" for text, count in summary.excluded.items()]
    lines += [f"  {count:,} × {reason}" for reason, count in summary.reasons.most_common(8)]
    if summary.stopped:
        lines.append(f"stopped after {summary.stopped} (the budget); the same command with a larger one goes on")
    if summary.known or summary.statuses["ok"]:
        return [*lines, f"wrote {out}; `zapsim pareto {out}` shows the best"]
    return [*lines, f"wrote {out}; no design meets the constraints"]
