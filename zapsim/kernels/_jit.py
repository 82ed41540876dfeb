"""The compile options of all kernels, and the cache of their machine code."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import caching, config, event
from platformdirs import user_cache_path

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


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


class _Place(caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Where the machine code of a kernel lies: in the cache directory, and nowhere else."""

    _locator_classes = [caching.UserProvidedCacheLocator]  # noqa: RUF012 (Numba's own attribute)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Name the files of a kernel; unlike Numba's own, they have a digest."""
        return f"{super().get_filename_base(fullname, abiflags)}.sha256"


class _SealedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """The files of a kernel, each with the digest of its content: what is damaged is never run, but compiled anew."""

    def load(self, key: object) -> object | None:
        """Return the machine code of a signature; None if there is none, or it is damaged."""
        name = self._load_index().get(key)
        data = None if name is None else self._content(Path(self._data_path(name)))
        if data is None:
            return None
        kept_key, code = pickle.loads(data)  # ours, sealed by its digest  # nosec B301
        # Two processes that write at once may give two signatures one file.
        return cast(object, code) if kept_key == repr(key) else None

    def save(self, key: object, data: object) -> None:
        """Keep the machine code of a signature."""
        super().save(key, (repr(key), data))

    def _load_index(self) -> dict[object, str]:
        data = self._content(Path(self._index_path))
        if data is None:
            return {}
        version, stamp, overloads = pickle.loads(data)  # the same  # nosec B301
        return dict(overloads) if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[object, str]) -> None:
        self._write(self._index_path, pickle.dumps((self._version, self._source_stamp, overloads), protocol=-1))

    def _save_data(self, name: str, data: object) -> None:
        self._write(self._data_path(name), self._dump(data))

    def _write(self, path: str, data: bytes) -> None:
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(data).digest() + data)

    def _content(self, path: Path) -> bytes | None:
        """Read a file whose digest is right; remove any other, and say so."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _say(f"{path}: compiled kernel cannot be read ({error.strerror}); it is compiled anew")
            return None
        digest, content = data[:32], data[32:]
        if hashlib.sha256(content).digest() == digest:
            return content
        _say(f"{path}: compiled kernel is damaged; it is compiled anew")
        with suppress(OSError):
            path.unlink()
        return None


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
            _say(f"{self._cache_path}: compiled kernel cannot be used ({type(error).__name__}); it is compiled anew")
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
