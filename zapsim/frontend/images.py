"""Sets of images ready for a network: pixels, names and, where known, labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from zapsim.errors import FrontendError
from zapsim.frontend.idx import is_idx, read_idx
from zapsim.frontend.pictures import centre_crop, decode, find_pictures, random_crop, spread
from zapsim.frontend.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images of one size.

    Attributes
    ----------
    pixels
        uint8 (images, rows, columns, channels); channels are RGB or one grey.
    names
        One name an image (file names, never paths).
    preprocessing
        What turns the pixels into the network's input.
    description
        What these images are, for provenance.
    labels
        int64 class of each image, or None.
    skipped
        Names of the files that did not decode.
    """

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    preprocessing: Preprocessing
    description: str
    labels: NDArray[np.int64] | None = None
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.pixels):
            raise FrontendError(f"{len(self.pixels)} images but {len(self.names)} names")
        if self.labels is not None and len(self.labels) != len(self.pixels):
            raise FrontendError(f"{len(self.pixels)} images but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.pixels)

    def tensor(self, indices: Sequence[int] | NDArray[np.int64]) -> torch.Tensor:
        """Return the network's input for these images: float32 (images, C, rows, columns)."""
        return self.preprocessing.tensor(self.pixels[np.asarray(indices)])

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, NDArray[np.int64] | None]]:
        """Yield (input, labels) in order, `size` images at a time."""
        for start in range(0, len(self), size):
            chosen = np.arange(start, min(start + size, len(self)))
            yield self.tensor(chosen), None if self.labels is None else self.labels[chosen]

    def first(self, count: int) -> ImageSet:
        """Return the first `count` images."""
        return self._take(np.arange(min(count, len(self))))

    def sample(self, count: int, seed: int) -> ImageSet:
        """Return `count` images drawn without replacement."""
        if count > len(self):
            raise FrontendError(f"{count} images wanted, but {self.description} has only {len(self)}")
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        return replace(self._take(chosen), description=f"{count} of {self.description}, seed {seed}")

    def sha256(self, index: int) -> str:
        """Return the SHA-256 of the tensor that the network sees for one image."""
        return hashlib.sha256(self.tensor([index]).numpy().tobytes()).hexdigest()

    def digest(self) -> str:
        """Return a SHA-256 over all pixels and what is done to them."""
        digest = hashlib.sha256(f"{self.preprocessing} {self.pixels.shape}".encode())
        for start in range(0, len(self), 64):
            digest.update(np.ascontiguousarray(self.pixels[start : start + 64]).data)
        return digest.hexdigest()

    def _take(self, chosen: NDArray[np.int64]) -> ImageSet:
        labels = None if self.labels is None else self.labels[chosen]
        names = tuple(self.names[index] for index in chosen)
        return replace(self, pixels=self.pixels[chosen], names=names, labels=labels)


def load_images(paths: Sequence[Path], pre: Preprocessing, labels: Path | None = None) -> ImageSet:
    """Return the centre crops of picture files and folders, or all images of one idx file."""
    if any(is_idx(path) for path in paths):
        return _from_idx(paths, pre, labels)
    if labels is not None:
        raise FrontendError("labels go with an idx file of images; pictures have none")
    crops: list[NDArray[np.uint8]] = []
    names: list[str] = []
    files = find_pictures(paths)
    broken = []
    for path in files:
        picture = decode(path, pre.picture_mode)
        if picture is None:
            broken.append(path.name)
            continue
        crops.append(centre_crop(picture, pre))
        names.append(path.name)
    _need_some(crops, files)
    about = f"centre crop of {_listed(names)}"
    return ImageSet(np.stack(crops), tuple(names), pre, about, skipped=tuple(broken))


def load_crops(
    paths: Sequence[Path], pre: Preprocessing, count: int, seed: int, labels: Path | None = None
) -> ImageSet:
    """Return `count` random crops of pictures, or `count` images drawn from one idx file.

    Crops are spread evenly over the pictures that decode, and shuffled: a batch has crops of several.

    Raises
    ------
    FrontendError
        If no picture decodes, or an idx file has too few images.
    """
    if count < 1:
        raise FrontendError(f"at least one crop is needed, got {count}")
    if any(is_idx(path) for path in paths):
        return _from_idx(paths, pre, labels).sample(count, seed)
    files = find_pictures(paths)
    good = [path for path in files if _decodes(path)]
    _need_some(good, files)
    random = np.random.default_rng(seed)
    crops: list[NDArray[np.uint8]] = []
    names: list[str] = []
    for path, share in zip(good, spread(count, len(good)), strict=True):
        picture = decode(path, pre.picture_mode) if share else None
        if picture is not None:
            crops += [random_crop(picture, pre, random) for _ in range(share)]
            names += [path.name] * share
    order = random.permutation(len(crops))
    about = f"{len(crops)} random crops of {_listed([path.name for path in good])}, seed {seed}"
    broken = tuple(path.name for path in files if path not in good)
    return ImageSet(np.stack(crops)[order], tuple(names[i] for i in order), pre, about, skipped=broken)


def _decodes(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except Exception:  # as in `decode`
        return False
    return True


def _need_some(good: Sequence[object], files: Sequence[Path]) -> None:
    if not good:
        raise FrontendError(f"none of {len(files)} pictures decodes, the first is {files[0]}")


def _listed(names: Sequence[str], at_most: int = 40) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"


def _from_idx(paths: Sequence[Path], pre: Preprocessing, labels: Path | None) -> ImageSet:
    if len(paths) != 1:
        raise FrontendError("an idx file is used alone, not with other pictures")
    pixels = read_idx(paths[0], dims=3)
    if pixels.shape[1:] != (pre.size, pre.size) or pre.colours != "L":
        raise FrontendError(
            f"{paths[0]}: grey images of {pixels.shape[1]}×{pixels.shape[2]}, "
            f"but the network takes {pre.colours} images of {pre.size}×{pre.size}"
        )
    classes = None if labels is None else read_idx(labels, dims=1).astype(np.int64)
    if classes is not None and len(classes) != len(pixels):
        raise FrontendError(f"{labels}: {len(classes)} labels, but {paths[0].name} has {len(pixels)} images")
    names = tuple(f"{paths[0].name}[{index}]" for index in range(len(pixels)))
    return ImageSet(pixels[..., np.newaxis], names, pre, f"{len(pixels)} images of {paths[0].name}", classes)
