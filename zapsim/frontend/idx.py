"""Reading idx files (the format of MNIST), plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import FrontendError

_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 8
_HEADER_START = 4


def is_idx(path: Path) -> bool:
    """Return whether `path` is named like an idx file: ``...-ubyte`` or ``....idx``, with .gz or not."""
    name = path.name.removesuffix(".gz")
    return name.endswith((".idx", "-ubyte"))


def read_idx(path: Path, dims: int) -> NDArray[np.uint8]:
    """Return the uint8 array of `dims` dimensions that the file holds.

    Raises
    ------
    FrontendError
        If the file is missing, truncated, not idx, not of bytes or of another number of dimensions.
    """
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP_MAGIC):
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise FrontendError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FrontendError(f"{path}: cannot be read ({error})") from None
    if len(data) < _HEADER_START or data[:2] != b"\0\0":
        raise FrontendError(f"{path}: not an idx file")
    if data[2] != _UINT8 or data[3] != dims:
        raise FrontendError(f"{path}: expected bytes (type 8) in {dims} dimensions, got type {data[2]} in {data[3]}")
    start = _HEADER_START + 4 * dims
    if len(data) < start:
        raise FrontendError(f"{path}: an idx file that ends before its sizes do")
    shape = tuple(int(size) for size in np.frombuffer(data[_HEADER_START:start], dtype=">u4"))
    expected = start + int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise FrontendError(f"{path}: an idx file of {shape} has {expected} bytes, this one {len(data)}")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
