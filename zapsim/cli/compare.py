"""``zapsim compare``: two architectures, results or designs layer by layer, or the fronts of two explorations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from zapsim.cli._arguments import (
    Subparsers,
    add_command,
    add_option,
    add_options,
    add_table_arguments,
    check_outputs,
    say_written,
    table_view,
    write_output,
)
from zapsim.cli._reports import write_comparison_report, write_fronts_report
from zapsim.errors import ZapsimError

_EPILOG = """\
examples:
  zapsim compare eyeriss tpu_128x128
  zapsim compare eyeriss eyeriss --set-b array.rows=16 --policy oracle
  zapsim compare before.json after.json                results of `zapsim run --format json`
  zapsim compare results/@874be254 results/@4a350fa9   designs of `zapsim explore`, by the first characters of their ids
  zapsim compare eyeriss results/ --csv layers.csv     a folder beside a design: its best one by the first objective
  zapsim compare first/ second/ --plot fronts.png      two folders: their fronts, by hypervolume and attainment

Above the table stands what A and B ran under. For each condition in which they differ (trace, operating point,
accuracy, process, clock, batch), a warning on stderr says what that means.

Fronts are compared in the objectives of the two spaces. The hypervolume is the share that a front dominates of the box
between the best values on either front and the reference point; a front attains a design if one of its own is at least
as good in every goal.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "compare",
        "put two architectures, results, designs or explorations side by side",
        "Compare time, energy and DRAM words of two designs, A and B, layer by layer, or two fronts of explorations.",
        _EPILOG,
    )
    for letter in "ab":
        summary = "an architecture, a JSON result, a folder of results (DIR) or one of its designs (DIR@ID)"
        parser.add_argument(letter, metavar=letter.upper(), help=summary)
    add_option(parser, "--trace", help="trace to run on architectures (default: the bundled VGG-16)")
    add_options(parser, "--point", "--policy")
    for letter in "ab":
        summary = f"change a key of architecture {letter.upper()}; may be repeated"
        add_option(parser, "--set", f"--set-{letter}", dest=f"set_{letter}", help=summary)
    for name in ("minimise", "maximise"):
        summary = f"of two explorations: what to {name} (default: their objectives)"
        parser.add_argument(f"--{name}", nargs="+", default=[], metavar="NAME", help=summary)
    parser.add_argument(
        "--reference", nargs="+", type=float, default=[], metavar="VALUE",
        help="of two explorations: reference point of the hypervolume, a value per goal in its unit "
        "(default: a tenth of the fronts' range beyond their worst values)",
    )  # fmt: skip
    add_option(parser, "--format", choices=("table", "csv", "json", "markdown", "latex"))
    add_option(parser, "--out")
    add_table_arguments(parser)
    add_option(parser, "--csv", help="also write all metrics as CSV (of two explorations: both fronts)")
    add_option(parser, "--plot", help="also draw time and energy, or both fronts (png, svg or pdf)")
    add_option(parser, "--report")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Compare and show."""
    from zapsim.tracefile.reader import find_trace

    check_outputs((args.out, args.csv), (args.plot,), (find_trace(args.trace),), args.report)
    if Path(args.a).is_dir() and Path(args.b).is_dir():
        return _compare_fronts(args)
    if args.minimise or args.maximise or args.reference:
        raise ZapsimError("--minimise, --maximise and --reference are for two folders of results; leave them out")
    return _compare_designs(args)


def _compare_designs(args: argparse.Namespace) -> int:
    from zapsim.exploration.compare import compare
    from zapsim.report.compare import check_comparison_view, comparison_csv, print_comparison, render_comparison
    from zapsim.report.figures.comparison import draw_comparison
    from zapsim.report.figures.synthetic import NOTE
    from zapsim.report.style import Layout, save_figure
    from zapsim.report.terminal import stdout_console

    view = table_view(args)
    check_comparison_view(args.format, view)
    sides = compare(
        args.a, args.b, trace=args.trace, point=args.point, policy=args.policy,
        overrides_a=args.set_a, overrides_b=args.set_b,
    )  # fmt: skip
    _warn(sides.warnings)
    if args.out is None and args.format == "table":
        print_comparison(sides, stdout_console(), view)
    else:
        _show(render_comparison(sides, args.format, view), args.out)
    if args.csv is not None:
        write_output(args.csv, comparison_csv(sides))
    if args.plot is not None:
        names = f"A: {sides.a.name}", f"B: {sides.b.name}"
        note = NOTE if any(description.endswith(NOTE) for description in sides.descriptions) else ""
        save_figure(draw_comparison(sides.records(), names, Layout("page"), note), args.plot)
        say_written(args.plot)
    if args.report is not None:
        write_comparison_report(args.report, sides, _configurations(args))
    return 0


def _configurations(args: argparse.Namespace) -> list[tuple[str, Sequence[str]] | None]:
    """Name the architecture of each side, with its changes; None where a side is a result or a design."""
    sides = ((args.a, args.set_a), (args.b, args.set_b))
    return [
        None if design.endswith(".json") or Path(design.rpartition("@")[0] or design).is_dir() else (design, changes)
        for design, changes in sides
    ]


def _compare_fronts(args: argparse.Namespace) -> int:
    from zapsim.exploration.fronts import compare_explorations
    from zapsim.report.attainment import fronts_csv, print_fronts, render_fronts
    from zapsim.report.figures.fronts import draw_fronts
    from zapsim.report.style import Layout, save_figure
    from zapsim.report.terminal import stdout_console

    for option, value in (("--columns", args.columns), ("--wide", args.wide), ("--totals", args.totals)):
        if value:
            raise ZapsimError(f"{option} has no meaning for two explorations; leave it out")
    if args.set_a or args.set_b:
        raise ZapsimError("--set-a and --set-b change architectures, not explorations; leave them out")
    record = compare_explorations(
        args.a, args.b, minimise=args.minimise, maximise=args.maximise, reference=args.reference
    ).record()
    _warn(record["warnings"])
    if args.out is None and args.format == "table":
        print_fronts(record, stdout_console())
    else:
        _show(render_fronts(record, args.format), args.out)
    if args.csv is not None:
        write_output(args.csv, fronts_csv(record))
    if args.plot is not None:
        save_figure(draw_fronts(record, Layout("page")), args.plot)
        say_written(args.plot)
    if args.report is not None:
        write_fronts_report(args.report, record)
    return 0


def _warn(warnings: Sequence[str]) -> None:
    """Say on stderr what differs besides the designs."""
    for warning in warnings:
        print(f"zapsim: warning: {warning}", file=sys.stderr)


def _show(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        write_output(out, text)
