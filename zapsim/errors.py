"""The exception tree: every mistake that a user can make is a :class:`ZapsimError` (exit code 2, no traceback)."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec


class ZapsimError(Exception):
    """A mistake that the user can correct; the message says how, in printable lines."""

    def __init__(self, message: str = "") -> None:
        # What is quoted (names of files, keys) may hold what controls a terminal.
        super().__init__("\n".join(map(printable, message.split("\n"))))


class UnitError(ZapsimError):
    """A quantity whose unit is missing, wrong or of another dimension."""


class WorkloadError(ZapsimError):
    """A layer shape that is not a valid convolution: an empty dimension, an overflow, groups that do not divide."""


class ConfigError(ZapsimError):
    """An architecture file (or ``--set``) that cannot be used.

    Parameters
    ----------
    faults
        All faults of the file, one line each, which starts with its path (``eyeriss.yaml: buffers.glb.size: ...``).
    """

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults = tuple(map(printable, (faults,) if isinstance(faults, str) else faults))
        super().__init__("\n".join(self.faults))


class TraceError(ZapsimError):
    """A trace file that is missing, truncated, tampered with or not of this format."""


class MappingError(ZapsimError):
    """A layer that the array cannot compute, or a pinned mapping that exceeds a limit."""


class PolicyError(ZapsimError):
    """A policy that the engine or the trace cannot serve."""


class FrontendError(ZapsimError):
    """A network, a picture or a predictor file that the PyTorch frontend cannot use."""


class MissingExtraError(ZapsimError, ImportError):
    """Something that needs libraries which a plain installation lacks."""


def check_extra(what: str, extra: str, *modules: str) -> None:
    """Check that the libraries of an extra are installed.

    Parameters
    ----------
    what
        What needs them, with its verb: ``plots need``.
    extra
        Name of the extra that brings them.
    modules
        Names of the modules to look for; none is imported.

    Raises
    ------
    MissingExtraError
        If one is missing; the message says how to get it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"{what} {', '.join(missing)}: pip install 'zapsim[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the closest of `known`, as in ``" (did you mean 'rows'?)"``; an empty string if none is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def printable(text: str) -> str:
    """Write `text` (a file's name, for instance) as one printable line: what is not printable becomes an escape."""
    return text if text.isprintable() else text.encode("unicode_escape", "surrogatepass").decode("ascii")


def shown(value: object, limit: int = 60) -> str:
    """Write `value` as messages quote it: on one line, in YAML's words, cut to `limit` characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of over 60 digits"
    text = str(value)
    if len(text) > limit:
        text = text[:limit] + "…"
    if not text.isprintable():
        text = text.encode("unicode_escape").decode("ascii")
    return f"'{text}'" if isinstance(value, str) else text
