"""``zapsim plot``: figures of results for papers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zapsim.cli._arguments import COUNT, Subparsers, add_command, add_option, check_outputs, say_written, whole

_EPILOG = """\
examples:
  zapsim run --arch eyeriss --format json --out result.json
  zapsim plot savings result.json --out savings.pdf
  zapsim plot energy eyeriss.json lanes_256.json --out energy.pdf --width page
  zapsim plot waterfall vgg16_hed_chelsea_1_3 --arch eyeriss --out waterfall.svg
  zapsim plot utilisation vgg16_hed_chelsea_1_3 --arch systolic_16x16 --layer conv3_1 conv5_1 --out pes.pdf
  zapsim plot masks vgg16_hed_chelsea_1_3 --layer conv3_1 --channel 17 --picture chelsea.png --out masks.png
  zapsim plot timeline timeline.json --layer conv4_2 --cycles 0 100000 --out gantt.pdf

Figures have the width of a column (3.5 inches) or a page (7.16 inches), text of 8 points as TrueType, 300 dots per inch
and colours that people with any colour vision tell apart. docs/figures.md shows all kinds.
"""

_KINDS = """\
kinds, and what RESULT is:
  savings      MACs, cycles and energy saved by layer              results (JSON of run), or a trace with --arch
  energy       energy by component, by layer or by result          results, or a trace with --arch
  waterfall    from zero outputs to savings, by cause              explanations (of explain), or a trace with --arch
  roofline     MACs per cycle over MACs per byte of DRAM traffic   results, or a trace with --arch
  utilisation  how busy each PE is, and the imbalance              a trace, with --arch
  masks        pattern, prediction, hits and misses of channels    a trace
  curves       error over what is saved                            evaluations (JSON of eval), or points files of tune
  pareto       fronts of explorations                              folders of explore
  timeline     what array, DRAM and predictor do when              a timeline (run --timeline), or a trace with --arch
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "plot",
        "draw figures of results for papers",
        f"Draw a figure in the style of papers.\n\n{_KINDS}",
        _EPILOG,
    )
    parser.add_argument("kind", metavar="KIND", help="kind of figure: see above")
    parser.add_argument(
        "results", metavar="RESULT", nargs="+", help="what is drawn; several results are drawn together"
    )
    add_option(parser, "--out", required=True, help="the figure (png, svg or pdf)")
    parser.add_argument("--width", default="column", metavar="WIDTH", help="column or page (default: column)")
    parser.add_argument("--title", metavar="TEXT", help="title above the figure (default: none)")
    add_option(parser, "--arch", help="accelerator to run a trace on, or that a result is of")
    add_option(parser, "--set")
    add_option(parser, "--policy", default=None, help="policy under which a trace runs (default: zap)")
    add_option(parser, "--point")
    parser.add_argument("--image", type=COUNT, metavar="I", help="index of the image in the trace")
    parser.add_argument("--layer", nargs="+", default=[], dest="layers", metavar="NAME", help="layers to show")
    parser.add_argument(
        "--channel", nargs="+", type=COUNT, default=[], dest="channels", metavar="K",
        help="masks: channel of each layer (default: one with about as many zeros as its layer)",
    )  # fmt: skip
    parser.add_argument("--picture", type=Path, metavar="FILE", help="masks: the picture that was traced")
    parser.add_argument(
        "--cycles", nargs=2, type=whole(0, 2**53), metavar=("FROM", "TO"), help="timeline: part to show (default: all)"
    )
    for option in ("--minimise", "--maximise"):
        parser.add_argument(
            option, nargs="+", default=[], metavar="NAME",
            help=f"pareto: what to {option[2:]} (default: the objectives of the space)",
        )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Check what is asked for, draw it, and write the figure."""
    from zapsim.plotting import FigureOptions, check_options, plot

    names = FigureOptions.__dataclass_fields__
    values = {name: getattr(args, name) for name in names}
    options: dict[str, Any] = {name: value for name, value in values.items() if value not in (None, [])}
    check_options(args.kind, FigureOptions(**options))
    inputs = [Path(path) for path in (*args.results, *([args.picture] if args.picture else []))]
    check_outputs((), (args.out,), inputs)
    plot(args.kind, *args.results, out=args.out, width=args.width, title=args.title, **options)
    say_written(args.out)
    return 0
