"""Command line: ``zapsim COMMAND``. Each command is a module that imports what it needs only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from zapsim.cli import (
    adapt,
    archs,
    area,
    compare,
    demo,
    doctor,
    energy,
    evaluate,
    explain,
    explore,
    inspect,
    pareto,
    plot,
    reorder,
    run,
    schema,
    synthesise,
    trace,
    trace_info,
    train,
    tune,
    validate,
    workloads,
)
from zapsim.cli._completion import SHELLS, PrintCompletion
from zapsim.cli._quiet import quietly
from zapsim.cli._startup import lean_numba
from zapsim.errors import ZapsimError, did_you_mean
from zapsim.version import __version__

_COMMANDS = (
    demo, run, explain, plot, explore, pareto, compare, train, tune, adapt, evaluate, trace, reorder, trace_info, archs,
    area, energy, validate, workloads, inspect, synthesise, schema, doctor,
)  # fmt: skip

_EPILOG = """\
examples:
  zapsim run --arch eyeriss.yaml
  zapsim run --arch tpu_128x128 --set array.dataflow=output-stationary --policy oracle
  zapsim trace-info traces/vgg16_hed_chelsea_1_3.safetensors
  zapsim COMMAND --help    options of a command, with examples
"""


class _Parser(argparse.ArgumentParser):
    """Refuse unknown arguments with this command's usage, and suggest the option that was meant."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse all arguments; a rest is an error, since no other parser follows."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = next((text.partition("=")[0] for text in unknown if text.startswith("-")), "")
            known = [name for action in self._actions for name in action.option_strings]
            self.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(option, known) if option else ''}")
        return namespace, unknown


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; each sets ``execute``, a function from arguments to exit code."""
    parser = _Parser(
        prog="zapsim",
        description="Show what zero-activation prediction saves on a CNN accelerator, from real masks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zapsim {__version__}")
    parser.add_argument(
        "--print-completion", action=PrintCompletion, choices=SHELLS, metavar="SHELL",
        help="print the script that makes a shell (bash, zsh or tcsh) complete commands and options",
    )  # fmt: skip
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    _add_quiet(commands)
    return parser


def _add_quiet(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare ``--quiet`` in every command, and in the parts of those that have parts."""
    for parser in commands.choices.values():
        parts = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for part in parts:
            _add_quiet(part)
        if not parts:
            parser.add_argument(
                "--quiet",
                action="store_true",
                help="print nothing on stderr but what is wrong: no progress, no summary",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a user's mistake (a line per fault on stderr, nothing written)."""
    args = build_parser().parse_args(arguments)
    try:
        with quietly(args.quiet), lean_numba():
            return int(args.execute(args))
    except ZapsimError as error:
        for fault in str(error).splitlines():
            print(f"zapsim: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("zapsim: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
