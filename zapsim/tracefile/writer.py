"""Writing traces: one safetensors file, filled map by map, so that memory does not grow with the images."""

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
from zapsim.files import is_special, remove_leftovers, replace_durably, target_and_partial
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import ExitCounts, MapKind, TraceHeader, ValueKind, tensor_name

METADATA_KEY = "zapsim_trace"
DIGEST_KEY = "zapsim_trace_sha256"
"""Key of the header's SHA-256, which reveals a threshold that was changed by hand."""
_UNWRITTEN = "0" * 64
_NUMPY: dict[str, np.dtype[Any]] = {"U8": np.dtype("<u1"), "U16": np.dtype("<u2"), "U32": np.dtype("<u4")}


def text_digest(header_json: str) -> str:
    """Compute the SHA-256 of the header as it stands in the file."""
    return hashlib.sha256(header_json.encode()).hexdigest()


class TraceWriter:
    """Context manager that writes the maps of `header` to `path`, atomically.

    The place of every map is fixed at the start; maps may come in any order, each exactly once. The file gets its name
    only after the last map. If the block raises, no file is left.

    Parameters
    ----------
    path
        File to write.
    header
        The header of the file, which says what maps it holds.
    spare_bytes
        Bytes kept free for a longer header, see :meth:`revise`.

    Raises
    ------
    TraceError
        If a map is unknown, is written twice or has another shape or type, or if maps are missing at the end.
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
        self._target, self._partial = target_and_partial(self.path)
        with self._writing():
            self._target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self._target.parent)
            self._file = self._partial.open("wb+")
        # The header's length is rounded up to a multiple of 8, so that the maps are aligned.
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
        """Write the map of one image; `packed` holds exactly one image."""
        self._write(tensor_name(point, image, layer, kind), packed.bits)

    def write_values(self, point: str, image: int, layer: str, kind: ValueKind, values: ExitCounts) -> None:
        """Write the counts of one image's outputs: (1, P, Q, K), of the type that the header gives."""
        self._write(tensor_name(point, image, layer, kind), values)

    def revise(self, header: TraceHeader) -> None:
        """Replace the header by one with the same maps, for what is known only after the maps are made.

        Raises
        ------
        TraceError
            If it names other maps, or needs more than the spare bytes.
        """
        if dict(header.tensors()) != self._shapes or header.dtypes() != self._dtypes:
            raise TraceError(f"{self.path}: the revised header has other maps")
        revised = header.model_copy(update={"digests": self._header.digests})
        if len(self._preamble(revised, 0)) > self._data_start:
            raise TraceError(f"{self.path}: the revised header needs more than {self._spare_bytes} spare bytes")
        self._header = revised

    def _write(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._shapes or name in self._digests:
            state = "was already written" if name in self._digests else "is not in the trace's header"
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
        """Turn an error of the file system into one line."""
        try:
            yield
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be written ({error.strerror})") from None

    def _discard(self) -> None:
        """Remove the partial file; after `_finish` there is none."""
        with suppress(OSError):  # closing flushes the buffer, perhaps to a full disk
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _finish(self) -> None:
        missing = [name for name in self._shapes if name not in self._digests]
        if missing:
            raise TraceError(f"{self.path}: {len(missing)} maps were not written, the first is {missing[0]}")
        digests = {name: self._digests[name] for name in self._shapes}
        with self._writing():
            self._file.seek(0)
            # The digests are known now, and as long as the zeros that stood in their place.
            header = self._header.model_copy(update={"digests": digests})
            self._file.write(self._preamble(header, self._data_start))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            replace_durably(self._partial, self._target)

    def _preamble(self, header: TraceHeader, size: int) -> bytes:
        """Encode the safetensors header: its length (8 bytes, little endian), then its JSON; at least `size` bytes."""
        header_json = header.model_dump_json()
        entries: dict[str, object] = {"__metadata__": {METADATA_KEY: header_json, DIGEST_KEY: text_digest(header_json)}}
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
