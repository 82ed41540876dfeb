"""``zapsim --print-completion SHELL``: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

_FILES = {"FILE", "PATH", "SPACE.yaml", "TRACE"}
"""What options and arguments that take files are called in help texts."""

SHELLS = ("bash", "zsh", "tcsh")


class PrintCompletion(argparse.Action):
    """Print the script for a shell, and end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Write the script on stdout."""
        import shtab

        _complete_files(parser)
        print(shtab.complete(parser, str(values)))
        parser.exit()


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Mark what takes files or folders, in all commands."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                _complete_files(command)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
