"""The compile options of all kernels, and the cache of their machine code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba
from numba.core import config
from platformdirs import user_cache_path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def cache_directory() -> Path:
    """Return the folder of the machine code: that of ``NUMBA_CACHE_DIR``, or one in the user's cache directory."""
    return Path(config.CACHE_DIR) if config.CACHE_DIR else user_cache_path("zapsim") / "numba"


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
