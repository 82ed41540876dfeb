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
from zapsim.frontend.pictures import centre_crop, decode, find_labelled, random_crop, spread
from zapsim.frontend.preprocessing import Preprocessing
from zapsim.frontend.store import ImageStore


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images of one size.

    Attributes
    ----------
    pixels
        uint8 (images, rows, columns, channels); channels are RGB or one grey. Or float32 (images, C, rows, columns),
        which the network takes as it is.
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

    pixels: NDArray[np.uint8] | NDArray[np.float32]
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
        chosen = self.pixels[np.asarray(indices)]
        if chosen.dtype == np.float32:
            return torch.from_numpy(np.array(chosen))
        return self.preprocessing.tensor(chosen.astype(np.uint8, copy=False))

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, NDArray[np.int64] | None]]:
        """Yield (input, labels) in order, `size` images at a time."""
        for start in range(0, len(self), size):
            chosen = np.arange(start, min(start + size, len(self)))
            yield self.tensor(chosen), None if self.labels is None else self.labels[chosen]

    def first(self, count: int) -> ImageSet:
        """Return the first `count` images."""
        if count < 1 or count > len(self):
            raise FrontendError(f"{count} images wanted, but {self.description} has only {len(self)}")
        if count == len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        about = f"the first {count} of {self.description}"
        return replace(self, pixels=self.pixels[:count], names=self.names[:count], labels=labels, description=about)

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


def load_images(
    paths: Sequence[Path], pre: Preprocessing, labels: Path | None = None, count: int | None = None
) -> ImageSet:
    """Return the centre crops of picture files and folders (also by class), or all images of one idx or npz file.

    Only the first `count` that decode, if it is given. Large sets lie in a temporary file, not in memory.

    Raises
    ------
    FrontendError
        If nothing decodes, or fewer than `count`.
    """
    from zapsim.frontend.arrays import is_array_file, load_arrays

    if count is not None and count < 1:
        raise FrontendError(f"at least one image is needed, got {count}")
    if any(is_array_file(path) for path in paths):
        loaded = load_arrays(paths, pre, labels)
        return loaded if count is None else loaded.first(count)
    files, classes = _files(paths, labels)
    if count is not None and len(files) < count:
        raise FrontendError(f"{count} images wanted, but there are only {len(files)} pictures")
    store, kept, broken = ImageStore(), [], []
    for index, path in enumerate(files):
        if len(store) == count:
            break
        picture = decode(path, pre.picture_mode)
        if picture is None:
            broken.append(path.name)
            continue
        store.add(centre_crop(picture, pre))
        kept.append(index)
    _need(kept, count, files)
    names = tuple(_name(files[index], classes) for index in kept)
    known = None if classes is None else np.array(classes, dtype=np.int64)[kept]
    about = f"centre crop of {_listed(names)}"
    return ImageSet(store.array(), names, pre, about, known, tuple(broken))


def load_crops(
    paths: Sequence[Path], pre: Preprocessing, count: int, seed: int, labels: Path | None = None
) -> ImageSet:
    """Return `count` random crops of pictures (also by class), or `count` images drawn from one idx or npz file.

    Crops are spread evenly over the pictures that decode, and shuffled: a batch has crops of several.

    Raises
    ------
    FrontendError
        If no picture decodes, or an idx or npz file has too few images.
    """
    from zapsim.frontend.arrays import is_array_file, load_arrays

    if count < 1:
        raise FrontendError(f"at least one crop is needed, got {count}")
    if any(is_array_file(path) for path in paths):
        return load_arrays(paths, pre, labels).sample(count, seed)
    files, classes = _files(paths, labels)
    good = [index for index, path in enumerate(files) if _decodes(path)]
    _need(good, None, files)
    random = np.random.default_rng(seed)
    crops: list[NDArray[np.uint8]] = []
    taken: list[int] = []
    for index, share in zip(good, spread(count, len(good)), strict=True):
        picture = decode(files[index], pre.picture_mode) if share else None
        if picture is not None:
            crops += [random_crop(picture, pre, random) for _ in range(share)]
            taken += [index] * share
    order = random.permutation(len(crops))
    about = f"{len(crops)} random crops of {_listed([_name(files[index], classes) for index in good])}, seed {seed}"
    broken = tuple(path.name for index, path in enumerate(files) if index not in set(good))
    shuffled = [taken[index] for index in order]
    known = None if classes is None else np.array(classes, dtype=np.int64)[shuffled]
    names = tuple(_name(files[index], classes) for index in shuffled)
    return ImageSet(np.stack(crops)[order], names, pre, about, known, broken)


def _files(paths: Sequence[Path], labels: Path | None) -> tuple[tuple[Path, ...], tuple[int, ...] | None]:
    if labels is not None:
        raise FrontendError("labels go with an idx file of images; pictures have theirs from a folder by class")
    return find_labelled(paths)


def _name(path: Path, classes: Sequence[int] | None) -> str:
    """Return a picture's name; two classes may have pictures of one name."""
    return path.name if classes is None else f"{path.parent.name}/{path.name}"


def _decodes(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except Exception:  # as in `decode`
        return False
    return True


def _need(good: Sequence[object], count: int | None, files: Sequence[Path]) -> None:
    if not good:
        raise FrontendError(f"none of {len(files)} pictures decodes, the first is {files[0]}")
    if count is not None and len(good) < count:
        raise FrontendError(f"{count} images wanted, but only {len(good)} of {len(files)} pictures decode")


def _listed(names: Sequence[str], at_most: int = 40) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
