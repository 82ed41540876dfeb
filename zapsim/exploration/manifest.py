"""The manifest of a results folder: which space it belongs to, written before the first design is evaluated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zapsim.errors import ZapsimError, shown
from zapsim.exploration.load import load_space
from zapsim.exploration.lock import LOCK, OWNER
from zapsim.exploration.space import Space
from zapsim.files import is_leftover, write_atomically
from zapsim.reading.json_text import read_json
from zapsim.reading.text import Line

FILE = "exploration.json"
FORMAT = 2


class _Manifest(BaseModel):
    """What readers need of a manifest; it has more."""

    model_config = ConfigDict(extra="ignore", strict=True)

    class Objective(BaseModel):
        """An objective."""

        text: Line
        maximise: bool

    name: Line
    space: Line
    objectives: Annotated[list[Objective], Field(min_length=1)]
    parameters: list[Line]
    quality_notes: dict[str, str]
    identity: dict[str, Any]
    source: dict[str, Any]
    folder: str


def open_folder(folder: Path, space: Space) -> None:
    """Reserve `folder` for the results of `space`, or check that it holds them.

    Raises
    ------
    ZapsimError
        If it holds something else: another space, another trace, results of another version, other files.
    """
    path = folder / FILE
    if path.is_file():
        _check_same(folder, space, "choose another folder")
        return
    check_free(folder)
    orders = {f"{one.trace}/{one.point}": one.filter_order for one in space.workloads if one.filter_order}
    manifest = {
        "format": FORMAT,
        "name": space.name,
        "space": space.file,
        "space_sha256": space.hash,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "objectives": [{"text": one.text, "maximise": one.maximise} for one in space.objectives],
        "parameters": [one.path for one in space.parameters],
        "designs": space.lattice.size,
        "quality_notes": {f"{one.trace}/{one.point}": one.quality_note for one in space.workloads},
        **({"filter_orders": orders} if orders else {}),
        "identity": space.identity,
        "source": space.source,
        "folder": str(space.folder),
    }
    write_atomically(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", parents=True)


def check_free(folder: Path) -> None:
    """Refuse a folder of something else than results, before anything is written to it.

    Raises
    ------
    ZapsimError
        If it is a file, or holds files but no manifest.
    """
    if folder.exists() and not folder.is_dir():
        raise ZapsimError(f"{folder}: is a file, not a folder")
    if (folder / FILE).is_file() or not folder.is_dir():
        return
    if any(entry.name not in (LOCK, OWNER) and not is_leftover(entry.name) for entry in folder.iterdir()):
        raise ZapsimError(f"{folder}: holds other files; choose a new or an empty folder")


def space_of_folder(folder: Path) -> Space:
    """Load the space whose results a folder holds once more.

    Raises
    ------
    ZapsimError
        If it cannot be loaded any more, or has changed since (an architecture or a trace).
    """
    manifest = read_manifest(folder)
    space = load_space(manifest["source"], Path(manifest["folder"]))
    _check_same(folder, space, "explore it again")
    return space


def _check_same(folder: Path, space: Space, advice: str) -> None:
    before = read_manifest(folder)["identity"]
    changes = list(_changes(before, json.loads(json.dumps(space.identity))))
    if changes:
        more = f" (and {len(changes) - 1} more changes)" if len(changes) > 1 else ""
        raise ZapsimError(f"{folder}: holds results of another space: {changes[0]}{more}; {advice}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder.

    Raises
    ------
    ZapsimError
        If it holds no exploration, or one of another format.
    """
    path = folder / FILE
    if not os.path.exists(path):
        raise ZapsimError(f"{folder}: holds no results of `zapsim explore` (no {FILE})")
    manifest: Any = read_json(path, "manifest")
    if not isinstance(manifest, dict) or "identity" not in manifest:
        raise ZapsimError(f"{path}: not a manifest of `zapsim explore`")
    if manifest.get("format") != FORMAT:
        raise ZapsimError(
            f"{path}: expected format {FORMAT}, got {shown(manifest.get('format'))}; choose another folder"
        )
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ZapsimError(f"{path}: not a whole manifest: {place}: {first['msg'].lower()}; explore it again") from None
    return manifest


def _changes(before: object, now: object, path: str = "") -> Iterator[str]:
    """Yield every difference, with its path."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from _changes(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield f"{path} was {_short(before)}, is {_short(now)}"


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return shown(text) if not isinstance(text, str) else text[:60] + "…" * (len(text) > 60) or "empty"
