"""``zapsim area``: the area of a chip by component."""

from __future__ import annotations

import argparse
import math

from zapsim.cli._arguments import Subparsers, add_command, add_option

_EPILOG = """\
examples:
  zapsim area                                              all shipped architectures
  zapsim area --arch eyeriss --set predictor.lanes=36      a wider predictor
  zapsim area --arch eyeriss systolic_16x16 my_chip.yaml

Areas come from a table of parts (docs/models/energy.md): good for comparing designs, not for taping one out. Those of
the predictor and of the logic that reads masks are synthesised (docs/models/rtl.md).
"""

_SYNTHESISED = ("predictor_lanes", "mask_units")
"""Parts whose area a file may take from synthesis; its source says so."""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "area",
        "print the area of accelerators by component",
        "Print the area of accelerators by component, in mm², in the process that its file names.",
        _EPILOG,
    )
    add_option(parser, "--arch", nargs="+", help="architecture files, or names of shipped ones (default: all shipped)")
    add_option(parser, "--set", help="change a key of each architecture, as in predictor.lanes=36; may be repeated")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print one row per architecture: its total, and each component with its share."""
    from rich.table import Table

    from zapsim.arch.load import known_archs, load_arch
    from zapsim.energy.area import AREA_COMPONENTS, area_by_component
    from zapsim.report.terminal import stdout_console

    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("mm²", *AREA_COMPONENTS):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("process")
    notes, synthesised = [], []
    for name in args.arch or known_archs():
        arch = load_arch(name, args.overrides)
        notes += [f"{arch.name}: {note}" for note in arch.size_notes]
        if any(arch.sources.get(f"area.parts.{part}", "").startswith("Synthesised") for part in _SYNTHESISED):
            synthesised.append(arch.name)
        area = area_by_component(arch)
        total = math.fsum(area.values())
        parts = (f"{size:.3g} ({size / total:.1%})" for size in area.values())
        table.add_row(arch.name, f"{total:.4g}", *parts, arch.area.technology if arch.area else "")
    console = stdout_console()
    console.print(table)
    for note in notes:
        console.print(note)
    if synthesised:
        console.print(f"predictor and masks synthesised (docs/models/rtl.md): {', '.join(synthesised)}")
    return 0
