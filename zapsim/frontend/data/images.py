"""Image sets from picture files and folders: finding and decoding them, and cutting centre or random crops."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zapsim.errors import FrontendError, printable
from zapsim.frontend.data.arrays import is_array_file, load_arrays
from zapsim.frontend.data.image_set import ImageSet, ImageStore
from zapsim.frontend.data.photographs import photograph_digest
from zapsim.frontend.data.pixels import to_8_bits
from zapsim.frontend.data.preprocessing import Preprocessing, centre_crop, random_crop
from zapsim.reading.archive import MOST_OF_MEMORY
from zapsim.reading.regular_file import check_regular


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
    if count is not None and count < 1:
        raise FrontendError(f"at least one image is needed, got {count}")
    if any(is_array_file(path) for path in paths):
        loaded = load_arrays(paths, pre, labels)
        return loaded if count is None else loaded.first(count)
    files, classes = _files(paths, labels)
    if count is not None and len(files) < count:
        raise FrontendError(f"{count} images wanted, but there are only {len(files)} pictures")
    store, kept, broken, sources = ImageStore(), [], [], []
    for index, path in enumerate(files):
        if len(store) == count:
            break
        picture = decode(path, pre.picture_mode)
        if picture is None:
            broken.append(printable(path.name))
            continue
        store.add(centre_crop(picture, pre))
        kept.append(index)
        sources.append(photograph_digest(picture))
    _need(kept, count, files)
    names = tuple(_name(files[index], classes) for index in kept)
    kept_classes = None if classes is None else np.array(classes, dtype=np.int64)[kept]
    about = f"centre crop of {_listed(names)}"
    return ImageSet(store.array(), names, pre, about, kept_classes, tuple(broken), tuple(sources))


def load_crops(
    paths: Sequence[Path],
    pre: Preprocessing,
    count: int,
    seed: int,
    labels: Path | None = None,
    without: frozenset[str] = frozenset(),
) -> ImageSet:
    """Return `count` random crops of pictures (also by class), or `count` images drawn from one idx or npz file.

    Crops are spread evenly over the pictures that decode, and shuffled: a batch has crops of several. Photographs with
    a digest in `without` are left out.

    Raises
    ------
    FrontendError
        If no picture decodes or is left, or an idx or npz file has too few images.
    """
    if count < 1:
        raise FrontendError(f"at least one crop is needed, got {count}")
    if any(is_array_file(path) for path in paths):
        return load_arrays(paths, pre, labels).without(without).sample(count, seed)
    files, classes = _files(paths, labels)
    good = [index for index, path in enumerate(files) if _decodes(path)]
    _need(good, None, files)
    broken = tuple(printable(path.name) for index, path in enumerate(files) if index not in set(good))
    if without:
        good = [index for index in good if _photograph(files[index], pre) not in without]
        if not good:
            raise FrontendError(f"none of {len(files)} pictures is left, the first is {printable(str(files[0]))}")
    random = np.random.default_rng(seed)
    crops: list[NDArray[np.uint8]] = []
    taken: list[int] = []
    digests: dict[int, str] = {}
    for index, share in zip(good, spread(count, len(good)), strict=True):
        picture = decode(files[index], pre.picture_mode) if share else None
        if picture is not None:
            crops += [random_crop(picture, pre, random) for _ in range(share)]
            taken += [index] * share
            digests[index] = photograph_digest(picture)
    order = random.permutation(len(crops))
    about = f"{len(crops)} random crops of {_listed([_name(files[index], classes) for index in good])}, seed {seed}"
    shuffled = [taken[index] for index in order]
    crop_classes = None if classes is None else np.array(classes, dtype=np.int64)[shuffled]
    names = tuple(_name(files[index], classes) for index in shuffled)
    sources = tuple(digests[index] for index in shuffled)
    return ImageSet(np.stack(crops)[order], names, pre, about, crop_classes, broken, sources)


def _files(paths: Sequence[Path], labels: Path | None) -> tuple[tuple[Path, ...], tuple[int, ...] | None]:
    if labels is not None:
        raise FrontendError("labels go with an idx file of images; pictures have theirs from a folder by class")
    return find_labelled(paths)


def _name(path: Path, classes: Sequence[int] | None) -> str:
    """Return a picture's name; two classes may have pictures of one name."""
    return printable(path.name if classes is None else f"{path.parent.name}/{path.name}")


def _decodes(path: Path) -> bool:
    try:
        return decode(path, "L") is not None
    except FrontendError:
        return True  # it decodes, and :func:`decode` says what is wrong with its pixels


def _photograph(path: Path, pre: Preprocessing) -> str | None:
    picture = decode(path, pre.picture_mode)
    return None if picture is None else photograph_digest(picture)


def _need(good: Sequence[object], count: int | None, files: Sequence[Path]) -> None:
    if not good:
        raise FrontendError(f"none of {len(files)} pictures decodes, the first is {printable(str(files[0]))}")
    if count is not None and len(good) < count:
        raise FrontendError(f"{count} images wanted, but only {len(good)} of {len(files)} pictures decode")


def _listed(names: Sequence[str], at_most: int = 40) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"


FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "TGA", "PCX", "ICO", "JPEG2000")
"""Formats that are decoded: pictures of pixels only, none that another program is run for (as for EPS). Pictures of
several views (MPO) are among those of JPEG."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Files of a folder that are taken for pictures; a file that is named itself may have any name."""


def find_pictures(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the picture files among `paths`, folders searched (not their folders) in order of name.

    Raises
    ------
    FrontendError
        If a path does not exist or nothing is found.
    """
    pictures: list[Path] = []
    for path in paths:
        if path.is_dir():
            pictures += sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        elif path.is_file():
            pictures.append(path)
        else:
            raise FrontendError(f"{printable(str(path))}: no such picture or folder")
    if not pictures:
        raise FrontendError(f"no pictures in {', '.join(printable(str(path)) for path in paths)}")
    return tuple(pictures)


def class_folders(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of a folder by class (class 0 first, in order of name); none if `paths` is no such folder.

    A folder by class holds folders with pictures, and no pictures itself.
    """
    if len(paths) != 1 or not paths[0].is_dir():
        return ()
    if any(file.suffix.lower() in SUFFIXES for file in paths[0].iterdir()):
        return ()
    return tuple(sorted(folder for folder in paths[0].iterdir() if folder.is_dir() and not folder.name.startswith(".")))


def find_labelled(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[int, ...] | None]:
    """Return the picture files among `paths`, and their classes if it is a folder by class.

    Raises
    ------
    FrontendError
        If a path does not exist, or nothing is found (in a class, too).
    """
    classes = class_folders(paths)
    if not classes:
        return find_pictures(paths), None
    pictures = [(path, label) for label, folder in enumerate(classes) for path in find_pictures([folder])]
    return tuple(path for path, _ in pictures), tuple(label for _, label in pictures)


def decode(path: Path, mode: str) -> Image.Image | None:
    """Return the decoded picture in mode ``RGB`` or ``L``, or None if it does not decode.

    Raises
    ------
    FrontendError
        If it decodes, but its pixels cannot be scaled to 8 bits.
    """
    try:
        check_regular(path, MOST_OF_MEMORY, "picture", FrontendError)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # over 89 million pixels: does not decode
            with Image.open(path, formats=FORMATS) as picture:
                picture.load()
                return to_8_bits(picture, mode, printable(path.name))
    except FrontendError:
        raise
    # Pillow's decoders raise what they like on damaged files (struct.error, IndexError, ...).
    except Exception:
        return None


def spread(count: int, over: int) -> Iterator[int]:
    """Yield the number of crops from each of `over` pictures, `count` in all, as equal as possible."""
    for index in range(over):
        yield count // over + (index < count % over)
