"""Compile options of all kernels, in one place, and where compiled kernels are cached."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba
from numba.core import config
from platformdirs import user_cache_path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def kernel(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile `function` without fastmath, GIL-free, and keep the machine code in the user's cache directory.

    ``NUMBA_CACHE_DIR`` wins where it is set; other packages' Numba settings are left alone. Where nothing can be
    written (no home, an installation of somebody else's), every process compiles for itself.
    """
    found = config.CACHE_DIR
    config.CACHE_DIR = found or str(user_cache_path("zapsim") / "numba")
    try:
        compiled = numba.njit(cache=True, nogil=True, fastmath=False)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        compiled = numba.njit(nogil=True, fastmath=False)(function)
    finally:
        config.CACHE_DIR = found
    return cast(Callable[_Parameters, _Result], compiled)
