"""Machine code that comes with zapsim: a first run need not compile what most runs need.

It lies in an archive, a member for each kernel and kind of arguments, which ``make kernels`` makes. It serves Linux on
processors of the level x86-64-v3 (of 2013 and later), and only as long as the source is that which it was made of;
else Numba compiles.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

ARCHIVE = Path(__file__).with_name("machine_code.zip")

PROCESSOR = "x86-64-v3"
"""What the machine code is for, as LLVM calls it."""

FEATURES = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt")
"""What that takes of a processor, as LLVM calls it."""

PYTHONS = ((3, 11), (3, 12), (3, 13))
"""Versions in which the machine code has been run."""


def shipped_code(name: str, kinds: tuple[object, ...], source: Path, processor: dict[str, bool]) -> bytes | None:
    """Return the machine code of a kernel; None if there is none for this machine, these arguments and this source.

    Parameters
    ----------
    name, kinds
        The kernel, and the kinds of its arguments.
    source
        Its file.
    processor
        Features of this machine's processor.
    """
    archive = _archive()
    if archive is None or not all(map(processor.get, FEATURES)):
        return None
    try:
        return archive.read(member(name, kinds, source))
    except KeyError:
        return None


def member(name: str, kinds: tuple[object, ...], source: Path) -> str:
    """Name the member of the archive that holds the machine code of a kernel for the present source."""
    place = hashlib.sha256(repr((name, kinds, _digest(source))).encode()).hexdigest()
    return f"{name}-{place[:32]}"


@lru_cache(maxsize=1)
def _archive() -> ZipFile | None:
    """Open the archive, where it can be used."""
    here = sys.platform, platform.machine(), sys.version_info[:2], sys.abiflags
    if here not in {("linux", "x86_64", version, "") for version in PYTHONS}:
        return None
    try:
        return ZipFile(ARCHIVE)
    except (OSError, BadZipFile):
        return None


@lru_cache(maxsize=64)
def _digest(source: Path) -> str:
    """Digest all source that the machine code of a kernel depends on: its file, and what kernels share."""
    shared = [path for path in sorted(Path(__file__).parent.glob("*.py")) if not path.name.startswith("_")]
    files = dict.fromkeys([source, *shared, Path(__file__).with_name("_compiler.py")])
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
