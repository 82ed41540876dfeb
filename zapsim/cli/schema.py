"""``zapsim schema``: the JSON Schema of a kind of file."""

from __future__ import annotations

import argparse
import sys

from zapsim.cli._arguments import Subparsers, add_command

_EPILOG = """\
examples:
  zapsim schema architecture > architecture.json
  zapsim schema space > space.json

An editor with a YAML language server completes and checks keys of a file whose first line names the schema:
  # yaml-language-server: $schema=architecture.json
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "schema",
        "print the JSON Schema of a kind of file, for editors",
        "Print the JSON Schema (draft 2020-12) of architecture, space, points or result files.",
        _EPILOG,
    )
    parser.add_argument("kind", choices=("architecture", "space", "points", "result"), help="kind of file")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the schema."""
    from zapsim.cli._schemas import schema_text

    sys.stdout.write(schema_text(args.kind))
    return 0
