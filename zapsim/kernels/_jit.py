"""How kernels come to run: compiled by Numba, or from the machine code that an earlier run has kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from zapsim.kernels._cache import cache_directory
from zapsim.version import installed_version

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_HARMLESS = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"}
"""Settings of Numba that change no machine code."""

_TRIED = "0.68."
"""Start of the versions of Numba whose machine code has been run without Numba."""

_without_numba = False


def start_without_numba() -> None:
    """Let kernels that are imported from now on do without Numba where an earlier run has kept their machine code.

    To import Numba takes longer than most simulations. A call takes 3 microseconds more, so that a process that
    simulates for minutes is better off without this. Nothing changes if Numba is imported already, or set to compile in
    another way; or on another system than Linux, where nobody has tried it.
    """
    global _without_numba  # noqa: PLW0603 (of the process, as imports are)
    settings = {name for name in os.environ if name.startswith("NUMBA_")} - _HARMLESS
    as_usual = settings or "numba" in sys.modules or os.path.exists(".numba_config.yaml")
    _without_numba = sys.platform == "linux" and not as_usual and installed_version("numba").startswith(_TRIED)


def kernel(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile `function` without fastmath and without the GIL, and keep the machine code in the user's cache directory.

    ``NUMBA_CACHE_DIR`` wins if it is set; Numba's settings for other packages stay as they are. If the directory cannot
    be written (no home directory, a shared installation), every process compiles for itself: machine code is never
    written beside the source.
    """
    return _made(function, "compile_kernel")


def helper(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile `function` for kernels alone: Python cannot call it, and its machine code is part of theirs.

    Without the wrappers that Python needs, it compiles in half the time. Where kernels are interpreted, it is too.
    """
    return _made(function, "compile_helper")


def _made(function: Callable[_Parameters, _Result], how: str) -> Callable[_Parameters, _Result]:
    """Compile now, or only if no machine code is kept."""

    def compiled() -> Any:
        from zapsim.kernels import _compiler

        return getattr(_compiler, how)(function)

    if not _without_numba:
        return cast(Callable[_Parameters, _Result], compiled())
    from zapsim.kernels._machine_code import DirectKernel

    return cast(Callable[_Parameters, _Result], DirectKernel(function, compiled, cache_directory() / "direct"))
