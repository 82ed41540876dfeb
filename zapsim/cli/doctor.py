"""``zapsim doctor``: what is installed, what is missing and for what, threads, caches and shipped files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zapsim.cli._arguments import Subparsers, add_command, check_outputs, write_output

_EPILOG = """\
examples:
  zapsim doctor
  python -m zapsim doctor      if the command zapsim is not found
  zapsim doctor --bundle report.json      to send with a report of a fault: no names, paths or files of yours

The exit code is 1 if zapsim cannot run as it is installed. Extras that are missing are no fault.
"""

_PURPOSES = {
    "frontend": "training predictors, tracing networks (train, trace, tune, adapt, eval)",
    "explore": "exploring designs, data frames (explore, pareto)",
    "report": "plots (--plot)",
    "demo": "example networks and their pictures",
    "onnx": "layers from ONNX files",
    "rtl": "simulating and synthesising rtl/",
    "test": "running the tests",
}
"""Extras that are worth a line, and what each is for."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that zapsim or one of its extras needs.

    Attributes
    ----------
    name
        As package indexes know it.
    needed
        The versions that will do, such as ``>=2.0``.
    version
        The installed version; None if there is none.
    fits
        Whether that version will do.
    """

    name: str
    needed: str
    version: str | None
    fits: bool

    def __str__(self) -> str:
        if self.version is None:
            return f"{self.name} (missing)"
        return f"{self.name} {self.version}" + ("" if self.fits else f" (needs {self.needed})")


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "doctor",
        "print versions, threads, caches, and which extras are missing",
        "Print what zapsim runs with: versions, threads, caches, shipped files; and what the missing extras are for.",
        _EPILOG,
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE",
        help="also write versions, system, threads and caches as JSON, without names and paths of yours",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the state of the installation; return 1 if it cannot run."""
    from importlib.metadata import PackageNotFoundError, metadata

    if args.bundle is not None:
        check_outputs((args.bundle,))
    faults: list[str] = []
    try:
        core = libraries(None)
        offered = metadata("zapsim").get_all("Provides-Extra") or ()
        extras = {extra: libraries(extra) for extra in _PURPOSES if extra in offered}
    except PackageNotFoundError:
        core, extras = [], {}
        faults.append("zapsim itself is not installed, only on the path: pip install zapsim")
    faults += [f"{library}: pip install '{library.name}{library.needed}'" for library in core if not library.fits]
    for name, value in (
        *_program(), ("libraries", ", ".join(map(str, core))), ("threads", _threads()), ("cache", _cache()),
        ("shipped", _shipped(faults)),
    ):  # fmt: skip
        print(f"{name:<10} {value}")
    for extra, needed in extras.items():
        wrong = [str(library) for library in needed if not library.fits]
        state = f"lacks {', '.join(wrong)}; pip install 'zapsim[{extra}]'" if wrong else "installed"
        print(f"{'extra':<10} {extra} ({_PURPOSES[extra]}): {state}")
    for fault in faults:
        print(f"zapsim: {fault}", file=sys.stderr)
    if args.bundle is not None:
        write_output(args.bundle, json.dumps(bundle(core, extras), indent=1) + "\n")
    return 1 if faults else 0


def bundle(core: Sequence[Library], extras: Mapping[str, Sequence[Library]]) -> dict[str, object]:
    """Collect what a report of a fault needs: no path, and no name of a user, a machine or a file.

    Parameters
    ----------
    core, extras
        What every installation needs, and what each extra needs, as :func:`libraries` lists them.
    """
    import platform

    import zapsim
    from zapsim.kernels._cache import cache_directory

    cache = cache_directory()
    return {
        "zapsim": zapsim.__version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "processor": platform.machine(),
        "encodings": {"stdout": sys.stdout.encoding, "files": sys.getfilesystemencoding()},
        "threads": _threads(),
        "compiled_kernels": sum(1 for _ in cache.rglob("*.nbc")) if cache.is_dir() else 0,
        "cache_can_be_written": os.access(cache, os.W_OK),
        "libraries": {library.name: library.version for library in core},
        "extras": {extra: {library.name: library.version for library in part} for extra, part in extras.items()},
    }


def libraries(extra: str | None) -> list[Library]:
    """List the libraries of an extra, also of the extras that it includes; None: what every installation needs.

    Raises
    ------
    PackageNotFoundError
        If zapsim is not installed.
    """
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    needed: dict[str, Library] = {}
    for text in requires("zapsim") or ():
        requirement = Requirement(text)
        of_extra = "extra" in str(requirement.marker)
        if of_extra != (extra is not None):
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra or ""}):
            continue
        if requirement.name == "zapsim":
            for inner in sorted(requirement.extras):
                needed.update({library.name: library for library in libraries(inner)})
            continue
        needed[requirement.name] = _library(requirement.name, str(requirement.specifier))
    return sorted(needed.values(), key=lambda library: library.name)


def _library(name: str, needed: str) -> Library:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.specifiers import SpecifierSet

    try:
        installed = version(name)
    except PackageNotFoundError:
        return Library(name, needed, None, fits=False)
    return Library(name, needed, installed, SpecifierSet(needed).contains(installed, prereleases=True))


def _program() -> Iterator[tuple[str, str]]:
    import platform

    import zapsim

    yield "zapsim", f"{zapsim.__version__} in {Path(zapsim.__file__).parent}"
    yield "python", f"{platform.python_version()} ({sys.executable}), {platform.platform()}"


def _threads() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    settings = [f"{name}={value}" for name in variables if (value := os.environ.get(name, "")).isdigit()]
    return f"{cores} cores can be used" + (f"; {', '.join(settings)}" if settings else "")


def _cache() -> str:
    """Describe the cache of compiled kernels."""
    from zapsim.kernels._cache import cache_directory

    place = cache_directory()
    held = f"{sum(1 for path in place.rglob('*.nbc'))} compiled kernels" if place.is_dir() else "empty"
    writable = place if place.is_dir() else next(parent for parent in place.parents if parent.exists())
    note = "" if os.access(writable, os.W_OK) else "; cannot be written, so that every run compiles the kernels again"
    return f"{place} ({held}{note})"


def _shipped(faults: list[str]) -> str:
    """Describe what came with zapsim; what is missing goes to `faults`."""
    from zapsim.errors import ZapsimError
    from zapsim.shipped import Folder, shipped_names, shipped_root

    counts = []
    folders: tuple[tuple[Folder, str, str], ...] = (
        ("arch_configs", ".yaml", "architectures"),
        ("validation", ".yaml", "validations"),
        ("traces", ".safetensors", "traces and predictors"),
        ("examples", ".yaml", "spaces"),
    )
    for folder, suffix, name in folders:
        try:
            counts.append(f"{len(shipped_names(folder, suffix))} {name}")
        except ZapsimError as error:
            faults.append(str(error))
    return f"{', '.join(counts) or 'nothing'} in {shipped_root()}"
