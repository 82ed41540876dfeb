"""Files that come with zapsim: where they lie, and which of them a name means.

In a clone they stand in the folders at its top, where people look for them. An installed package holds copies of the
same files in ``zapsim/_shipped`` (``setup.py`` puts them there).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from zapsim.errors import ZapsimError

Folder = Literal["arch_configs", "validation", "traces", "examples", "schemas"]

FOLDERS: tuple[Folder, ...] = ("arch_configs", "validation", "traces", "examples", "schemas")
"""The folders that a clone has at its top, and an installed package in ``_shipped``."""


def shipped_root() -> Path:
    """Return the folder that holds :data:`FOLDERS`: inside the package if it is installed, else the clone."""
    package = Path(__file__).parent
    inside = package / "_shipped"
    return inside if inside.is_dir() else package.parent


def shipped_folder(folder: Folder) -> Path:
    """Return the place of one of :data:`FOLDERS`."""
    return shipped_root() / folder


def shipped_names(folder: Folder, suffix: str, inside: str = "") -> list[str]:
    """List the names of the files in a folder, without their suffix, sorted.

    Parameters
    ----------
    folder
        One of :data:`FOLDERS`.
    suffix
        How the files' names end, as in ``.yaml``.
    inside
        A folder within it; "" for the folder itself.

    Raises
    ------
    ZapsimError
        If there is none: the installation is not whole.
    """
    place = shipped_folder(folder) / inside
    names = sorted(path.name.removesuffix(suffix) for path in place.glob(f"*{suffix}"))
    if not names:
        raise ZapsimError(
            f"{place}: holds no {suffix} file, so this installation of zapsim is not whole; "
            "reinstall it: pip install --force-reinstall --no-deps zapsim"
        )
    return names


def find_file(name_or_path: str | Path, folder: Folder, suffix: str, beside: Path | None = None) -> Path | None:
    """Find the file that a path or the name of a shipped file means; a file at the path wins.

    A shipped file is meant by its bare name (``eyeriss``, ``eyeriss.yaml``) or, so that commands in the documentation
    work away from a clone, by its path in the clone (``arch_configs/eyeriss.yaml``).

    Parameters
    ----------
    name_or_path
        A path (relative to `beside`, if given), or the name of a shipped file.
    folder, suffix
        Where the shipped ones lie, and how their names end.
    beside
        The folder of the file that names it; None: the current one.

    Returns
    -------
    Path or None
        None if there is no such file.
    """
    wanted = Path(name_or_path)
    path = wanted if beside is None else beside / wanted
    if os.path.exists(path) and not os.path.isdir(path):  # unlike Path's, these take any text
        return path
    if wanted.name and wanted.parent in {Path(), Path(folder)}:
        shipped = shipped_folder(folder) / f"{wanted.name.removesuffix(suffix)}{suffix}"
        if os.path.isfile(shipped):
            return shipped
    return None
