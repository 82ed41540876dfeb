"""``zapsim compare``: two architectures, results or designs side by side, layer by layer."""

from __future__ import annotations

import argparse

from zapsim.cli._arguments import (
    Subparsers,
    add_command,
    add_option,
    add_options,
    check_outputs,
    say_written,
    write_output,
)
from zapsim.cli._reports import write_comparison_report

_EPILOG = """\
examples:
  zapsim compare eyeriss tpu_128x128
  zapsim compare eyeriss eyeriss --set-b array.rows=16 --policy oracle
  zapsim compare before.json after.json                results of `zapsim run --format json`
  zapsim compare results/@874be254 results/@4a350fa9   designs of `zapsim explore`, by the first characters of their ids
  zapsim compare eyeriss results/ --csv layers.csv     a folder alone: its best design by the first objective
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "compare",
        "put two architectures, results or designs side by side, layer by layer",
        "Compare time, energy and DRAM words of two designs, A and B, layer by layer.",
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
    add_option(parser, "--csv", help="also write all metrics as CSV")
    add_option(parser, "--plot", help="also draw time and energy (png, svg or pdf)")
    add_option(parser, "--report")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Compare and show."""
    from zapsim.exploration.compare import compare
    from zapsim.report.compare import comparison_csv, plot_comparison, print_comparison
    from zapsim.report.terminal import stdout_console
    from zapsim.tracefile.reader import find_trace

    check_outputs((args.csv,), (args.plot,), (find_trace(args.trace),), args.report)
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
        write_output(args.csv, comparison_csv(records, sides.descriptions))
    if args.plot is not None:
        plot_comparison(records, sides.descriptions, args.plot)
        say_written(args.plot)
    if args.report is not None:
        write_comparison_report(args.report, sides)
    return 0
