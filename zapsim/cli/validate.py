"""``zapsim validate``: published figures compared with ours."""

from __future__ import annotations

import argparse

from zapsim.cli._arguments import Subparsers, add_command

_EPILOG = """\
examples:
  zapsim validate                    all shipped validations
  zapsim validate eyeriss_alexnet    one of them
  zapsim validate my_chip.yaml       another chip's figures; docs/validating.md says how to write the file

The exit code is 1 if a target is missed.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "validate",
        "print published figures of chips and simulators compared with ours",
        "Print published figures of chips and simulators compared with ours, with errors and targets.",
        _EPILOG,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="shipped validation, or a YAML file (default: all shipped)"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run and print the validations."""
    from zapsim.report.terminal import stdout_console
    from zapsim.report.validation import print_validation
    from zapsim.validation import known_validations, validate

    met = True
    for name in args.names or known_validations():
        validation = validate(name)
        print_validation(validation, stdout_console())
        met = met and validation.met
    return 0 if met else 1
