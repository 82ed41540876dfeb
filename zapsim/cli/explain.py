"""``zapsim explain``: where the savings go, from zero outputs to cycles and joules."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from zapsim.cli._arguments import (
    Subparsers,
    add_command,
    add_design_arguments,
    add_option,
    add_options,
    add_table_arguments,
    check_outputs,
    design_files,
    say_written,
    table_view,
    write_output,
)
from zapsim.cli._reports import write_explanation_report

if TYPE_CHECKING:
    from zapsim.timing.combination import LayerTiming

_EPILOG = """\
examples:
  zapsim explain --arch eyeriss
  zapsim explain --arch eyeriss --report page.html
  zapsim explain --arch lanes_256 --set array.sync=cluster --plot lanes.png
  zapsim explain --arch systolic_16x16 --set array.dataflow=input-stationary --format markdown --out is.md

The command compares three runs: an oracle, a predictor that is never wrong, and the real predictor. Each step is a
share of the baseline's cycles (or energy). The steps sum to the saving.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "explain",
        "show what is lost between zero outputs and the cycles and energy saved",
        "Show what is lost between a network's zero outputs and the cycles and energy that an accelerator saves.",
        _EPILOG,
    )
    add_design_arguments(parser)
    add_options(parser, "--format", "--out")
    add_table_arguments(parser)
    add_option(parser, "--plot", help="also draw the steps as a waterfall (png, svg or pdf)")
    add_option(parser, "--report")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the three simulations, and show or write what becomes of the zeros."""
    from zapsim.arch.load import load_arch
    from zapsim.report.attribution import explain
    from zapsim.report.explanation import check_explanation_view, print_explanation, render_explanation
    from zapsim.report.figures.waterfall import Waterfall, draw_waterfall
    from zapsim.report.style import Layout, save_figure
    from zapsim.report.terminal import stdout_console
    from zapsim.report.timeline_file import TimedLayer
    from zapsim.simulation import simulate
    from zapsim.tracefile.reader import Trace

    check_outputs((args.out,), (args.plot,), design_files(args), args.report)
    view = table_view(args)
    check_explanation_view(args.format, view)
    arch, trace = load_arch(args.arch, args.overrides), Trace(args.trace)
    timed: list[TimedLayer] = []

    def keep(name: str, timing: LayerTiming) -> None:
        timed.append(TimedLayer(name, timing.timeline))

    oracle, perfect = (
        simulate(arch, trace, policy, point=args.point, images=args.images) for policy in ("oracle", "zap-perfect")
    )
    predicted = simulate(
        arch, trace, "zap", point=args.point, images=args.images, progress=keep if args.report else None
    )
    explanation = explain(oracle, perfect, predicted)
    if args.out is not None:
        write_output(args.out, render_explanation(explanation, args.format, view))
    elif args.format == "table" and sys.stdout.isatty():
        print_explanation(explanation, stdout_console(), view)
    else:
        sys.stdout.write(render_explanation(explanation, args.format, view))
    if args.plot is not None:
        save_figure(draw_waterfall([Waterfall.of(explanation)], Layout("page")), args.plot)
        say_written(args.plot)
    if args.report is not None:
        write_explanation_report(args.report, args, explanation, timed)
    return 0
