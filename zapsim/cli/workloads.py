"""``zapsim workloads``: the networks whose shapes are built in."""

from __future__ import annotations

import argparse

from zapsim.cli._arguments import Subparsers, add_command

_EPILOG = """\
examples:
  zapsim workloads
  zapsim inspect resnet50                        its layers
  zapsim run --arch eyeriss --workload resnet50  cycles and energy, dense

Fully connected layers are in; pooling and sums are not simulated.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "workloads",
        "list the networks whose shapes are built in",
        "List the networks whose shapes are built in: layers, MACs and weights for one picture.",
        _EPILOG,
    )
    parser.set_defaults(execute=execute)


def execute(_args: argparse.Namespace) -> int:
    """Print a line per network."""
    from rich.table import Table

    from zapsim.report.terminal import stdout_console
    from zapsim.workloads.builtin import BUILTIN, builtin_workload

    table = Table(box=None, pad_edge=False)
    table.add_column("name")
    for heading in ("layers", "MACs, M", "weights, M"):
        table.add_column(heading, justify="right")
    table.add_column("source")
    for name, network in BUILTIN.items():
        layers = builtin_workload(name).layers
        macs, weights = (sum(getattr(layer, count) for layer in layers) / 1e6 for count in ("macs", "filter_words"))
        table.add_row(name, str(len(layers)), f"{macs:,.1f}", f"{weights:,.2f}", network.source)
    stdout_console().print(table)
    return 0
