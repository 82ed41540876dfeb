"""Collecting images of one shape without keeping many in memory."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

IN_MEMORY_BYTES = 256 * 2**20
"""What is kept in memory; larger sets go to a temporary file without a name, which the system maps in as needed."""


class ImageStore:
    """Takes arrays of one shape and type one by one, and gives them back as one array."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._limit = in_memory_bytes
        self._kept: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, image: NDArray[Any]) -> None:
        """Take one image."""
        self._count += 1
        if self._file is None:
            self._kept.append(image)
            if self._count * image.nbytes > self._limit:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (`array` closes it)
                for one in self._kept:
                    self._file.write(one.tobytes())
                del self._kept[1:]
        else:
            self._file.write(image.tobytes())

    def array(self) -> NDArray[Any]:
        """Return all images (images, ...) and take no more; there must be one at least."""
        if self._file is None:
            return np.stack(self._kept)
        first = self._kept[0]
        with self._file as file:  # what is mapped in outlives the file object
            file.flush()
            return np.memmap(file, dtype=first.dtype, mode="r", shape=(self._count, *first.shape))
