"""Masks that were made elsewhere, by any other predictor: one array of booleans a layer, True = computed.

A file is an npz (``numpy.savez`` or ``savez_compressed``) with an array (images, K, P, Q) under the name of each layer,
or (images, K) where the layer has a map of 1×1. It is read without pickle, one image of one layer at a time, so that
memory grows neither with the images nor with the layers.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from zapsim.errors import FrontendError, did_you_mean, printable, shown
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.patterns import NO_PATTERN
from zapsim.reading.archive import open_archive, read_header
from zapsim.reading.regular_file import MOST_OF_ARRAYS, check_regular, os_fault
from zapsim.tracefile.predictor_work import GIVEN_WORK
from zapsim.tracefile.records import GIVEN, OperatingPoint, PredictorSetting

MasksInput: TypeAlias = "str | Path | Mapping[str, NDArray[np.bool_] | torch.Tensor]"
"""An npz file, or arrays by layer."""

POINT = "masks"
"""Name of the operating point at which a network runs with masks from elsewhere."""


class GivenMasks:
    """Context manager that holds the masks of the traced images.

    Parameters
    ----------
    masks
        An npz file, or arrays by layer.

    Raises
    ------
    FrontendError
        If the file is none, or holds something else than arrays of booleans.
    """

    def __init__(self, masks: MasksInput) -> None:
        self._layers: Mapping[str, _Array | _NpzArray]
        if isinstance(masks, (str, Path)):
            path = Path(masks)
            self.source, self.sha256 = printable(path.name), _file_sha256(path)
            self._layers = _open_npz(path)
        else:
            self.source, self.sha256 = "arrays", ""
            self._layers = {name: _Array(name, values) for name, values in masks.items()}
        if not self._layers:
            raise FrontendError(f"{self.source}: holds no mask, expected an array for each layer that is predicted")

    def __enter__(self) -> GivenMasks:
        return self

    def __exit__(self, *_: object) -> None:
        for layer in self._layers.values():
            layer.close()

    def check(self, graph: Graph, images: int) -> None:
        """Make sure that the masks are those of a network's layers and of so many images.

        Raises
        ------
        FrontendError
            If a layer is unknown, has no ReLU that may take its outputs, or a mask of another shape.
        """
        names = [site.name for site in graph.sites]
        for name, array in self._layers.items():
            if name not in names:
                others = [layer.name for layer in graph.unsimulated]
                hint = " (it is not simulated)" if name in others else did_you_mean(name, names)
                raise FrontendError(f"{self.source}: no layer {shown(name)}{hint}; layers: {', '.join(names)}")
            site = graph.site(name)
            if site.output_call is None:
                why = site.unpredicted or "no ReLU behind it"
                raise FrontendError(f"{self.source}: layer {name}: none of its outputs can be left out ({why})")
            dims = (images, site.shape.K, site.shape.P, site.shape.Q)
            flat = dims[:2] if dims[2:] == (1, 1) else dims
            if array.shape not in (dims, flat):
                raise FrontendError(
                    f"{self.source}: layer {name}: the mask must be {dims} (images, K, P, Q), got {array.shape}"
                )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that have a mask."""
        return tuple(self._layers)

    @property
    def point(self) -> OperatingPoint:
        """The operating point at which these masks say what is computed."""
        setting = PredictorSetting(pattern=NO_PATTERN, threshold=0.0, method=GIVEN, work=GIVEN_WORK)
        return OperatingPoint(name=POINT, predictors=dict.fromkeys(self._layers, setting))

    def image(self, site: ConvSite, index: int, like: torch.Tensor) -> torch.Tensor:
        """Return the mask of one image: bool (1, K, P, Q), on the device of `like`.

        Raises
        ------
        FrontendError
            If the file is damaged.
        """
        values = self._layers[site.name].image(index)
        dims = (1, site.shape.K, site.shape.P, site.shape.Q)
        return torch.from_numpy(values.reshape(dims)).to(like.device)


class _Array:
    """A mask in memory."""

    def __init__(self, name: str, values: Any) -> None:
        self._values = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
        self.shape = tuple(self._values.shape)
        _check_bool("masks", name, self._values.dtype)

    def image(self, index: int) -> NDArray[np.bool_]:
        return np.array(self._values[index])

    def close(self) -> None:
        """Nothing is open."""


class _NpzArray:
    """A mask in an npz file, of which one image after another is read."""

    def __init__(self, archive: zipfile.ZipFile, member: str, where: str) -> None:
        self._archive, self._member, self._where = archive, member, where
        self._stream: IO[bytes] | None = None
        self._next = 0
        name = member.removesuffix(".npy")
        with archive.open(member) as stream:
            self.shape, fortran, dtype = read_header(stream)
            start = stream.tell()
        _check_bool(where, name, dtype)
        if fortran:
            raise FrontendError(
                f"{where}: layer {shown(name)}: columns come first; store numpy.ascontiguousarray(mask)"
            )
        expected = start + int(np.prod(self.shape, dtype=object))
        if archive.getinfo(member).file_size != expected:
            raise FrontendError(
                f"{where}: layer {shown(name)}: a mask of {self.shape} has {expected} bytes in the file"
            )

    def image(self, index: int) -> NDArray[np.bool_]:
        size = int(np.prod(self.shape[1:], dtype=object))
        try:
            if self._stream is None or index < self._next:
                self.close()
                self._stream = self._archive.open(self._member)
                read_header(self._stream)
                self._next = 0
            while self._next < index:
                self._stream.read(size)
                self._next += 1
            data = self._stream.read(size)
        except Exception as error:  # damaged archives raise what zlib, struct and codecs do
            raise FrontendError(f"{self._where}: damaged at {shown(self._member)} ({os_fault(error)})") from None
        self._next += 1
        values = np.frombuffer(data, dtype=np.uint8)
        if len(values) < size or (size and values.max() > 1):
            raise FrontendError(f"{self._where}: damaged at {shown(self._member)} (no array of booleans)")
        return values.astype(np.bool_)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _open_npz(path: Path) -> dict[str, _NpzArray]:
    archive = open_archive(path, "masks", FrontendError)
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    try:
        return {name.removesuffix(".npy"): _NpzArray(archive, name, printable(path.name)) for name in members}
    except FrontendError:
        raise
    except Exception as error:  # damaged archives raise what zlib, struct and codecs do
        raise FrontendError(f"{printable(str(path))}: not an npz file of plain arrays ({os_fault(error)})") from None


def _check_bool(where: str, name: str, dtype: np.dtype[Any]) -> None:
    if dtype != np.bool_:
        raise FrontendError(f"{where}: layer {shown(name)}: a mask must be bool (True = computed), got {dtype}")


def _file_sha256(path: Path) -> str:
    check_regular(path, MOST_OF_ARRAYS, "masks", FrontendError)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FrontendError(f"{path}: cannot be read ({error.strerror})") from None
