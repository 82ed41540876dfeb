"""Functions that users name as ``package.module:factory``, also from the current directory or the examples."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from zapsim.errors import FrontendError, did_you_mean
from zapsim.shipped import shipped_folder


def load_factory(spec: str, what: str = "network") -> Callable[[], object]:
    """Return the function that ``package.module:factory`` names; messages call it a `what`.

    Raises
    ------
    FrontendError
        If there is none.
    """
    factory = load_object(spec, what)
    if not callable(factory):
        module_name, _, name = spec.partition(":")
        raise FrontendError(
            f"{what} '{spec}': {module_name} has no function '{name}'; it is of type {type(factory).__name__}"
        )
    return cast(Callable[[], object], factory)


def load_object(spec: str, what: str = "network") -> object:
    """Return what ``package.module:name`` names; messages call it a `what`.

    Raises
    ------
    FrontendError
        If there is no such module or name.
    """
    module_name, colon, factory_name = spec.partition(":")
    if not (module_name and colon and factory_name):
        raise FrontendError(f"{what} '{spec}': expected package.module:factory")
    with _importable_from_here():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise FrontendError(f"{what} '{spec}': no module named '{error.name}'") from None
    if not hasattr(module, factory_name):
        hint = did_you_mean(factory_name, [name for name in vars(module) if not name.startswith("_")])
        raise FrontendError(f"{what} '{spec}': {module_name} has no function '{factory_name}'{hint}")
    return getattr(module, factory_name)


@contextmanager
def _importable_from_here() -> Iterator[None]:
    """Let a user's own ``mynet.py`` be found in the current directory, as ``python -m`` would, or else the example."""
    here, examples = str(Path.cwd()), str(shipped_folder("examples"))
    sys.path.insert(0, here)
    sys.path.append(examples)
    try:
        yield
    finally:
        sys.path.remove(here)
        sys.path.reverse()  # the last of its kind is ours
        sys.path.remove(examples)
        sys.path.reverse()
