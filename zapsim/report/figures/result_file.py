"""What kind of file a result is, and what it holds: figures refuse the wrong one by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zapsim.errors import ZapsimError
from zapsim.report.figures.timeline import read_slices
from zapsim.report.figures.waterfall import Waterfall
from zapsim.results import RunResult
from zapsim.shipped import shipped_names
from zapsim.tracefile.reader import TRACE_SUFFIX, Trace

MANIFEST = "exploration.json"
"""The file that makes a folder the results of an exploration."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: with its article in words, and the command that makes it."""

    words: str
    command: str


FILES: Final = {
    "result": FileKind("a result", "zapsim run --arch NAME --format json --out result.json"),
    "explanation": FileKind("an explanation", "zapsim explain --arch NAME --format json --out explanation.json"),
    "timeline": FileKind("a timeline", "zapsim run --arch NAME --timeline timeline.json"),
    "points": FileKind("a file of operating points", "zapsim tune --out points.json"),
    "evaluation": FileKind("an evaluation", "zapsim eval --format json --out evaluation.json"),
    "trace": FileKind("a trace", "zapsim trace --out trace.safetensors"),
    "exploration": FileKind("the folder of an exploration", "zapsim explore SPACE --out DIR"),
}
"""Kinds of files by name."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file and what it holds.

    Attributes
    ----------
    kind
        Key of :data:`FILES`.
    path
        Where it is.
    content
        A RunResult, a Waterfall, the slices of a timeline, the qualities of operating points, the records of an
        evaluation, a Trace; or, of an exploration, nothing.
    """

    kind: str
    path: Path
    content: Any = None

    @property
    def name(self) -> str:
        """Its name without folder and endings."""
        return self.path.name.partition(".")[0]


def read_result_file(path: Path) -> ResultFile:
    """Read a file that a command wrote.

    Raises
    ------
    ZapsimError
        If it cannot be read, is damaged, or is nothing that a figure can be drawn from.
    """
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return ResultFile("exploration", path)
        raise ZapsimError(f"{path}: holds no exploration; `{FILES['exploration'].command}` makes one")
    is_name = path.parent == Path() and path.name in shipped_names("traces", TRACE_SUFFIX)
    if path.suffix == TRACE_SUFFIX or (is_name and not path.exists()):
        trace = Trace(path)
        return ResultFile("trace", trace.path, trace)
    return _json(path)


def _json(path: Path) -> ResultFile:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ZapsimError(f"{path}: {_NOT_A_RESULT}") from None
    try:
        record = json.loads(text)
    except ValueError:
        raise ZapsimError(f"{path}: {_NOT_A_RESULT}") from None
    kind = _kind(record) if isinstance(record, Mapping) else None
    if kind is None:
        raise ZapsimError(f"{path}: {_NOT_A_RESULT}")
    try:
        return ResultFile(kind, path, _content(kind, record, text))
    except ZapsimError as error:
        raise ZapsimError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        remedy = f"`{FILES[kind].command}` rebuilds it"
        raise ZapsimError(f"{path}: not {FILES[kind].words} of this version ({fault}); {remedy}") from None


_NOT_A_RESULT = "nothing that a figure can be drawn from: expected JSON of run, explain, tune or eval, or a trace"


def _kind(record: Mapping[str, Any]) -> str | None:
    """Tell the kind of a JSON file by its keys."""
    if "traceEvents" in record:
        return "timeline"
    if record.get("kind") == "zapsim operating points":
        return "points"
    signs = {"evaluation": {"networks", "layers"}, "explanation": {"cycles", "energy", "saved"},
             "result": {"layers", "total", "provenance"}}  # fmt: skip
    return next((kind for kind, keys in signs.items() if keys <= record.keys()), None)


def _content(kind: str, record: Mapping[str, Any], text: str) -> Any:
    """Return what a figure needs of a record."""
    if kind == "timeline":
        return read_slices(record)
    if kind == "points":
        return [dict(point["quality"]) for point in record["points"]]
    if kind == "evaluation":
        return [{"method": str(network["method"]), **network} for network in record["networks"]]
    return Waterfall.from_record(record) if kind == "explanation" else RunResult.from_json(text)
