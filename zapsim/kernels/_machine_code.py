"""Machine code that an earlier run has kept, called without Numba: to import Numba takes longer than most runs.

Where no run has kept any, that which comes with zapsim serves (:mod:`zapsim.kernels._ahead`). What is kept is the
object code that Numba has made of a kernel, with the function that unpacks Python's arguments. That code calls
functions of Numba's C libraries. These are imported alone, and LLVM links the code to them. All of it is Numba's own
business, so only versions that have been tried are used so, and whatever fails leads to Numba. Files hold text and
object code, and nothing is unpickled.
"""

from __future__ import annotations

import builtins
import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, lru_cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from zapsim.kernels._ahead import shipped_code
from zapsim.kernels._cache import read_sealed, say, write_sealed
from zapsim.version import installed_version

_INT64 = range(-(2**63), 2**63)


class Code(NamedTuple):
    """The machine code of a kernel for arguments of certain kinds.

    Attributes
    ----------
    key
        What it holds for: the kernel and its source, the kinds, versions, the processor.
    entry, environment
        Symbols of the function that Python calls, and of the pointer to its environment.
    dtypes
        What the environment holds: the dtypes of arrays that are returned.
    objects
        The object code.
    """

    key: str
    entry: str
    environment: str
    dtypes: list[str]
    objects: bytes

    def to_bytes(self) -> bytes:
        """Write it: a line of JSON, then the object code."""
        return json.dumps(self[:-1]).encode() + b"\n" + self.objects

    @classmethod
    def from_bytes(cls, content: bytes) -> Code:
        """Read what :meth:`to_bytes` wrote."""
        line, _, objects = content.partition(b"\n")
        key, entry, environment, dtypes = json.loads(line)
        return cls(key, entry, environment, dtypes, objects)


class DirectKernel:
    """A kernel that runs without Numba where an earlier run has kept its machine code.

    Parameters
    ----------
    function
        What it does, in Python.
    compiled
        Makes Numba's dispatcher of it, if it is needed.
    folder
        Where machine code is kept.
    """

    def __init__(self, function: Callable[..., object], compiled: Callable[[], Any], folder: Path) -> None:
        self._function, self._compiled, self._folder = function, compiled, folder
        self._entries: dict[tuple[object, ...], Callable[..., object]] = {}
        self._quick: dict[tuple[object, ...], Callable[..., object]] = {}
        self.__doc__, self.__name__, self.__module__ = function.__doc__, function.__name__, function.__module__

    def __call__(self, *arguments: object) -> object:
        """Run the kernel."""
        quick = _told_apart(arguments)
        entry = self._quick.get(quick)
        if entry is None:
            kinds = tuple([_kind(argument) for argument in arguments])
            entry = self._entries.get(kinds)
            if entry is None:
                return self._run_first(kinds, arguments)
            self._quick[quick] = entry
        return entry(*arguments)

    @cached_property
    def dispatcher(self) -> Any:
        """Numba's form of the kernel."""
        return self._compiled()

    def _run_first(self, kinds: tuple[object, ...], arguments: tuple[object, ...]) -> object:
        """Run the kernel for the first time with arguments of these kinds."""
        if None in kinds:
            return self.dispatcher(*arguments)
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        place = hashlib.sha256(repr((name, kinds, _host())).encode()).hexdigest()
        path = self._folder / f"{name.rpartition('zapsim.')[2]}-{place[:16]}.kernel"
        source = os.stat(self._function.__code__.co_filename)
        key = repr((name, kinds, _host(), source.st_mtime, source.st_size))
        try:
            code = _read(path, key) or _shipped(name, kinds, self._function)
            entry = None if code is None else _linked(code, self._function)
        except Exception as error:  # whatever Numba's and LLVM's libraries raise for code that is not theirs
            say(f"{path}: compiled kernel cannot be used ({type(error).__name__}); it is compiled again")
            entry = None
        if entry is not None:
            self._entries[kinds] = entry
            return entry(*arguments)
        result = self.dispatcher(*arguments)
        self._entries[kinds] = self.dispatcher
        with suppress(OSError, AttributeError):  # said by Numba's cache, beside it; of a Numba with other names
            self._keep(path, key, arguments)
        return result

    def _keep(self, path: Path, key: str, arguments: tuple[object, ...]) -> None:
        """Keep the machine code that Numba has made for `arguments`."""
        signature = tuple(self.dispatcher.typeof_pyval(argument) for argument in arguments)
        made = self.dispatcher.overloads.get(signature)
        objects = getattr(getattr(self.dispatcher._cache, "files", None), "object_code", None)
        # Numba has converted an argument, or keeps nothing itself, or uses a library that only it loads.
        if made is None or not objects or b"__svml" in objects:
            return
        constants = made.environment.consts
        if not all(isinstance(one, np.dtype) and one.names is None for one in constants):
            return
        entry, environment = made.fndesc.llvm_cpython_wrapper_name, made.fndesc.env_name
        code = Code(key, entry, environment, [one.str for one in constants], objects)
        write_sealed(path, code.to_bytes())


def _told_apart(values: tuple[Any, ...]) -> tuple[object, ...]:
    """Tell values apart at least as far as :func:`_kind` does, in a quarter of the time."""
    return tuple(
        [
            (value.dtype, value.ndim, value.flags.num)
            if (kind := type(value)) is np.ndarray
            else kind
            if kind is bool or kind is float or (kind is int and value in _INT64)
            else (kind, _told_apart(value))
            if isinstance(value, tuple)
            else _kind(value)
            for value in values
        ]
    )


def _kind(value: object) -> object:
    """Tell what Numba compiles for: the type of an argument, and how an array lies in memory; None: ask Numba."""
    kind = type(value)
    if isinstance(value, np.ndarray) and kind is np.ndarray and not value.dtype.hasobject and not value.dtype.names:
        flags = value.flags.num
        order = flags & 1 or flags & 2  # C, else Fortran's, else neither
        return value.dtype.str, value.ndim, order, flags & 0x500  # aligned, may be written to
    if kind in (bool, float) or (isinstance(value, int) and kind is int and value in _INT64):
        return kind.__name__
    if isinstance(value, tuple):
        kinds = tuple([_kind(element) for element in value])
        return None if None in kinds else (kind.__module__, kind.__qualname__, kinds)
    return value.dtype.str if isinstance(value, np.number | np.bool_) else None


@lru_cache(maxsize=1)
def _host() -> tuple[str, ...]:
    """Name what machine code depends on besides its source: versions, and the processor."""
    from llvmlite import binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    return (
        sys.version,
        installed_version("numba"),
        installed_version("llvmlite"),
        np.__version__,
        llvm.get_host_cpu_name(),
        features,
    )


def _read(path: Path, key: str) -> Code | None:
    """Read the machine code for a key; None if there is none, or that of another state of the source."""
    content = read_sealed(path)
    code = None if content is None else Code.from_bytes(content)
    return code if code is not None and code.key == key else None


def _shipped(name: str, kinds: tuple[object, ...], function: Callable[..., object]) -> Code | None:
    """Read the machine code that comes with zapsim, if it has some for this kernel."""
    from llvmlite import binding as llvm

    content = shipped_code(name, kinds, Path(function.__code__.co_filename), llvm.get_host_cpu_features())
    return None if content is None else Code.from_bytes(content)


def _linked(code: Code, function: Callable[..., object]) -> Callable[..., object]:
    """Put machine code into memory, and make a function of it that Python can call."""
    llvm, dynamic = _libraries()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.objects))
    engine.finalize_object()
    environment = dynamic.Environment(function.__globals__)
    environment.consts.extend(map(np.dtype, code.dtypes))
    ctypes.c_void_p.from_address(engine.get_global_value_address(code.environment)).value = id(environment)
    address, module = engine.get_function_address(code.entry), sys.modules[function.__module__]
    made = dynamic.make_function(module, function.__name__, function.__doc__ or "", address, environment, (engine,))
    return made  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _libraries() -> tuple[Any, Any]:
    """Tell LLVM where the functions are that machine code calls; return LLVM, and Numba's maker of functions."""
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    helpers, dynamic = _c_library("numba._helperlib"), _c_library("numba._dynfunc")
    memory = _c_library("numba.core.runtime._nrt_python")
    for library, prefix in ((helpers, "numba_"), (dynamic, "numba_"), (memory, "NRT_")):
        for name, address in library.c_helpers.items():
            llvm.add_symbol(name if prefix == "NRT_" and name.startswith("_") else prefix + name, address)
    for name, address in helpers.c_helpers.items():  # functions of the C library, where Python has not loaded them
        if not llvm.address_of_symbol(name):
            llvm.add_symbol(name, address)
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            llvm.add_symbol(f"PyExc_{name}", id(value))
    llvm.add_symbol("_Py_NoneStruct", id(None))
    llvm.add_symbol("numba_unpickle", ctypes.cast(_constant, ctypes.c_void_p).value)
    return llvm, dynamic


def _c_library(name: str) -> ModuleType:
    """Import a library of Numba that is written in C, without Numba; Numba finds it if it comes later."""
    if name not in sys.modules:
        numba = PathFinder.find_spec("numba")
        folder = Path(numba.origin).parent.joinpath(*name.split(".")[1:-1]) if numba and numba.origin else Path()
        spec = PathFinder.find_spec(name, [str(folder)])
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"{name} is not where it was", name=name)
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_NDARRAY = b"\x80\x04\x95\x15\0\0\0\0\0\0\0\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94."
"""How Numba writes the class of arrays into machine code that returns one."""


@ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
def _constant(address: int, length: int, digest: int) -> object:
    """Return a constant of machine code. Numba, which has to be imported for it, reads all but the class of arrays."""
    if ctypes.string_at(address, length) == _NDARRAY:
        return np.ndarray
    of_numba = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    return of_numba(_c_library("numba._helperlib").c_helpers["unpickle"])(address, length, digest)
