"""Options that several commands share, each declared once, and the guard of the files that a command writes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zapsim.arch.policy import PRESETS
from zapsim.errors import ZapsimError, shown
from zapsim.files import check_writable, is_special, write_atomically
from zapsim.shipped import shipped_folder

if TYPE_CHECKING:
    from zapsim.report.view import View
    from zapsim.workload import Workload

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

BUNDLED_TRACE = shipped_folder("traces") / "vgg16_hed_chelsea_1_3.safetensors"
"""VGG-16 (HED weights) on one photograph: the trace that runs if none is named."""

PATTERN_NAMES = ("1/4", "1/3", "1/3r", "1/3c", "2/5", "1/2", "1/2r", "1/2c", "3/5", "2/3", "3/4")
"""The patterns, for help texts and choices; loading them takes numpy."""

POLICY_HELP = f"what the hardware does with zeros: {', '.join(PRESETS)} (default: zap"
"""Begins the help of ``--policy``."""

REPORT_HELP = "also write a page to send, one HTML file that needs no network"
"""Begins the help of ``--report``."""

_LARGEST = 1e6


def whole(least: int, most: int) -> Callable[[str], int]:
    """Make the type of an option that is a whole number of a range."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least:,} to {most:,}, got {shown(text)}")
        return value

    return parse


COUNT: Final = whole(0, 1_000_000)
"""Type of an option that counts images, crops, epochs or rows."""

SEED: Final = whole(0, 2**32 - 1)
"""Type of an option that is a seed: what all generators of random numbers take."""


def number(text: str) -> float:
    """Read an option that is a finite number of a sensible size; its meaning has its own limits."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= _LARGEST:
        raise argparse.ArgumentTypeError(f"expected a number of at most {_LARGEST:g}, got {shown(text)}")
    return value


_OPTIONS: dict[str, dict[str, Any]] = {
    "--arch": {"metavar": "FILE", "help": "architecture file, or the name of a shipped architecture"},
    "--set": {
        "action": "append", "default": [], "dest": "overrides", "metavar": "PATH=VALUE",
        "help": "change a key of the architecture, as in array.rows=16; may be repeated",
    },
    "--trace": {
        "type": Path, "default": BUNDLED_TRACE, "metavar": "FILE",
        "help": "trace to run, or the name of a shipped one (default: a VGG-16)",
    },
    "--point": {"metavar": "NAME", "help": "operating point of the trace (default: its first)"},
    "--images": {
        "type": COUNT, "nargs": "+", "metavar": "I", "help": "indices of images in the trace (default: all)",
    },
    "--policy": {
        "default": "zap", "metavar": "NAME",
        "help": f"{POLICY_HELP})",
    },
    "--format": {
        "choices": ("table", "csv", "json", "markdown"), "default": "table", "help": "format (default: table)",
    },
    "--out": {"type": Path, "metavar": "FILE", "help": "write the result to this file instead of printing it"},
    "--columns": {
        "nargs": "+", "default": [], "metavar": "NAME",
        "help": "columns of the table (default: those that fit 100 characters)",
    },
    "--wide": {"action": "store_true", "help": "show all columns, however wide the table becomes"},
    "--totals": {"action": "store_true", "help": "show the totals only"},
    "--csv": {"type": Path, "metavar": "FILE", "help": "also write all columns as CSV"},
    "--plot": {"type": Path, "metavar": "FILE", "help": "also draw the result (png, svg or pdf)"},
    "--report": {
        "type": Path, "metavar": "FILE.html",
        "help": f"{REPORT_HELP}: tables and plots",
    },
}  # fmt: skip


def add_command(
    commands: Subparsers, name: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Declare a command: its line in the list of commands, and what its own help says above and below the options."""
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Declare shared options as they are."""
    for name in names:
        add_option(parser, name)


def add_option(parser: argparse.ArgumentParser, name: str, flag: str = "", **changes: Any) -> None:
    """Declare one shared option, with some of its properties changed.

    Parameters
    ----------
    parser
        Of the command.
    name
        The option's usual name, such as ``--set``.
    flag
        Its name in this command if that differs, such as ``--set-a``.
    changes
        Properties that replace the shared ones, as ``add_argument`` takes them.
    """
    parser.add_argument(flag or name, **(_OPTIONS[name] | changes))


def add_design_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what runs where: architecture, changes to it, trace, operating point and images."""
    add_option(parser, "--arch", required=True)
    add_options(parser, "--set", "--trace", "--point", "--images")


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what of a table is shown: its columns and rows."""
    add_options(parser, "--columns", "--wide", "--totals")


def table_view(args: argparse.Namespace) -> View:
    """Return what the arguments of :func:`add_table_arguments` select; files hold the provenance in full."""
    from zapsim.report.view import View

    return View(tuple(args.columns), args.wide, args.totals, whole_provenance=args.out is not None)


def is_factory(source: str) -> bool:
    """Tell whether a source is ``package.module:factory`` and not a file (of which Windows has some with a colon)."""
    return ":" in source and not os.path.exists(source)


def open_workload(source: str, size: int | None = None) -> Workload:
    """Load the workload that ``--workload`` names: built in, a file, or ``package.module:factory``.

    Parameters
    ----------
    source
        Its name.
    size
        Rows and columns of the picture, for a factory alone; None: as it says.

    Raises
    ------
    ZapsimError
        If there is none, or it cannot be used.
    """
    if is_factory(source):
        from zapsim.frontend.inspection import network_workload

        return network_workload(source, size)
    if size is not None:
        raise ZapsimError(f"--size is for package.module:factory; the sizes of {source} are known")
    from zapsim.workloads.source import load_workload

    return load_workload(source)


def design_files(args: argparse.Namespace) -> tuple[Path, ...]:
    """Find the files that the arguments of :func:`add_design_arguments` name, which no output may replace."""
    from zapsim.arch.load import find_arch
    from zapsim.tracefile.reader import find_trace

    return find_trace(args.trace), find_arch(args.arch)


def check_outputs(
    files: Iterable[Path | None],
    plots: Iterable[Path | None] = (),
    inputs: Iterable[Path] = (),
    report: Path | None = None,
) -> None:
    """Check before the work that every output of a command can be written.

    Parameters
    ----------
    files, plots
        Where results and plots go (None: an option that was not given).
    inputs
        Files that the command reads, which no output may replace.
    report
        Where the page goes (None: there is none).

    Raises
    ------
    ZapsimError
        If one cannot be written or drawn, or if two are the same file.
    """
    texts, pictures = ([path for path in paths if path is not None] for paths in (files, plots))
    read = tuple(inputs)
    for path in texts:
        check_writable(path, read)
    if pictures:
        from zapsim.report.style import check_plot

        for path in pictures:
            check_plot(path)
    if report is not None:
        from zapsim.report.page.render import check_report

        check_report(report, read)
    pages = [] if report is None else [report]
    places = [os.path.realpath(path) for path in (*texts, *pictures, *pages) if not is_special(path)]
    for place in places:
        if places.count(place) > 1:
            raise ZapsimError(f"{place}: cannot be written (two results would go there)")


def write_output(path: Path, content: str) -> None:
    """Write a result to a file, and say so on stderr."""
    write_atomically(path, content)
    say_written(path)


def say_written(path: Path) -> None:
    """Say on stderr that a result was written; stdout is for results."""
    print(f"wrote {path}", file=sys.stderr)
