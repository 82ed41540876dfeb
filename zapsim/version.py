"""The version, apart from the public names so that every module can say it."""

from __future__ import annotations

__version__ = "0.1.0"


def installed_version(package: str) -> str:
    """Return the version of an installed package, without importing it.

    It is read off the name of the folder beside the package. To ask Python for it takes longer, because that loads the
    whole library for e-mails, which reads the folder's files.

    Raises
    ------
    PackageNotFoundError
        If it is not installed.
    """
    from importlib.machinery import PathFinder
    from pathlib import Path

    place = PathFinder.find_spec(package)
    if place is not None and place.origin is not None:
        folders = list(Path(place.origin).parents[1].glob(f"{package}-*.dist-info"))
        if len(folders) == 1:
            return folders[0].name.removeprefix(f"{package}-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version(package)
