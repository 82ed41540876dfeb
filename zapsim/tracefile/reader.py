"""Reading traces: a file is checked before memory is taken, maps are read one at a time, and nothing is executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from zapsim.errors import TraceError, WorkloadError, did_you_mean
from zapsim.reading.json_text import parse_json
from zapsim.reading.tensor_file import open_tensors
from zapsim.shipped import find_file, shipped_names
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import (
    FORMAT_VERSION,
    LayerTrace,
    MapKind,
    OperatingPoint,
    TraceHeader,
    map_kinds,
    tensor_name,
)
from zapsim.tracefile.writer import DIGEST_KEY, METADATA_KEY, text_digest

TRACE_SUFFIX = ".safetensors"


class Trace:
    """An open trace file; each map is read, and its digest checked, when it is used.

    Parameters
    ----------
    path
        The file, or the name of a shipped one (``digits_cnn``). A file wins.

    Raises
    ------
    TraceError
        If the file is missing, truncated, of another format or version, or does not match its own header.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = find_trace(path)
        self._file = open_tensors(self.path, "numpy", "trace", TraceError)
        self.header = self._read_header()
        self._check_tensors()
        self._bytes, self._entries = _memory_map(self.path)

    def _read_header(self) -> TraceHeader:
        metadata = self._file.metadata() or {}
        text = metadata.get(METADATA_KEY)
        if text is None:
            raise TraceError(f"{self.path}: a safetensors file, but not a zapsim trace (no '{METADATA_KEY}' metadata)")
        try:
            header = TraceHeader.model_validate_json(text)
            parse_json(text)  # what the model leaves open: the provenance's texts, numbers and depth
        except ValidationError as error:
            first = error.errors()[0]
            path_in_header = ".".join(str(part) for part in first["loc"]) or "header"
            hint = f" (this zapsim reads versions 1 to {FORMAT_VERSION})" if path_in_header == "version" else ""
            fault = first["msg"].removeprefix("Value error, ")
            raise TraceError(f"{self.path}: {path_in_header}: {fault}{hint}") from None
        except (WorkloadError, ValueError) as error:
            raise TraceError(f"{self.path}: {error}") from None
        if metadata.get(DIGEST_KEY) != text_digest(text):
            raise TraceError(f"{self.path}: the header does not match its digest: the file was damaged or changed")
        return header

    def _check_tensors(self) -> None:
        expected = dict(self.header.tensors())
        if differing := sorted(set(self._file.keys()) ^ set(expected)):
            name = differing[0]
            state = "is missing" if name in expected else "does not belong to any layer of the header"
            raise TraceError(f"{self.path}: map {name} {state}")
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
        """SHA-256 that identifies the header and the maps."""
        return self.header.hash

    def operating_point(self, name: str | None = None) -> OperatingPoint:
        """Look up an operating point by name (None: the first)."""
        points = {point.name: point for point in self.header.operating_points}
        if name is None:
            return self.header.operating_points[0]
        if name not in points:
            hint = did_you_mean(name, points)
            raise TraceError(f"{self.path}: no operating point '{name}'{hint}; it has: {', '.join(points)}")
        return points[name]

    def image_indices(self, images: Sequence[int] | None = None) -> Sequence[int]:
        """Check the indices of images against the file; None stands for all images."""
        count = len(self.header.images)
        if images is None:
            return range(count)
        if not images:
            raise TraceError(f"{self.path}: no image is chosen; it holds 0 to {count - 1}")
        missing = [index for index in images if not 0 <= index < count]
        if missing:
            raise TraceError(f"{self.path}: no image {missing[0]}; it holds 0 to {count - 1}")
        return images

    def layers(self, point: str | None = None, images: Sequence[int] | None = None) -> Iterator[LayerTrace]:
        """Yield each layer's maps of `images` (indices; None: all) at operating point `point` (None: the first).

        At a point with an order of filters, maps have their channels in that order.
        """
        chosen = self.operating_point(point)
        owner = chosen.maps or chosen.name
        indices = self.image_indices(images)
        for layer in self.header.layers:
            kinds = map_kinds(layer, chosen)
            name = layer.shape.name
            maps: dict[str, Any] = {
                kind: PackedMap.stack([self._read(owner, image, name, kind) for image in indices]) for kind in kinds
            }
            for value in self.header.values if layer.relu else ():
                maps[value] = np.stack([self._tensor(tensor_name(owner, image, name, value)) for image in indices])
            if chosen.order is not None:
                maps = _in_order(maps, chosen.order.filters_of(name), chosen.order.channels_of(name))
            shape = layer.shape.batch(len(indices))
            try:
                yield LayerTrace(shape=shape, setting=chosen.predictors.get(name), **maps)
            except TraceError as error:
                raise TraceError(f"{self.path}: {error}") from None

    def _read(self, point: str, image: int, layer: str, kind: MapKind) -> PackedMap:
        name = tensor_name(point, image, layer, kind)
        shape = next(traced.shape for traced in self.header.layers if traced.shape.name == layer)
        bits = self._tensor(name)[np.newaxis]
        try:
            return PackedMap(bits, shape.C if kind == "ifmap_nonzero" else shape.K)
        except TraceError as error:
            raise TraceError(f"{self.path}: map {name}: {error}") from None

    def _tensor(self, name: str) -> NDArray[Any]:
        """View one tensor of the memory-mapped file, without a copy, and check its digest."""
        entry = self._entries.get(name)
        if entry is None:
            raise TraceError(f"{self.path}: no map {name}")
        start, end = entry["data_offsets"]
        raw = self._bytes[start:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        values = np.require(raw, requirements=("C", "A"))  # copies only data that are not aligned
        if hashlib.sha256(values.data).hexdigest() != self.header.digests.get(name):
            raise TraceError(f"{self.path}: map {name} does not match its digest: the file was damaged or changed")
        return values


def _in_order(
    maps: dict[str, Any], filters: NDArray[np.intp] | None, channels: NDArray[np.intp] | None
) -> dict[str, Any]:
    """Permute a layer's maps: channels of its ifmap, filters of all others."""
    ordered: dict[str, Any] = {}
    for kind, values in maps.items():
        order = channels if kind == "ifmap_nonzero" else filters
        if isinstance(values, PackedMap):
            ordered[kind] = values.permuted(order)
        else:
            ordered[kind] = values if order is None else np.take(values, order, axis=-1)
    return ordered


def find_trace(name_or_path: str | Path, beside: Path | None = None) -> Path:
    """Find the file that a path (relative to `beside`, if given) or the name of a shipped trace means; a file wins.

    Raises
    ------
    TraceError
        If there is none; for a bare name, the message lists the shipped ones.
    """
    path = find_file(name_or_path, "traces", TRACE_SUFFIX, beside)
    if path is not None:
        return path
    wanted = Path(name_or_path)
    if wanted.parent != Path():
        raise TraceError(f"{wanted}: no such trace file")
    known = [name for name in shipped_names("traces", TRACE_SUFFIX) if not name.endswith(".zap")]
    hint = did_you_mean(wanted.name.removesuffix(TRACE_SUFFIX), known)
    raise TraceError(f"{wanted}: no such trace file{hint}; shipped: {', '.join(known)}")


_DTYPES = {"U8": "u1", "U16": "<u2", "U32": "<u4"}


def _memory_map(path: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Map the data of a safetensors file into memory; return them and each tensor's entry (dtype, shape, offsets).

    Processes that read the same file share its pages. The mapping is private, so that the file cannot be changed by it.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(length))
    whole = np.asarray(np.memmap(path, dtype=np.uint8, mode="c"))
    return whole[8 + length :], entries
