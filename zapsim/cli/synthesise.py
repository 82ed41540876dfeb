"""``zapsim synthesise``: a synthetic trace, from shares of zeros."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import (
    PATTERN_NAMES,
    Subparsers,
    add_command,
    check_outputs,
    open_workload,
    say_written,
)

_EPILOG = """\
examples:
  zapsim synthesise --workload vgg16 --density 0.4 --out vgg16.safetensors
  zapsim synthesise --workload resnet50 --density 0.5 --skipped 0.3 --space 0.2 --channel 0.3 --out resnet50.safetensors
  zapsim synthesise --workload vgg16 --rates rates.csv --pattern 1/3 --out vgg16.safetensors
  zapsim run --arch eyeriss --trace vgg16.safetensors

Masks are drawn at random: good for studies of scale, not for statements about a network. All results from such a trace
say `synthetic`. docs/workloads.md says how the zeros lie, and how far results are from those of real masks.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "synthesise",
        "write a synthetic trace, with masks drawn at random",
        "Write a synthetic trace of a network without masks: zeros and skipped outputs are drawn at random.",
        _EPILOG,
    )
    parser.add_argument(
        "--workload", required=True, metavar="SOURCE",
        help="a name of `zapsim workloads`, a .yaml, .csv or .onnx file, or package.module:factory",
    )  # fmt: skip
    parser.add_argument("--density", type=float, metavar="D", help="share of each layer's outputs that are not zero")
    parser.add_argument(
        "--skipped", type=float, metavar="S",
        help="share of each layer's outputs that are skipped (default: all zeros outside the pattern)",
    )  # fmt: skip
    parser.add_argument(
        "--rates", type=Path, metavar="FILE",
        help="CSV with the columns layer, and density, skipped or both, in the place of --density and --skipped",
    )  # fmt: skip
    parser.add_argument(
        "--pattern", default="1/2", choices=PATTERN_NAMES, help="outputs to compute first (default: 1/2)"
    )
    parser.add_argument(
        "--space", type=float, default=0.0, metavar="A", help="share of variance that neighbouring pixels share (0)"
    )
    parser.add_argument(
        "--channel", type=float, default=0.0, metavar="B", help="share of variance that a filter's outputs share (0)"
    )
    parser.add_argument("--images", type=int, default=1, metavar="N", help="how many sets of maps to draw (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all random numbers (default: 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="trace to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Draw the maps and write the trace."""
    from zapsim.errors import ZapsimError
    from zapsim.workloads.synthetic import Likeness, Rates, read_rates, synthesise

    if (args.rates is None) == (args.density is None):
        raise ZapsimError("expected either --density or --rates")
    if args.rates is not None and args.skipped is not None:
        raise ZapsimError("--skipped goes with --density; --rates has a column of that name")
    for option in ("images", "seed"):
        if getattr(args, option) < (least := int(option == "images")):
            raise ZapsimError(f"--{option} must be at least {least}, got {getattr(args, option)}")
    check_outputs((args.out,), inputs=() if args.rates is None else (args.rates,))
    rates = Rates(args.density, args.skipped) if args.rates is None else read_rates(args.rates, args.pattern)
    likeness = Likeness(args.space, args.channel)
    synthesise(
        open_workload(args.workload), rates, args.out, pattern=args.pattern, likeness=likeness, images=args.images,
        seed=args.seed,
    )  # fmt: skip
    say_written(args.out)
    return 0
