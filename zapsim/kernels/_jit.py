"""The compile options of all kernels, and the cache of their machine code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba
from numba.core import config, event
from platformdirs import user_cache_path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def cache_directory() -> Path:
    """Return the folder of the machine code: that of ``NUMBA_CACHE_DIR``, or one in the user's cache directory."""
    return Path(config.CACHE_DIR) if config.CACHE_DIR else user_cache_path("zapsim") / "numba"


class _OnCompile(event.Listener):  # type: ignore[misc]
    """Says when a kernel is compiled, and not when it is loaded."""

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say

    def on_start(self, event: event.Event) -> None:
        """Say so."""
        self._say()

    def on_end(self, event: event.Event) -> None:
        """Say nothing more."""


@contextmanager
def on_compile(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` whenever a kernel is compiled because the cache does not hold it yet."""
    with event.install_listener("numba:compile", _OnCompile(say)):
        yield


def kernel(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile `function` without fastmath and without the GIL, and keep the machine code in the user's cache directory.

    ``NUMBA_CACHE_DIR`` wins if it is set; Numba's settings for other packages stay as they are. If no directory can be
    written (no home directory, a shared installation), every process compiles for itself.
    """
    users_setting = config.CACHE_DIR
    config.CACHE_DIR = str(cache_directory())
    try:
        compiled = numba.njit(cache=True, nogil=True, fastmath=False)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(nogil=True, fastmath=False)(function)
    finally:
        config.CACHE_DIR = users_setting
    return cast(Callable[_Parameters, _Result], compiled)
