"""Image sets from arrays: idx files (the format of MNIST), npz files, and any torch ``Dataset``."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from zapsim.errors import FrontendError, printable
from zapsim.frontend.data.image_set import ImageSet, ImageStore
from zapsim.frontend.data.photographs import photograph_digest, subject_digest
from zapsim.frontend.data.pixels import to_8_bits
from zapsim.frontend.data.preprocessing import Preprocessing, centre_crop
from zapsim.reading.archive import MOST_OF_MEMORY, read_arrays
from zapsim.reading.regular_file import read_regular

_IMAGES, _LABELS, _SUBJECTS = ("images", "x"), ("labels", "y"), ("photographs", "subjects")


def is_array_file(path: Path) -> bool:
    """Return whether `path` is named like an idx or npz file."""
    return is_idx(path) or path.suffix.lower() == ".npz"


def load_arrays(paths: Sequence[Path], pre: Preprocessing, labels: Path | None = None) -> ImageSet:
    """Return all images of one idx or npz file, with the classes of an idx file of labels or of the npz file.

    An npz file may also say which photograph (or other subject) each image is of.

    Raises
    ------
    FrontendError
        If there are other paths, the file is damaged or would have to run code to be read, images are of another
        size than the network's input, or labels of another number.
    """
    if len(paths) != 1:
        raise FrontendError(f"{paths[0].name}: an idx or npz file is used alone, not with other pictures")
    path = paths[0]
    if is_idx(path):
        pixels: NDArray[Any] = read_idx(path, dims=3)[..., np.newaxis]
        classes = None if labels is None else read_idx(labels, dims=1)
        sources: tuple[str, ...] = ()
    else:
        if labels is not None:
            raise FrontendError("labels go with an idx file of images; an npz file holds its own")
        pixels, classes, sources = _read_npz(path)
    channels = 1 if pre.colours == "L" else 3
    if pixels.shape[1:] != (pre.size, pre.size, channels):
        colours = {1: "grey", 3: "RGB"}.get(pixels.shape[3], f"{pixels.shape[3]}-channel")
        raise FrontendError(
            f"{path}: {colours} images of {pixels.shape[1]}×{pixels.shape[2]}, "
            f"but the network takes {pre.colours} images of {pre.size}×{pre.size}"
        )
    if classes is not None and len(classes) != len(pixels):
        raise FrontendError(f"{labels or path}: {len(classes)} labels, but {path.name} has {len(pixels)} images")
    names = tuple(f"{printable(path.name)}[{index}]" for index in range(len(pixels)))
    labels_of_images = None if classes is None else classes.astype(np.int64)
    about = f"{len(pixels)} images of {printable(path.name)}"
    return ImageSet(pixels, names, pre, about, labels_of_images, sources=sources)


def from_dataset(dataset: Iterable[Any], pre: Preprocessing, description: str, count: int | None = None) -> ImageSet:
    """Return the images of a torch ``Dataset``, or of anything else that yields them.

    Parameters
    ----------
    dataset
        Yields images, or tuples that begin with image and class. An image is a Pillow picture or a uint8 array or
        tensor (rows, columns, channels; a tensor's channels come first), which is cut as picture files are; or
        a floating-point tensor (channels, rows, columns), which the network gets as it is.
    pre
        How the network sees pictures.
    description
        What these images are, for provenance.
    count
        How many are taken from the start (default: all).

    Raises
    ------
    FrontendError
        If there are fewer than `count`, none, or some of another kind or shape than the first.
    """
    store, classes, sources = ImageStore(), [], []
    shape: tuple[int, ...] | None = None
    for index, item in enumerate(islice(_items(dataset), count)):
        image, *rest = item if isinstance(item, (tuple, list)) else (item,)
        pixels, source = _pixels(image, pre, index)
        sources.append(source)
        shape = shape or pixels.shape
        if pixels.shape != shape:
            raise FrontendError(f"{description}: item {index} is {pixels.shape}, the first is {shape}")
        store.add(pixels)
        classes += [int(rest[0])] if rest else []
    if not len(store) or (count is not None and len(store) < count):
        raise FrontendError(f"{count or 'some'} images wanted, but {description} has only {len(store)}")
    if classes and len(classes) != len(store):
        raise FrontendError(f"{description}: only {len(classes)} of {len(store)} items have a class")
    names = tuple(f"item {index}" for index in range(len(store)))
    labels = np.array(classes, dtype=np.int64) if classes else None
    return ImageSet(store.array(), names, pre, description, labels, sources=tuple(sources))


def _items(dataset: Any) -> Iterator[Any]:
    """Yield a dataset's items; a map-style ``Dataset`` need not say by itself where it ends."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return (dataset[index] for index in range(len(dataset)))
    return iter(dataset)


def _pixels(image: object, pre: Preprocessing, index: int) -> tuple[NDArray[Any], str]:
    """Return uint8 (size, size, channels) of what is a picture, float32 (C, rows, columns) of what is an input.

    The digest of the photograph comes with it.
    """
    if isinstance(image, torch.Tensor):
        if image.is_floating_point() and image.ndim == 3:
            values = image.detach().cpu().float().contiguous().numpy()
            return values, photograph_digest(values)
        if image.dtype == torch.uint8 and image.ndim == 3:
            image = image.permute(1, 2, 0)
        image = image.cpu().numpy()
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        grey = image.ndim == 3 and image.shape[2] == 1
        image = Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    if not isinstance(image, Image.Image):
        raise FrontendError(
            f"item {index} of the dataset: expected a picture, uint8 pixels or a floating-point tensor "
            f"(channels, rows, columns), got {type(image).__name__}"
        )
    picture = to_8_bits(image, pre.picture_mode, f"item {index} of the dataset")
    return centre_crop(picture, pre), photograph_digest(picture)


def _read_npz(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any] | None, tuple[str, ...]]:
    """Return pixels (images, rows, columns, channels), classes if there are any, and digests of named subjects."""
    arrays = read_arrays(path, _IMAGES + _LABELS + _SUBJECTS, "npz", FrontendError)
    pixels = next((arrays[name] for name in _IMAGES if name in arrays), None)
    if pixels is None:
        raise FrontendError(f"{path}: holds no array '{_IMAGES[0]}' (nor '{_IMAGES[1]}')")
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or not len(pixels):
        raise FrontendError(
            f"{path}: images must be uint8 (images, rows, columns[, channels]), got {pixels.dtype} {pixels.shape}"
        )
    classes = next((arrays[name] for name in _LABELS if name in arrays), None)
    if classes is not None and not (np.issubdtype(classes.dtype, np.integer) and classes.ndim == 1):
        raise FrontendError(f"{path}: labels must be integers (images,), got {classes.dtype} {classes.shape}")
    subjects = next((arrays[name] for name in _SUBJECTS if name in arrays), None)
    if subjects is not None and (subjects.shape != (len(pixels),) or subjects.dtype.kind not in "iuU"):
        raise FrontendError(
            f"{path}: photographs must be integers or texts ({len(pixels)},), one for each image, "
            f"got {subjects.dtype} {subjects.shape}"
        )
    sources = () if subjects is None else tuple(subject_digest(subject) for subject in subjects.tolist())
    return pixels[..., np.newaxis] if pixels.ndim == 3 else pixels, classes, sources


_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 8
_HEADER_START = 4


def is_idx(path: Path) -> bool:
    """Return whether `path` is named like an idx file: ``...-ubyte`` or ``....idx``, with .gz or not."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".idx", "-ubyte"))


def read_idx(path: Path, dims: int) -> NDArray[np.uint8]:
    """Return the uint8 array of `dims` dimensions that the file holds.

    Raises
    ------
    FrontendError
        If the file is missing, truncated, not idx, not of bytes or of another number of dimensions.
    """
    try:
        data = read_regular(path, MOST_OF_MEMORY, "idx", FrontendError)
        if data.startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                data = stream.read(MOST_OF_MEMORY + 1)
            if len(data) > MOST_OF_MEMORY:
                raise FrontendError(f"{path}: unpacks to over {MOST_OF_MEMORY:,} bytes")
    except (OSError, EOFError, zlib.error, ValueError, struct.error) as error:
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
