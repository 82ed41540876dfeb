"""``zapsim archs``: the accelerators that are shipped."""

from __future__ import annotations

import argparse

from zapsim.cli._arguments import Subparsers


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "archs",
        help="list the shipped architecture files",
        description="List the shipped architecture files: name, array and description.",
    )
    parser.set_defaults(execute=execute)


def execute(_args: argparse.Namespace) -> int:
    """Print name and description of every shipped architecture."""
    from rich.table import Table

    from zapsim.arch.load import known_archs, load_arch
    from zapsim.report.terminal import stdout_console

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "array", "description"):
        table.add_column(heading)
    for name in known_archs():
        arch = load_arch(name)
        table.add_row(name, arch.array.summary, arch.description)
    stdout_console().print(table)
    return 0
