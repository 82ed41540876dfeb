"""``zapsim validate``: published figures beside ours."""

from __future__ import annotations

import argparse

from zapsim.cli._arguments import Subparsers

_EPILOG = """\
examples:
  zapsim validate                    everything that is shipped
  zapsim validate eyeriss_alexnet    one of them
  zapsim validate my_chip.yaml       another chip's figures: docs/validating.md tells how to write them down

The exit code is 1 if a target is missed.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "validate",
        help="print published figures of chips and simulators beside ours, with the error",
        description="Print published figures of chips and simulators beside ours, with the error and the target.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="shipped validation or YAML file (default: all shipped)"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run and print the validations."""
    from zapsim.report.consoles import stdout_console
    from zapsim.report.validation import print_validation
    from zapsim.validation import known_validations, validate

    met = True
    for name in args.names or known_validations():
        found = validate(name)
        print_validation(found, stdout_console())
        met = met and found.met
    return 0 if met else 1
