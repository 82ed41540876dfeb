"""Kernels as Numba compiles them: the options of all, and the cache of their machine code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numba
from numba import types
from numba.core import caching, config, event
from numba.extending import lower_builtin, type_callable, typeof_impl

from zapsim.kernels._cache import cache_directory, read_sealed, say, say_compiling, sealed
from zapsim.kernels._machine_code import DirectKernel
from zapsim.kernels.popcount import popcount


class _OnCompile(event.Listener):  # type: ignore[misc]  # Numba has no types
    """Says when a kernel is compiled, and not when it is loaded."""

    def on_start(self, event: event.Event) -> None:
        """Say so."""
        say_compiling()

    def on_end(self, event: event.Event) -> None:
        """Say nothing more."""


event.register("numba:compile", _OnCompile())


@typeof_impl.register(DirectKernel)
def _type_of_kernel(kernel: DirectKernel, _context: object) -> types.Type:
    """Let kernels call one that is made to be called without Numba."""
    return types.Dispatcher(kernel.dispatcher)


@type_callable(popcount)
def _type_of_popcount(_context: object) -> Callable[[types.Type], types.Type]:
    return lambda _word: types.int64


@lower_builtin(popcount, types.uint64)
def _lower_popcount(_context: object, builder: Any, _signature: object, arguments: Any) -> object:
    """Emit the processor's own instruction."""
    return builder.ctpop(arguments[0])


def compile_kernel(function: Callable[..., object]) -> Any:
    """Return Numba's dispatcher of `function`, with the cache that they share."""
    compiled = numba.njit(nogil=True, fastmath=False)(function)
    if config.DISABLE_JIT:
        return compiled
    users_setting = config.CACHE_DIR
    config.CACHE_DIR = str(cache_directory())
    try:
        compiled._cache = _KernelCache(function)
    except (RuntimeError, OSError):  # "cannot cache function: no locator available"
        pass
    finally:
        config.CACHE_DIR = users_setting
    return compiled


def compile_helper(function: Callable[..., object]) -> Any:
    """Return Numba's dispatcher of `function`, which Python cannot call."""
    return numba.njit(nogil=True, fastmath=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


class _Place(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Where the machine code of a kernel lies: in the cache directory, and nowhere else."""

    _locator_classes = [caching.UserProvidedCacheLocator]  # noqa: RUF012 (Numba's own attribute)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Name the files of a kernel; unlike Numba's own, they have a digest."""
        return f"{super().get_filename_base(fullname, abiflags)}.sealed"


class _SealedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of a kernel, each ending in the digest of its content: Numba reads none that is damaged.

    Attributes
    ----------
    object_code
        Of the signature that was loaded or saved last.
    """

    object_code: bytes | None = None

    def load(self, key: object) -> object | None:
        """Return the machine code of a signature; None if there is none, or it is damaged."""
        kept = super().load(key)
        # Two processes that write at once may give two signatures one file.
        if kept is None or kept[0] != repr(key):
            return None
        self.object_code = _object_code(kept[1])
        return cast(object, kept[1])

    def save(self, key: object, data: object) -> None:
        """Keep the machine code of a signature."""
        self.object_code = _object_code(data)
        super().save(key, (repr(key), data))

    def _load_index(self) -> dict[object, str]:
        return cast(dict[object, str], super()._load_index()) if read_sealed(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> object:
        if not read_sealed(Path(self._data_path(name))):
            raise FileNotFoundError(name)  # Numba takes it for a file that is not there yet
        return cast(object, super()._load_data(name))

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BytesIO]:
        content = BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(sealed(content.getvalue()))


def _object_code(data: Any) -> bytes:
    """Take the object code out of what Numba keeps of a function; empty if another Numba keeps it otherwise."""
    try:
        (_library, kind, (code, _bitcode)), *_ = data
    except (TypeError, ValueError):
        return b""
    return code if kind == "object" else b""


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one kernel, which a full disk or a damaged file only makes slower."""

    _impl_class = _Place

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        files: Any = self._cache_file  # type: ignore[has-type]
        self.files = _SealedFiles(self._cache_path, self._impl.filename_base, files._source_stamp)
        self._cache_file = self.files

    def load_overload(self, sig: object, target_context: object) -> object | None:
        """Return the compiled kernel of a signature, or None."""
        try:
            return cast(object, super().load_overload(sig, target_context))
        except Exception as error:  # what unpickling and linking raise for code of another kind of machine
            say(f"{self._cache_path}: compiled kernel cannot be used ({type(error).__name__}); it is compiled again")
            return None

    def save_overload(self, sig: object, data: object) -> None:
        """Keep the compiled kernel of a signature, if it can be written."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            say(f"{self._cache_path}: compiled kernels cannot be kept ({error.strerror}); every run compiles them")
            self.disable()
