"""Reading a trace: checked before memory is taken, one map at a time, nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from zapsim.errors import TraceError, WorkloadError, did_you_mean
from zapsim.tracefile.model import (
    FORMAT_VERSION,
    LayerTrace,
    MapKind,
    OperatingPoint,
    TraceHeader,
    map_kinds,
    tensor_name,
)
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.writer import DIGEST_KEY, METADATA_KEY, text_digest


class Trace:
    """An opened trace file; maps are read (and their digests checked) when they are asked for.

    Raises
    ------
    TraceError
        If the file is missing, truncated, of another format or version, or disagrees with its own header.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise TraceError(f"{self.path}: no such trace file")
        if not os.access(self.path, os.R_OK):  # the reader would say that there is none
            raise TraceError(f"{self.path}: cannot be read (Permission denied)")
        try:
            self._file = safe_open(self.path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise TraceError(f"{self.path}: not a whole safetensors file ({error})") from None
        self.header = self._read_header()
        self._check_tensors()
        self._bytes, self._places = _mapped(self.path)

    def _read_header(self) -> TraceHeader:
        metadata = self._file.metadata() or {}
        text = metadata.get(METADATA_KEY)
        if text is None:
            raise TraceError(f"{self.path}: a safetensors file, but not a zapsim trace (no '{METADATA_KEY}' metadata)")
        try:
            header = TraceHeader.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "header"
            hint = f" (this zapsim reads version {FORMAT_VERSION})" if where == "version" else ""
            fault = first["msg"].removeprefix("Value error, ")
            raise TraceError(f"{self.path}: {where}: {fault}{hint}") from None
        except WorkloadError as error:
            raise TraceError(f"{self.path}: {error}") from None
        if metadata.get(DIGEST_KEY) != text_digest(text):
            raise TraceError(f"{self.path}: the header does not match its digest: the file was damaged or changed")
        return header

    def _check_tensors(self) -> None:
        expected = dict(self.header.tensors())
        found = set(self._file.keys())
        if found != set(expected):
            odd = sorted(found ^ set(expected))[0]
            state = "is missing" if odd in expected else "does not belong to any layer of the header"
            raise TraceError(f"{self.path}: map {odd} {state}")
        dtypes = self.header.dtypes()
        for name, shape in expected.items():
            view = self._file.get_slice(name)
            if view.get_dtype() != dtypes[name] or tuple(view.get_shape()) != shape:
                raise TraceError(
                    f"{self.path}: map {name} must be {dtypes[name]} {shape} by its layer's shape, "
                    f"got {view.get_dtype()} {tuple(view.get_shape())}"
                )

    @property
    def hash(self) -> str:
        """SHA-256 that identifies header and maps."""
        return self.header.hash

    def operating_point(self, name: str | None = None) -> OperatingPoint:
        """Return the operating point of that name (None: the first)."""
        points = {point.name: point for point in self.header.operating_points}
        if name is None:
            return self.header.operating_points[0]
        if name not in points:
            hint = did_you_mean(name, points)
            raise TraceError(f"{self.path}: no operating point '{name}'{hint}; it has: {', '.join(points)}")
        return points[name]

    def image_indices(self, images: Sequence[int] | None = None) -> Sequence[int]:
        """Return `images` (None: the indices of all), checked against what the file holds."""
        held = len(self.header.images)
        if images is None:
            return range(held)
        wrong = [index for index in images if not 0 <= index < held]
        if wrong or not images:
            found = wrong[0] if wrong else "(none chosen)"
            raise TraceError(f"{self.path}: no image {found}; it holds 0 to {held - 1}")
        return images

    def layers(self, point: str | None = None, images: Sequence[int] | None = None) -> Iterator[LayerTrace]:
        """Yield each layer's maps over `images` (indices; None: all of them) at operating point `point`."""
        chosen = self.operating_point(point)
        indices = self.image_indices(images)
        for layer in self.header.layers:
            kinds = map_kinds(layer, chosen)
            name = layer.shape.name
            maps: dict[str, Any] = {
                kind: PackedMap.stack([self._read(chosen.name, image, name, kind) for image in indices])
                for kind in kinds
            }
            for value in self.header.values if layer.relu else ():
                maps[value] = np.stack(
                    [self._tensor(tensor_name(chosen.name, image, name, value)) for image in indices]
                )
            shape = layer.shape.batch(len(indices))
            try:
                yield LayerTrace(shape=shape, setting=chosen.predictors.get(name), **maps)
            except TraceError as error:
                raise TraceError(f"{self.path}: {error}") from None

    def _read(self, point: str, image: int, layer: str, kind: MapKind) -> PackedMap:
        name = tensor_name(point, image, layer, kind)
        shape = next(one.shape for one in self.header.layers if one.shape.name == layer)
        bits = self._tensor(name)[np.newaxis]
        try:
            return PackedMap(bits, shape.C if kind == "ifmap_nonzero" else shape.K)
        except TraceError as error:
            raise TraceError(f"{self.path}: map {name}: {error}") from None

    def _tensor(self, name: str) -> NDArray[Any]:
        """Return one tensor of the file, with its digest checked; not a copy: the file is mapped into memory."""
        place = self._places.get(name)
        if place is None:
            raise TraceError(f"{self.path}: no map {name}")
        start, end = place["data_offsets"]
        raw = self._bytes[start:end].view(_DTYPES[place["dtype"]]).reshape(place["shape"])
        values = np.require(raw, requirements=("C", "A"))
        if hashlib.sha256(values.data).hexdigest() != self.header.digests.get(name):
            raise TraceError(f"{self.path}: map {name} does not match its digest: the file was damaged or changed")
        return values


_DTYPES = {"U8": "u1", "U16": "<u2", "U32": "<u4"}


def _mapped(path: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return the data of a safetensors file, mapped into memory, and the place of each tensor in it.

    Processes that read the same file share its pages. The mapping is private: nothing can be written to the file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        places = json.loads(file.read(length))
    whole = np.asarray(np.memmap(path, dtype=np.uint8, mode="c"))
    return whole[8 + length :], places
