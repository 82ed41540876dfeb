"""``zapsim run`` (and ``run_sim.py``): one trace on one accelerator, layer by layer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import (
    BUNDLED_TRACE,
    COUNT,
    POLICY_HELP,
    REPORT_HELP,
    Subparsers,
    add_command,
    add_design_arguments,
    add_option,
    add_table_arguments,
    check_outputs,
    design_files,
    number,
    open_workload,
    say_written,
    table_view,
    write_output,
)
from zapsim.cli._reports import write_run_report
from zapsim.cli._startup import end_start
from zapsim.cli._synthetic_arguments import add_synthetic_arguments, check_synthetic, density_files, draw
from zapsim.errors import ZapsimError

if TYPE_CHECKING:
    from zapsim.arch.spec import ArchSpec
    from zapsim.report.attribution import Explanation
    from zapsim.report.timeline_file import TimedLayer
    from zapsim.report.view import View
    from zapsim.results import RunResult
    from zapsim.timing.combination import LayerTiming
    from zapsim.tracefile.dense import DenseTrace
    from zapsim.tracefile.reader import Trace

_FORMATS = ("table", "csv", "json", "markdown", "latex")
_FORMAT_OF = {".csv": "csv", ".json": "json", ".md": "markdown", ".tex": "latex", ".txt": "table"}

_EPILOG = """\
examples:
  zapsim run --arch eyeriss.yaml
  zapsim run --arch eyeriss.yaml --policy oracle --format markdown
  zapsim run --arch systolic_16x16 --set array.rows=8 --set array.cols=32 --out table.csv
  zapsim run --arch eyeriss --set predictor.granularity=tile --timeline timeline.json
  zapsim run --arch systolic_16x16 --set dram.preset=ddr3-1600 --set buffers.prefetch.ifmap=0
  zapsim run --arch eyeriss --report page.html
  zapsim run --arch eyeriss --workload resnet50 --batch 4
  zapsim run --arch lanes_256 --workload vgg16 --density 0.4 conv1_2=0.6 --channel 0.3
  zapsim run --arch eyeriss --workload vgg16 --density zap_vgg16 --pattern 1/3
  zapsim run --arch my_chip.yaml --trace my_net.safetensors --images 0 1 2 --format json --out result.json

`run_sim.py --arch X` is the same as `zapsim run --arch X`.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "run",
        "simulate a trace on an accelerator: cycles and energy, layer by layer",
        "Simulate a trace on an accelerator, under a policy and under the baseline that it is compared with.",
        _EPILOG,
    )
    add_design_arguments(parser)
    add_option(parser, "--policy", default=None, help=f"{POLICY_HELP}, or dense for a workload)")
    parser.add_argument(
        "--workload", metavar="SOURCE",
        help="run shapes alone, without masks, in the place of a trace: a name of `zapsim workloads`, a .yaml, .csv or "
        ".onnx file, or package.module:factory",
    )  # fmt: skip
    parser.add_argument("--batch", type=COUNT, default=1, metavar="N", help="images that run together (default: 1)")
    parser.add_argument(
        "--size", type=COUNT, metavar="N", help="rows and columns of the picture, for a factory (default: as it says)"
    )
    parser.add_argument(
        "--pooling", type=number, metavar="W",
        help="also say how long pooling takes if the array waits for a unit that reads W words per cycle (default: "
        "pooling is hidden)",
    )  # fmt: skip
    add_option(
        parser,
        "--format",
        choices=_FORMATS,
        default=None,
        help="format (default: by the extension of --out, else table)",
    )
    add_option(parser, "--out")
    add_table_arguments(parser)
    add_option(parser, "--plot", help="also draw the MACs, cycles and energy saved (png, svg or pdf)")
    add_option(
        parser, "--report", help=f"{REPORT_HELP}: tables, plots and, under zap, where the savings go (two more runs)",
    )  # fmt: skip
    parser.add_argument(
        "--timeline", type=Path, metavar="FILE",
        help="also write when each tile is loaded, computed and stored: JSON for ui.perfetto.dev or chrome://tracing",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("fast", "event"), default="fast",
        help="engine of the timeline: compiled, or its slow, readable reference; both give the same result "
        "(default: fast)",
    )  # fmt: skip
    add_synthetic_arguments(parser, "synthetic masks for --workload, drawn at random; results say `synthetic`")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the simulation, and show or write its result."""
    from zapsim.arch.load import load_arch
    from zapsim.arch.validity import departures
    from zapsim.report.formats import check_view

    if args.batch < 1:
        raise ZapsimError(f"--batch must be at least 1, got {args.batch}")
    if args.pooling is not None and args.pooling <= 0:
        raise ZapsimError(f"--pooling must be more than 0 words per cycle, got {args.pooling:g}")
    if args.size is not None and args.workload is None:
        raise ZapsimError("--size is for --workload package.module:factory; a trace has its sizes")
    check_synthetic(args)
    check_outputs((args.out, args.timeline), (args.plot,), (*design_files(args), *density_files(args)), args.report)
    timed: list[TimedLayer] = []
    form, view = args.format or _FORMAT_OF.get(args.out.suffix.lower() if args.out else "", "table"), table_view(args)
    check_view(form, view)
    with _trace(args) as trace:
        arch = load_arch(args.arch, args.overrides)
        result = _with_pooling(args, trace, _simulate(args, arch, trace, timed))
        explanation = _explanation(args, arch, trace, result) if args.report else None
    for departure in departures(arch):
        print(f"zapsim: warning: {departure}", file=sys.stderr)
    _show(result, form, view, args.out)
    if args.plot is not None:
        from zapsim.report.figures.savings import draw_savings
        from zapsim.report.style import Layout, save_figure

        save_figure(draw_savings([result], Layout("page")), args.plot)
        say_written(args.plot)
    if args.timeline is not None:
        from zapsim.report.timeline_file import timeline_json

        write_output(args.timeline, timeline_json(timed, result.clock_hz, result.headline))
    if args.report is not None:
        write_run_report(args.report, args, result, timed, explanation)
    return 0


def _with_pooling(args: argparse.Namespace, trace: Trace | DenseTrace, result: RunResult) -> RunResult:
    """Add what is to be said of pooling, if it was asked for."""
    from zapsim.workloads.pooling import pooling_note

    if args.pooling is None:
        return result
    shapes = [layer.shape for layer in trace.header.layers]
    note = pooling_note(shapes, len(result.images), args.pooling, result.total.policy.cycles.total)
    return replace(result, provenance={**result.provenance, "pooling": note})


def _explanation(
    args: argparse.Namespace, arch: ArchSpec, trace: Trace | DenseTrace, result: RunResult
) -> Explanation | None:
    """Run the two policies that explain the savings of the predictor; None if something else ran."""
    from zapsim.report.attribution import explain
    from zapsim.simulation import simulate

    if result.policy != "zap":
        return None
    oracle, perfect = (
        simulate(arch, trace, policy, point=args.point, images=args.images, batch=args.batch)
        for policy in ("oracle", "zap-perfect")
    )
    return explain(oracle, perfect, result)


@contextmanager
def _trace(args: argparse.Namespace) -> Iterator[Trace | DenseTrace]:
    """Open the trace, or the workload in its place, with masks that are drawn if densities are given."""
    from tempfile import TemporaryDirectory

    from zapsim.tracefile.dense import DenseTrace
    from zapsim.tracefile.reader import Trace

    if args.workload is None:
        if args.density is not None:
            raise ZapsimError("--density draws masks for shapes: name these with --workload; a trace has its own masks")
        yield Trace(args.trace)
        return
    for option in ("trace", "point", "images"):
        if getattr(args, option) not in (None, BUNDLED_TRACE):  # indices are a list, which no set can hold
            raise ZapsimError(
                f"--workload takes the place of a trace, so that --{option} has no meaning; leave one out"
            )
    if args.density is None:
        yield DenseTrace(open_workload(args.workload, args.size))
        return
    with TemporaryDirectory(prefix="zapsim-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "synthetic.safetensors"
        draw(args, args.workload, path)
        yield Trace(path)


def _simulate(
    args: argparse.Namespace, arch: ArchSpec, trace: Trace | DenseTrace, timed: list[TimedLayer]
) -> RunResult:
    """Run with a progress bar on stderr; fill `timed` if it is shown."""
    from zapsim.kernels._cache import on_compile
    from zapsim.report.timeline_file import TimedLayer
    from zapsim.simulation import simulate

    images = len(args.images or trace.header.images)
    steps = len(trace.header.layers) * -(-images // args.batch)
    end_start()
    with _progress(steps) as say:

        def advance(name: str, timing: LayerTiming) -> None:
            say(name, 1)
            if args.timeline or args.report:
                timed.append(TimedLayer(name, timing.timeline))

        with on_compile(lambda: say("compiling kernels, in the first run only", 0)):
            return simulate(
                arch, trace, args.policy, point=args.point, images=args.images, batch=args.batch, engine=args.engine,
                progress=advance,
            )  # fmt: skip


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str, int], None]]:
    """Show a progress bar on stderr until all is done, if that is a terminal; yield what says that steps are done."""
    if not sys.stderr.isatty():
        yield lambda _name, _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=steps)
        yield lambda name, done: bar.update(task, advance=done, description=name)


def _show(result: RunResult, form: str, view: View, out: Path | None) -> None:
    from zapsim.report.formats import print_table, render

    if out is not None:
        write_output(out, render(result, form, view))
    elif form == "table" and sys.stdout.isatty():
        from zapsim.report.terminal import stdout_console

        print_table(result, stdout_console(), view)
    else:
        sys.stdout.write(render(result, form, view))
