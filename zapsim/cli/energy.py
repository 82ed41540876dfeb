"""``zapsim energy import``: the energies of an Accelergy table, as an architecture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers, add_command, add_option, check_outputs, write_output
from zapsim.errors import ZapsimError, did_you_mean

if TYPE_CHECKING:
    from zapsim.arch.spec import ArchSpec
    from zapsim.energy.accelergy import ImportedPrices

_EPILOG = """\
examples:
  zapsim energy import ERT.yaml --base eyeriss --technology "45 nm" --words glb=4 dram=4 --out eyeriss_ert.yaml
  zapsim energy import ERT_summary.yaml --base eyeriss --technology "45 nm" --component glb=weights_glb
  zapsim run --arch eyeriss_ert.yaml

The table is an ERT.yaml or ERT_summary.yaml of Accelergy (energies in pJ). What it has no price for keeps that of the
base. Prices of memories are taken to be for the base's sizes, and follow the size law if another file changes them.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command and its one part."""
    parser = add_command(
        commands,
        "energy",
        "import energies from a table of Accelergy",
        "Work with tables of energies.",
        _EPILOG,
    )
    parts = parser.add_subparsers(metavar="PART", required=True)
    part = add_command(
        parts,
        "import",
        "make an architecture file of an Accelergy energy reference table",
        "Write an architecture file that is its base with the energies of an Accelergy energy reference table.",
        _EPILOG,
    )
    part.add_argument("table", type=Path, metavar="FILE", help="ERT.yaml or ERT_summary.yaml")
    part.add_argument(
        "--base", required=True, metavar="ARCH", help="architecture file or name that the energies are laid over"
    )
    part.add_argument("--technology", required=True, metavar="TEXT", help="process that the energies belong to")
    part.add_argument(
        "--component", nargs="+", default=[], metavar="ROLE=NAME",
        help="components whose name does not say what they are; roles: mac, ifmap_spad, filter_spad, psum_spad, glb, "
        "dram",
    )  # fmt: skip
    part.add_argument(
        "--words", nargs="+", default=[], metavar="ROLE=N",
        help="words that an access moves, as in glb=4 for 64 bit at words of 16 (default: 1)",
    )  # fmt: skip
    add_option(part, "--out", help="write the architecture file here instead of printing it")
    part.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Make the file, check that it loads, and write it."""
    import tempfile

    from zapsim.arch.load import find_arch, load_arch
    from zapsim.energy.accelergy import ROLES, read_table

    check_outputs((args.out,), inputs=(args.table, find_arch(args.base)))
    roles = _pairs(args.component, "--component", ROLES)
    words = {role: _whole(number, role) for role, number in _pairs(args.words, "--words", ROLES).items()}
    imported = read_table(args.table, roles, words)
    text = architecture_text(imported, load_arch(args.base), args)
    with tempfile.TemporaryDirectory() as folder:  # what it says together with its base may be at fault
        path = Path(folder) / args.table.name
        path.write_text(text, encoding="utf-8")
        load_arch(path)
    print(f"prices of {', '.join(f'{name} ({role})' for role, name in imported.components.items())}", file=sys.stderr)
    if imported.unused:
        print(f"not used: {'; '.join(imported.unused)}", file=sys.stderr)
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_output(args.out, text)
    return 0


def architecture_text(imported: ImportedPrices, base: ArchSpec, args: argparse.Namespace) -> str:
    """Write an architecture file: its base, and the imported prices for the sizes that the base's memories have."""
    from zapsim.arch.load import find_arch

    path = find_arch(args.base)
    sizes = base.memory_sizes
    lines = [
        f"# Made by `zapsim energy import {args.table.name}`; what is not here is as in its base.",
        f"base: {_quoted(str(path.resolve()) if Path(args.base).exists() else args.base)}",
        f"name: {_quoted(args.table.stem)}",
        f"description: {_quoted(f'{base.name} with the energies of {args.table.name}')}",
        "energy:",
        f"  source: {_quoted(f'Accelergy, {args.table.name}')}",
        f"  technology: {_quoted(args.technology)}",
        "  actions:",
    ]
    for action, pj in sorted(imported.prices.items()):
        size = f" at {sizes[action]}" if action in sizes else ""
        lines.append(f"    {action}: {pj:.6g} pJ{size}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # which YAML reads as well


def _pairs(texts: list[str], option: str, known: dict[str, dict[str, str]]) -> dict[str, str]:
    """Split ROLE=VALUE texts."""
    pairs = {}
    for text in texts:
        role, equals, value = text.partition("=")
        if not equals or not value:
            raise ZapsimError(f"{option}: expected ROLE=VALUE such as 'glb=4', got '{text}'")
        if role not in known:
            hint = did_you_mean(role, known) or f"; roles: {', '.join(known)}"
            raise ZapsimError(f"{option}: unknown role '{role}'{hint}")
        pairs[role] = value
    return pairs


def _whole(text: str, role: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise ZapsimError(f"--words: expected a whole number of words from 1 to 4096 for {role}, got '{text}'")
    return int(text)
