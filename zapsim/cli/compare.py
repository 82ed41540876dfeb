"""``zapsim compare``: two architectures, results or designs side by side, layer by layer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import BUNDLED_TRACE, Subparsers
from zapsim.errors import ZapsimError

if TYPE_CHECKING:
    from zapsim.exploration.sides import Side
    from zapsim.report.sides import Pair

_EPILOG = """\
examples:
  zapsim compare eyeriss tpu_128x128
  zapsim compare eyeriss eyeriss --set-b array.rows=16 --policy oracle
  zapsim compare before.json after.json                results of `zapsim run --format json`
  zapsim compare results/@874be254 results/@4a350fa9   designs of `zapsim explore`, by the beginning of their ids
  zapsim compare eyeriss results/ --csv layers.csv     a folder alone: its best design in the first objective
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="put two architectures, results or designs side by side, layer by layer",
        description="Compare time, energy and DRAM words of two sides, layer by layer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for letter in "ab":
        parser.add_argument(letter, metavar=letter.upper(), help="an architecture, a JSON result, or DIR or DIR@ID")
    parser.add_argument(
        "--trace", type=Path, default=BUNDLED_TRACE, metavar="FILE", help="what architectures run (default: VGG-16)"
    )
    parser.add_argument("--point", metavar="NAME", help="operating point of the trace (default: its first)")
    parser.add_argument("--policy", default="zap", metavar="NAME", help="policy of architectures (default: zap)")
    for letter in "ab":
        parser.add_argument(
            f"--set-{letter}", action="append", default=[], metavar="PATH=VALUE",
            help=f"change a key of architecture {letter.upper()}; may be repeated",
        )  # fmt: skip
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw time and energy (png, svg or pdf)")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Compare and show."""
    from zapsim.exploration.sides import Run, load_side
    from zapsim.files import check_writable, write_atomically
    from zapsim.report.plot import check_plot
    from zapsim.report.sides import plot_sides, print_sides, sides_csv
    from zapsim.report.terminal import stdout_console

    if args.csv is not None:
        check_writable(args.csv)
    if args.plot is not None:
        check_plot(args.plot)
    a = load_side(args.a, Run(args.trace, args.point, args.policy, args.set_a))
    b = load_side(args.b, Run(args.trace, args.point, args.policy, args.set_b))
    pairs, whats = _pairs(a, b), (f"A: {a.what}", f"B: {b.what}")
    console = stdout_console()
    for what in whats:
        console.print(what, soft_wrap=True, highlight=False)
    print_sides(pairs, ("A", "B"), console)
    if args.csv is not None:
        write_atomically(args.csv, sides_csv(pairs, (a.what, b.what)))
        print(f"wrote {args.csv}", file=sys.stderr)
    if args.plot is not None:
        plot_sides(pairs, whats, args.plot)
        print(f"wrote {args.plot}", file=sys.stderr)
    return 0


def _pairs(a: Side, b: Side) -> list[Pair]:
    """Return the layers of both sides, which must be the same ones."""
    from zapsim.report.sides import Pair

    names = [[layer.name for layer in side.layers] for side in (a, b)]
    if names[0] != names[1]:
        odd = next((name for name in (*names[0], *names[1]) if (name in names[0]) != (name in names[1])), "their order")
        raise ZapsimError(f"{a.name} and {b.name} are of different networks: they differ in layer {odd}")
    return [
        Pair(
            one.name, one.milliseconds, other.milliseconds, one.energy_mj, other.energy_mj, one.cycles, other.cycles,
            one.dram_words, other.dram_words, one.bound, other.bound,
        )
        for one, other in zip(a.layers, b.layers, strict=True)
    ]  # fmt: skip
