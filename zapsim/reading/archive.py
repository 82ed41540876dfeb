"""Arrays of npz files: member by member, of a stated size, without pickle, and never more than the archive declares."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ZapsimError, printable, shown
from zapsim.reading.regular_file import MIB, MOST_OF_ARRAYS, check_regular, os_fault

MOST_OF_MEMORY = 4 * 1024 * MIB
"""Bytes that the arrays of one file may take in memory."""

_LONGEST_HEADER = 10_000
_MOST_MEMBERS = 100_000
_KINDS = "biufU"


def open_archive(path: Path, kind: str, error: type[ZapsimError]) -> zipfile.ZipFile:
    """Open an npz file; `kind` is what it should hold, as messages say it.

    Raises
    ------
    ZapsimError
        Of class `error`: if it is no regular file, no zip archive, or has two members of one name.
    """
    check_regular(path, MOST_OF_ARRAYS, kind, error)
    try:
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
    except Exception as fault:  # zipfile raises what struct, zlib and codecs do
        raise error(f"{printable(str(path))}: not an npz file of plain arrays ({os_fault(fault)})") from None
    if len(names) > _MOST_MEMBERS or len(set(names)) < len(names):
        raise error(f"{printable(str(path))}: not an npz file of plain arrays (two arrays have one name)")
    return archive


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, whether columns come first, and type of an array in numpy's format.

    Raises
    ------
    ValueError
        If it is none, of an unknown version, or of a type that is not plain numbers or text.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in {(1, 0), (2, 0)}:
            raise ValueError(f"version {version[0]}.{version[1]} of numpy's format is not read")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=_LONGEST_HEADER)
    except Exception as fault:  # numpy parses headers as Python text, with whatever that raises (SyntaxError, ...)
        raise ValueError(os_fault(fault)) from None
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise ValueError(f"an array of type {dtype} is not read")
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"{shown(str(shape))} is not the shape of an array")
    return tuple(shape), bool(fortran), dtype


def read_arrays(path: Path, wanted: Collection[str], kind: str, error: type[ZapsimError]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz file that have one of the `wanted` names.

    Raises
    ------
    ZapsimError
        Of class `error`: as :func:`open_archive`; if an array is damaged, is not of plain numbers or text, has another
        size than its header says, or would take more than :data:`MOST_OF_MEMORY`.
    """
    arrays: dict[str, NDArray[Any]] = {}
    with open_archive(path, kind, error) as archive:
        left = MOST_OF_MEMORY
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name not in wanted:
                continue
            try:
                arrays[name] = _array(archive, member, left)
            except Exception as fault:  # damaged archives raise what zlib, struct and numpy do
                where = f"{printable(str(path))}: array {shown(name)}"
                raise error(f"{where}: not an npz file of plain arrays ({os_fault(fault)})") from None
            left -= arrays[name].nbytes
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> NDArray[Any]:
    with archive.open(member) as stream:
        shape, fortran, dtype = read_header(stream)
        size = prod(shape) * dtype.itemsize
        if stream.tell() + size != member.file_size:
            raise ValueError(
                f"{shape} of {dtype} takes {size:,} bytes, the file has {member.file_size - stream.tell():,}"
            )
        if size > most:
            raise ValueError(f"{shape} of {dtype} takes {size:,} bytes, at most {most:,} are read")
        data = stream.read(size + 1)
        if len(data) != size:
            raise ValueError("the array is cut short")
    values = np.frombuffer(data, dtype=dtype) if size else np.zeros(0, dtype=dtype)
    return values.reshape(shape, order="F" if fortran else "C")
