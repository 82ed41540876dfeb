"""What is done to a picture before a network sees it: crops, size, colour order, mean and standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from zapsim.errors import FrontendError

Colours = Literal["RGB", "BGR", "L"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to pixels before a network sees them.

    Attributes
    ----------
    size
        Rows and columns of the (square) network input.
    resize
        Length to which a picture's short side is scaled before the centre crop; at least `size`.
    mean, std
        Per channel, in pixel values 0..255 and in the order of `colours`: input = (pixel - mean) / std.
    colours
        Order of the input channels; ``L`` is one grey channel.

    Raises
    ------
    FrontendError
        If sizes are not positive or mean and std do not have a value for every channel.
    """

    size: int
    resize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    colours: Colours = "RGB"

    def __post_init__(self) -> None:
        if not 0 < self.size <= self.resize:
            raise FrontendError(f"preprocessing: needs 0 < size <= resize, got {self.size} and {self.resize}")
        if len(self.mean) != len(self.colours) or len(self.std) != len(self.colours):
            raise FrontendError(
                f"preprocessing: {self.colours} input needs {len(self.colours)} means and deviations, "
                f"got {len(self.mean)} and {len(self.std)}"
            )
        if min(self.std) <= 0:
            raise FrontendError(f"preprocessing: standard deviations must be positive, got {self.std}")

    @property
    def picture_mode(self) -> Literal["RGB", "L"]:
        """The Pillow mode that pixels are read in."""
        return "L" if self.colours == "L" else "RGB"

    def tensor(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Return uint8 `pixels` (images, rows, columns, RGB or L) as float32 (images, C, rows, columns)."""
        values = pixels[..., ::-1] if self.colours == "BGR" else pixels
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        scaled = (values.astype(np.float32) - mean) / std
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


IMAGENET = Preprocessing(
    size=224,
    resize=256,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)
"""The convention of torchvision's ImageNet checkpoints."""


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
