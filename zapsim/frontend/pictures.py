"""Picture files: finding and decoding them, and cutting random or centre crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zapsim.errors import FrontendError
from zapsim.frontend.preprocessing import Preprocessing

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Files of a folder that are taken for pictures; a file that is named itself may have any name."""


def find_pictures(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the picture files among `paths`, folders searched (not their folders) in order of name.

    Raises
    ------
    FrontendError
        If a path does not exist or nothing is found.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise FrontendError(f"{path}: no such picture or folder")
    if not found:
        raise FrontendError(f"no pictures in {', '.join(str(path) for path in paths)}")
    return tuple(found)


def class_folders(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of a folder by class (class 0 first, in order of name); none if `paths` is no such folder.

    A folder by class holds folders with pictures, and no pictures itself.
    """
    if len(paths) != 1 or not paths[0].is_dir():
        return ()
    if any(one.suffix.lower() in SUFFIXES for one in paths[0].iterdir()):
        return ()
    return tuple(sorted(one for one in paths[0].iterdir() if one.is_dir() and not one.name.startswith(".")))


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
    found = [(path, label) for label, folder in enumerate(classes) for path in find_pictures([folder])]
    return tuple(path for path, _ in found), tuple(label for _, label in found)


def decode(path: Path, mode: str) -> Image.Image | None:
    """Return the decoded picture, or None if it does not decode."""
    try:
        with Image.open(path) as picture:
            return picture.convert(mode)
    # Pillow's decoders raise what they like on damaged files (struct.error, IndexError, ...).
    except Exception:
        return None


def centre_crop(picture: Image.Image, pre: Preprocessing) -> NDArray[np.uint8]:
    """Scale the short side to ``pre.resize`` and cut the middle: uint8 (size, size, channels)."""
    scale = pre.resize / min(picture.size)
    side = pre.size / scale
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return _cut(picture, left, top, side, pre.size)


def random_crop(picture: Image.Image, pre: Preprocessing, random: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a random square, half of them mirrored: uint8 (size, size, channels).

    Sides lie between the network's input and the picture's short side, log-uniformly, so that large
    photographs give scenes as well as textures.
    """
    short = min(picture.size)
    low = min(pre.size, short)
    side = float(np.exp(random.uniform(np.log(low), np.log(short)))) if short > low else float(short)
    left = random.uniform(0, picture.width - side)
    top = random.uniform(0, picture.height - side)
    crop = _cut(picture, left, top, side, pre.size)
    return crop[:, ::-1] if random.integers(2) else crop


def _cut(picture: Image.Image, left: float, top: float, side: float, size: int) -> NDArray[np.uint8]:
    box = (max(left, 0.0), max(top, 0.0), min(left + side, picture.width), min(top + side, picture.height))
    cut = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(cut, dtype=np.uint8)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def spread(count: int, over: int) -> Iterator[int]:
    """Yield how many of `count` crops each of `over` pictures gives: as equal as can be."""
    for index in range(over):
        yield count // over + (index < count % over)
