"""A quick start: Numba loads SciPy and coverage only for code of others, which no command runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_ONLY_FOR_OTHERS = {"scipy": ("numba", "numba.np.arraymath"), "coverage": ("numba.misc.coverage_support",)}
"""Libraries that no kernel needs, and the modules of Numba that try to import each: SciPy serves compiled linear
algebra, coverage serves measurements of compiled lines."""


class _Finder(MetaPathFinder):
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
def lean_numba() -> Iterator[None]:
    """Let Numba be imported without SciPy and coverage, which takes a quarter of a warm run's start.

    Only for processes that are ours: Numba then compiles no linear algebra. What is loaded already stays.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
