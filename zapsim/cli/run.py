"""``zapsim run`` (and ``run_sim.py``): one trace on one accelerator, layer by layer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers, add_design_arguments
from zapsim.errors import ZapsimError

if TYPE_CHECKING:
    from zapsim.arch.policy import Policy
    from zapsim.arch.spec import ArchSpec
    from zapsim.report.timeline_file import TimedLayer
    from zapsim.results import RunResult
    from zapsim.timing.layer import LayerTiming
    from zapsim.tracefile.reader import Trace

_FORMATS = ("table", "csv", "json", "markdown", "latex")
_SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".tex": "latex", ".txt": "table"}
_POLICIES = "dense, gate-input, zap-gate, zap, zap-perfect, oracle, early-exit, skip-input"

_EPILOG = """\
examples:
  zapsim run --arch eyeriss.yaml
  zapsim run --arch eyeriss.yaml --policy oracle --format markdown
  zapsim run --arch systolic_16x16 --set array.rows=8 --set array.cols=32 --out table.csv
  zapsim run --arch eyeriss --set predictor.granularity=tile --timeline timeline.json
  zapsim run --arch systolic_16x16 --set dram.preset=ddr3-1600 --set buffers.prefetch.ifmap=0
  zapsim run --arch my_chip.yaml --trace my_net.safetensors --images 0 1 2 --format json --out result.json

`run_sim.py --arch X` is the same as `zapsim run --arch X`.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="simulate a trace on an accelerator: cycles and energy, layer by layer",
        description="Simulate a trace on an accelerator, under a policy and under its baseline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_design_arguments(parser)
    parser.add_argument(
        "--policy", default="zap", metavar="NAME", help=f"what is done with zeros: {_POLICIES} (default: zap)"
    )
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images that run together (default: 1)")
    parser.add_argument("--format", choices=_FORMATS, help="default: table, or what the ending of --out says")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result here instead of printing it")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="also draw MAC, cycle and energy savings (png, svg or pdf)"
    )
    parser.add_argument(
        "--timeline", type=Path, metavar="FILE",
        help="also write when every tile is loaded, computed and stored, as JSON for ui.perfetto.dev or chrome://tracing",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("fast", "event"), default="fast",
        help="of the timeline: compiled, or its readable reference, which is slow and gives the same (default: fast)",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the simulation and show or write its result."""
    from zapsim.arch.load import load_arch
    from zapsim.arch.policy import preset
    from zapsim.files import check_writable, write_atomically
    from zapsim.report.plot import check_plot, plot_savings
    from zapsim.tracefile.reader import Trace

    if args.batch < 1:
        raise ZapsimError(f"--batch must be at least 1, got {args.batch}")
    form = args.format or _SUFFIXES.get(args.out.suffix.lower() if args.out else "", "table")
    if args.out is not None:
        check_writable(args.out, (args.trace, Path(args.arch)))
    if args.plot is not None:
        check_plot(args.plot)
    if args.timeline is not None:
        check_writable(args.timeline, (args.trace, Path(args.arch)))
    arch = load_arch(args.arch, args.overrides)
    policy = preset(args.policy, arch.inputs)
    trace = Trace(args.trace)
    timed: list[TimedLayer] = []
    result = _simulate(args, arch, trace, policy, timed)
    _show(result, form, args.out)
    if args.plot is not None:
        plot_savings(result, args.plot)
        print(f"wrote {args.plot}", file=sys.stderr)
    if args.timeline is not None:
        from zapsim.report.layer_table import headline
        from zapsim.report.timeline_file import timeline_json

        write_atomically(args.timeline, timeline_json(timed, arch.clock, headline(result)))
        print(f"wrote {args.timeline}", file=sys.stderr)
    return 0


def _simulate(
    args: argparse.Namespace, arch: ArchSpec, trace: Trace, policy: Policy, timed: list[TimedLayer]
) -> RunResult:
    """Run with a progress bar on stderr (only in a terminal, gone when done); with --timeline, fill `timed`."""
    from rich.console import Console
    from rich.progress import Progress

    from zapsim.report.timeline_file import TimedLayer
    from zapsim.simulation import simulate

    images = len(args.images or trace.header.images)
    steps = len(trace.header.layers) * -(-images // args.batch)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting", total=steps)

        def done(name: str, timing: LayerTiming) -> None:
            bar.update(task, advance=1, description=name)
            if args.timeline:
                timed.append(TimedLayer(name, timing.timeline))

        return simulate(
            arch, trace, policy, point=args.point, images=args.images, batch=args.batch, engine=args.engine,
            progress=done,
        )  # fmt: skip


def _show(result: RunResult, form: str, out: Path | None) -> None:
    from zapsim.files import write_atomically
    from zapsim.report.consoles import stdout_console
    from zapsim.report.formats import print_table, render

    if out is not None:
        write_atomically(out, render(result, form))
        print(f"wrote {out}", file=sys.stderr)
    elif form == "table" and sys.stdout.isatty():
        print_table(result, stdout_console())
    else:
        sys.stdout.write(render(result, form))
