"""Writing a trace: one safetensors file, filled map by map, so that memory does not grow with the images."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import TraceError
from zapsim.files import is_special, places
from zapsim.tracefile.model import ExitCounts, MapKind, TraceHeader, ValueKind, tensor_name
from zapsim.tracefile.packed import PackedMap

METADATA_KEY = "zapsim_trace"
DIGEST_KEY = "zapsim_trace_sha256"
"""Metadata beside the header: its SHA-256, so that a changed threshold does not go unseen."""
_UNWRITTEN = "0" * 64
_NUMPY: dict[str, np.dtype[Any]] = {"U8": np.dtype("<u1"), "U16": np.dtype("<u2"), "U32": np.dtype("<u4")}


def text_digest(header_json: str) -> str:
    """Return the SHA-256 of the header as it stands in the file."""
    return hashlib.sha256(header_json.encode()).hexdigest()


class TraceWriter:
    """Context manager that writes the maps of `header` to `path`, atomically.

    Space for every map is laid out at once; maps may come in any order, each exactly once. The file appears under
    its name only after the last map; if the block raises, nothing is left.

    Parameters
    ----------
    path
        File to write.
    header
        What the file says and which maps it holds.
    spare_bytes
        Room for a header that becomes longer by :meth:`revise`.

    Raises
    ------
    TraceError
        For an unknown or repeated map, one of another shape, or if maps are missing at the end.
    """

    def __init__(self, path: str | Path, header: TraceHeader, spare_bytes: int = 0) -> None:
        self._spare_bytes = spare_bytes
        self.path = Path(path)
        self._shapes = dict(header.tensors())
        self._header = header.model_copy(update={"digests": dict.fromkeys(self._shapes, _UNWRITTEN)})
        self._dtypes = header.dtypes()
        self._digests: dict[str, str] = {}
        sizes = np.array([self._bytes(name) for name in self._shapes], dtype=np.int64)
        ends = np.cumsum(sizes)
        self._offsets = dict(zip(self._shapes, (ends - sizes).tolist(), strict=True))
        self._size = int(ends[-1])

    def __enter__(self) -> Self:
        if not self.path.name:
            raise TraceError(f"{self.path}: cannot be written (not the name of a file)")
        if is_special(self.path):
            raise TraceError(f"{self.path}: cannot be written (not a regular file)")
        self._target, self._partial = places(self.path)
        with self._writing():
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb+")
        # A header's length is a multiple of 8, so that the maps are aligned.
        self._data_start = len(self._preamble(self._header, 0)) + -(-self._spare_bytes // 8) * 8
        preamble = self._preamble(self._header, self._data_start)
        try:
            with self._writing():
                self._file.write(preamble)
                self._file.truncate(self._data_start + self._size)
        except TraceError:
            self._discard()
            raise
        return self

    def write(self, point: str, image: int, layer: str, kind: MapKind, packed: PackedMap) -> None:
        """Write the map of one image (`packed` holds exactly one)."""
        self._write(tensor_name(point, image, layer, kind), packed.bits)

    def write_values(self, point: str, image: int, layer: str, kind: ValueKind, values: ExitCounts) -> None:
        """Write what one image's values say of each output: `values` (1, P, Q, K) of the header's type."""
        self._write(tensor_name(point, image, layer, kind), values)

    def revise(self, header: TraceHeader) -> None:
        """Take another header, with the same maps: what was only known when they were made.

        Raises
        ------
        TraceError
            If it announces other maps, or is longer than the room that was left for it.
        """
        if dict(header.tensors()) != self._shapes or header.dtypes() != self._dtypes:
            raise TraceError(f"{self.path}: the revised header has other maps")
        revised = header.model_copy(update={"digests": self._header.digests})
        if len(self._preamble(revised, 0)) > self._data_start:
            raise TraceError(f"{self.path}: the revised header needs more than {self._spare_bytes} spare bytes")
        self._header = revised

    def _write(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._shapes or name in self._digests:
            state = "was written before" if name in self._digests else "is not in the trace's header"
            raise TraceError(f"{self.path}: map {name} {state}")
        expected = (1, *self._shapes[name])
        if values.shape != expected:
            raise TraceError(f"{self.path}: map {name} must be {expected}, got {values.shape}")
        if values.dtype != _NUMPY[self._dtypes[name]]:
            raise TraceError(f"{self.path}: map {name} must be {_NUMPY[self._dtypes[name]]}, got {values.dtype}")
        data = values.tobytes()
        with self._writing():
            self._file.seek(self._data_start + self._offsets[name])
            self._file.write(data)
        self._digests[name] = hashlib.sha256(data).hexdigest()

    def _bytes(self, name: str) -> int:
        return prod(self._shapes[name]) * _NUMPY[self._dtypes[name]].itemsize

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in one line why the file system refuses."""
        try:
            yield
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be written ({error.strerror})") from None

    def _discard(self) -> None:
        """Remove what is not finished; after `_finish` nothing is left of it."""
        with suppress(OSError):  # closing writes what is buffered, perhaps to a full disk
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _finish(self) -> None:
        missing = [name for name in self._shapes if name not in self._digests]
        if missing:
            raise TraceError(f"{self.path}: {len(missing)} maps were never written, the first is {missing[0]}")
        digests = {name: self._digests[name] for name in self._shapes}
        with self._writing():
            self._file.seek(0)
            header = self._header.model_copy(update={"digests": digests})
            self._file.write(self._preamble(header, self._data_start))
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self._partial, self._target)

    def _preamble(self, header: TraceHeader, size: int) -> bytes:
        """Return the safetensors header: its length (8 bytes, little endian) and JSON, padded to `size` at least."""
        said = header.model_dump_json()
        entries: dict[str, object] = {"__metadata__": {METADATA_KEY: said, DIGEST_KEY: text_digest(said)}}
        for name, shape in self._shapes.items():
            start = self._offsets[name]
            entries[name] = {
                "dtype": self._dtypes[name],
                "shape": shape,
                "data_offsets": [start, start + self._bytes(name)],
            }
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * max(-len(text) % 8, size - 8 - len(text))
        return len(text).to_bytes(8, "little") + text
