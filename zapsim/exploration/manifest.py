"""What a results folder is about: written before the first point, checked before the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zapsim.errors import ZapsimError, shown
from zapsim.exploration.load import load_space
from zapsim.exploration.space import Space
from zapsim.files import write_atomically

FILE = "exploration.json"
FORMAT = 1


def open_folder(folder: Path, space: Space) -> bool:
    """Make `folder` the place of the results of `space`, or check that it is; return whether it was.

    Raises
    ------
    ZapsimError
        If it holds something else: another space, another trace, results of another version, other files.
    """
    path = folder / FILE
    if path.is_file():
        _check_same(folder, space, "choose another folder")
        return True
    if folder.exists() and not folder.is_dir():
        raise ZapsimError(f"{folder}: is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise ZapsimError(f"{folder}: holds other files; choose a new or an empty folder")
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
        "identity": space.identity,
        "given": space.given,
        "folder": str(space.folder),
    }
    write_atomically(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", parents=True)
    return False


def space_of_folder(folder: Path) -> Space:
    """Return the space that a folder holds results of, made anew.

    Raises
    ------
    ZapsimError
        If it cannot be made any more, or has become another (a changed architecture or trace).
    """
    manifest = read_manifest(folder)
    space = load_space(manifest["given"], Path(manifest["folder"]))
    _check_same(folder, space, "explore it again")
    return space


def _check_same(folder: Path, space: Space, advice: str) -> None:
    before = read_manifest(folder)["identity"]
    changes = list(_changes(before, json.loads(json.dumps(space.identity))))
    if changes:
        more = f" (and {len(changes) - 1} more changes)" if len(changes) > 1 else ""
        raise ZapsimError(f"{folder}: holds results of another space: {changes[0]}{more}; {advice}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what the folder is about.

    Raises
    ------
    ZapsimError
        If it holds no exploration, or one of another format.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ZapsimError(f"{folder}: holds no results of `zapsim explore` (no {FILE})") from None
    except (OSError, ValueError) as error:
        raise ZapsimError(f"{path}: cannot be read ({error})") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or "identity" not in found:
        raise ZapsimError(f"{path}: not the format of this zapsim ({FORMAT})")
    return found


def _changes(before: object, now: object, path: str = "") -> Iterator[str]:
    """Yield what differs, with its path."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from _changes(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield f"{path} was {_short(before)}, is {_short(now)}"


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return shown(text) if not isinstance(text, str) else text[:60] + "…" * (len(text) > 60) or "empty"
