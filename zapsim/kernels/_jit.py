"""The compile options of all kernels, and the cache of their machine code."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import caching, config, event
from platformdirs import user_cache_path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_DIGEST = hashlib.sha256().digest_size


def cache_directory() -> Path:
    """Return the folder of the machine code: that of ``NUMBA_CACHE_DIR``, or one in the user's cache directory."""
    return Path(config.CACHE_DIR) if config.CACHE_DIR else user_cache_path("zapsim") / "numba"


class _OnCompile(event.Listener):  # type: ignore[misc]  # Numba has no types
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

    ``NUMBA_CACHE_DIR`` wins if it is set; Numba's settings for other packages stay as they are. If the directory cannot
    be written (no home directory, a shared installation), every process compiles for itself: machine code is never
    written beside the source.
    """
    compiled = numba.njit(nogil=True, fastmath=False)(function)
    if config.DISABLE_JIT:
        return cast(Callable[_Parameters, _Result], compiled)
    users_setting = config.CACHE_DIR
    config.CACHE_DIR = str(cache_directory())
    try:
        cast(Any, compiled)._cache = _KernelCache(function)
    except (RuntimeError, OSError):  # "cannot cache function: no locator available"
        pass
    finally:
        config.CACHE_DIR = users_setting
    return cast(Callable[_Parameters, _Result], compiled)


def helper(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile `function` for kernels alone: Python cannot call it, and its machine code is part of theirs.

    Without the wrappers that Python needs, it compiles in half the time. Where kernels are interpreted, it is too.
    """
    compiled = numba.njit(nogil=True, fastmath=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return cast(Callable[_Parameters, _Result], compiled)


class _Place(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Where the machine code of a kernel lies: in the cache directory, and nowhere else."""

    _locator_classes = [caching.UserProvidedCacheLocator]  # noqa: RUF012 (Numba's own attribute)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Name the files of a kernel; unlike Numba's own, they have a digest."""
        return f"{super().get_filename_base(fullname, abiflags)}.sealed"


class _SealedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of a kernel, each ending in the digest of its content: Numba reads none that is damaged."""

    def load(self, key: object) -> object | None:
        """Return the machine code of a signature; None if there is none, or it is damaged."""
        kept = super().load(key)
        # Two processes that write at once may give two signatures one file.
        return kept[1] if kept is not None and kept[0] == repr(key) else None

    def save(self, key: object, data: object) -> None:
        """Keep the machine code of a signature."""
        super().save(key, (repr(key), data))

    def _load_index(self) -> dict[object, str]:
        return cast(dict[object, str], super()._load_index()) if _is_whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> object:
        if not _is_whole(Path(self._data_path(name))):
            raise FileNotFoundError(name)  # Numba takes it for a file that is not there yet
        return cast(object, super()._load_data(name))

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BytesIO]:
        content = BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + hashlib.sha256(content.getvalue()).digest())


def _is_whole(path: Path) -> bool:
    """Return whether a file is there and ends in the digest of its content; remove it if it is damaged, and say so."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        _say(f"{path}: compiled kernel cannot be read ({error.strerror}); it is compiled again")
        return False
    if len(data) > _DIGEST and hashlib.sha256(data[:-_DIGEST]).digest() == data[-_DIGEST:]:
        return True
    _say(f"{path}: compiled kernel is damaged; it is compiled again")
    with suppress(OSError):
        path.unlink()
    return False


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one kernel, which a full disk or a damaged file only makes slower."""

    _impl_class = _Place

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        files: Any = self._cache_file  # type: ignore[has-type]
        self._cache_file = _SealedFiles(self._cache_path, self._impl.filename_base, files._source_stamp)

    def load_overload(self, sig: object, target_context: object) -> object | None:
        """Return the compiled kernel of a signature, or None."""
        try:
            return cast(object, super().load_overload(sig, target_context))
        except Exception as error:  # what unpickling and linking raise for code of another kind of machine
            _say(f"{self._cache_path}: compiled kernel cannot be used ({type(error).__name__}); it is compiled again")
            return None

    def save_overload(self, sig: object, data: object) -> None:
        """Keep the compiled kernel of a signature, if it can be written."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _say(f"{self._cache_path}: compiled kernels cannot be kept ({error.strerror}); every run compiles them")
            self.disable()


_said: set[str] = set()


def _say(text: str) -> None:
    """Say something on stderr, once per process."""
    if text not in _said:
        _said.add(text)
        with suppress(OSError, ValueError, AttributeError):  # stderr may be closed
            print(f"zapsim: {text}", file=sys.stderr)
