"""A quick start: libraries do without what they load only for code of others, which no command runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

_ONLY_FOR_OTHERS = {"scipy": ("numba", "numba.np.arraymath"), "coverage": ("numba.misc.coverage_support",)}
"""Libraries that no kernel needs, and the modules of Numba that try to import each: SciPy serves compiled linear
algebra, coverage serves measurements of compiled lines."""


_PLUGINS = "pydantic.plugin._loader"
"""The module in which pydantic looks for plugins: in the metadata of all packages that are installed."""


_COLLECTED_AFTER = 20_000, 50, 25
"""Objects, collections of young objects and collections of older ones, after which Python collects garbage."""


def begin_start(collects: bool) -> None:
    """Let Python look for reference cycles less often, or not before :func:`end_start`.

    To load libraries makes many objects, and nearly all stay.
    """
    gc.set_threshold(*_COLLECTED_AFTER)
    if not collects:
        gc.disable()


def end_start() -> None:
    """Look for reference cycles from now on, if nobody has so far; objects that are there now are left alone."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class _Finder:
    """Hides these libraries while those modules are being imported, and only then."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for name in _ONLY_FOR_OTHERS.get(fullname, ()):
            importer = sys.modules.get(name)
            if importer is not None and getattr(importer.__spec__, "_initializing", False):
                raise ModuleNotFoundError(f"{fullname} is not loaded with numba", name=fullname)
        return None


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let Numba be imported without SciPy and coverage, and pydantic check without plugins.

    Only for processes that are ours: Numba then compiles no linear algebra. What is loaded already stays.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    without_plugins = ModuleType(_PLUGINS)
    without_plugins.get_plugins = tuple  # type: ignore[attr-defined]
    loaded = sys.modules.setdefault(_PLUGINS, without_plugins)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if loaded is without_plugins:
            del sys.modules[_PLUGINS]
