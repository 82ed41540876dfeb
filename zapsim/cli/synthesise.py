"""``zapsim synthesise``: a synthetic trace, from shares of zeros."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import COUNT, Subparsers, add_command, check_outputs, say_written
from zapsim.cli._synthetic_arguments import add_synthetic_arguments, check_synthetic, density_files, draw
from zapsim.errors import ZapsimError

_EPILOG = """\
examples:
  zapsim synthesise --workload vgg16 --density 0.4 --out vgg16.safetensors
  zapsim synthesise --workload resnet50 --density 0.5 --skipped 0.3 --space 0.2 --channel 0.3 --out resnet50.safetensors
  zapsim synthesise --workload vgg16 --rates zap_vgg16 --pattern 1/3 --out vgg16.safetensors
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
    parser.add_argument(
        "--size", type=COUNT, metavar="N", help="rows and columns of the picture, for a factory (default: as it says)"
    )
    parser.add_argument(
        "--rates", type=Path, metavar="FILE",
        help="the file of --density: layer, and density, skipped or both; or the name of published rates",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=COUNT, default=1, metavar="N", help="how many sets of maps to draw (default: 1)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="trace to write")
    add_synthetic_arguments(parser, "zeros")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Draw the maps and write the trace."""
    if (args.rates is None) == (args.density is None):
        raise ZapsimError("expected either --density or --rates")
    if args.rates is not None:
        if args.skipped is not None:
            raise ZapsimError("--skipped goes with --density; --rates has a column of that name")
        args.density = [str(args.rates)]
    check_synthetic(args)
    if args.images < 1:
        raise ZapsimError(f"--images must be at least 1, got {args.images}")
    check_outputs((args.out,), inputs=density_files(args))
    draw(args, args.workload, args.out, args.images)
    say_written(args.out)
    return 0
