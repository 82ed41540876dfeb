"""Command line: ``zapsim COMMAND``. Each command is a module that imports what it needs only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import unicodedata
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

from zapsim.cli._completion import SHELLS, PrintCompletion
from zapsim.cli._files import check_files
from zapsim.cli._quiet import quietly
from zapsim.cli._startup import begin_start, lean_imports
from zapsim.cli._streams import OutputLostError, TerminatedError, replace_streams, terminating
from zapsim.errors import ZapsimError, did_you_mean, printable, shown
from zapsim.kernels._cache import keep_mappings
from zapsim.kernels._jit import start_without_numba
from zapsim.version import __version__

_COMMANDS: Final = {
    "demo": "demo", "run": "run", "explain": "explain", "plot": "plot", "explore": "explore", "pareto": "pareto",
    "compare": "compare", "train": "train", "tune": "tune", "adapt": "adapt", "eval": "evaluate", "trace": "trace",
    "reorder": "reorder", "trace-info": "trace_info", "archs": "archs", "area": "area", "energy": "energy",
    "validate": "validate", "workloads": "workloads", "inspect": "inspect", "synthesise": "synthesise",
    "schema": "schema", "doctor": "doctor",
}  # fmt: skip
"""The module of each command, in the order of the help text."""

_MOST_FAULTS, _LONGEST_FAULT = 20, 480
"""Lines of a message, and characters of a line."""

_EPILOG = """\
examples:
  zapsim run --arch eyeriss.yaml
  zapsim run --arch tpu_128x128 --set array.dataflow=output-stationary --policy oracle
  zapsim trace-info traces/vgg16_hed_chelsea_1_3.safetensors
  zapsim COMMAND --help    options of a command, with examples
"""


class _Parser(argparse.ArgumentParser):
    """Refuse arguments in one line, and suggest the option that was meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit."""
        line = _shortened(printable(message))
        self.exit(2, f"{self.prog}: {line} ({self.prog} --help shows the options)\n")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse all arguments; a rest is an error, since no other parser follows."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = next((text.partition("=")[0] for text in unknown if text.startswith("-")), "")
            known = [name for action in self._actions for name in action.option_strings]
            self.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(option, known) if option else ''}")
        return namespace, unknown


def build_parser(only: str = "") -> argparse.ArgumentParser:
    """Build the parser of all commands; each sets ``execute``, a function from arguments to exit code.

    Parameters
    ----------
    only
        The command that will be parsed: its options alone are declared, which is quicker. Any other word: all commands.
    """
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
    parser.add_argument("--debug", action="store_true", help="show where an error comes from (a traceback)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in [_COMMANDS[only]] if only in _COMMANDS else _COMMANDS.values():
        import_module(f"zapsim.cli.{module}").add_parser(commands)
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
    """Run one command.

    Parameters
    ----------
    arguments
        Of the command line; None: those of this process, whose streams and signals are then looked after, too.

    Returns
    -------
    int
        0; 2 after a mistake of the user's (a line per fault on stderr, nothing written) or where the results cannot be
        written; 130 after an interrupt, 143 after SIGTERM; 1 after a fault of zapsim's own.
    """
    if arguments is not None:
        return _run(arguments)
    replace_streams()
    begin_start(collects=sys.argv[1:2] != ["run"])
    start_without_numba()
    if sys.argv[1:2] != ["explore"]:
        keep_mappings()
    with terminating():
        return _run(sys.argv[1:])


def _run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 (a line per kind of end)
    """Run one command, and turn whatever ends it into an exit code and a line."""
    debug = "--debug" in arguments
    try:
        code = _execute([text for text in arguments if text != "--debug"])
        sys.stdout.flush()
        return code
    except OutputLostError as error:
        return _failed(f"stdout: cannot be written ({error})", debug) if str(error) else 0
    except BrokenPipeError:  # the reader closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ZapsimError as error:
        return _failed(str(error), debug)
    except OSError as error:
        name = f"{os.fspath(error.filename)!s}: " if error.filename is not None else ""
        return _failed(f"{name}{error.strerror or type(error).__name__}", debug)
    except ModuleNotFoundError as error:
        return _failed(f"{error}; `zapsim doctor` lists what is missing, and how to get it", debug)
    except MemoryError:
        return _failed("not enough memory for this; take fewer or smaller images, or fewer designs", debug)
    except KeyboardInterrupt:
        return _failed("interrupted", debug, 130)
    except TerminatedError:
        return _failed("terminated", debug, 143)
    except Exception as error:
        if debug:
            raise
        return _failed(f"a fault of zapsim ({type(error).__name__}: {error}); --debug shows where", debug, 1)


def _execute(arguments: Sequence[str]) -> int:
    """Parse and execute one command.

    Raises
    ------
    ZapsimError
        For arguments that cannot be printed, a working directory that is gone, or what the command says.
    """
    for text in arguments:
        if any(unicodedata.category(char) == "Cc" for char in text):
            raise ZapsimError(f"argument {shown(text)}: has control characters; give files plain names")
    try:
        args = build_parser(*arguments[:1]).parse_args(arguments)
    except SystemExit:  # after a help text, or a fault
        sys.stdout.flush()
        raise
    try:
        os.getcwd()
    except OSError:
        raise ZapsimError("the working directory is gone; change to another one") from None
    check_files(args)
    with quietly(args.quiet), lean_imports():
        return int(args.execute(args))


def _shortened(line: str) -> str:
    """Cut the middle of a line that is too long: it begins with a file's name and ends with what is wrong with it."""
    half = _LONGEST_FAULT // 2
    return line if len(line) <= _LONGEST_FAULT else f"{line[:half]}...{line[-half:]}"


def _failed(message: str, debug: bool, code: int = 2) -> int:
    """Say what ended a command, one printable line per fault; return the exit code."""
    faults = [fault for fault in message.split("\n") if fault.strip()] or ["failed"]
    more = [f"and {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
    if debug:
        traceback.print_exc()
    for fault in [*faults[:_MOST_FAULTS], *more]:
        print(f"zapsim: {_shortened(printable(fault))}", file=sys.stderr)
    return code
