"""Pictures of every kind as 8-bit pixels: turned upright, without transparency, and scaled if they are deeper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from zapsim.errors import FrontendError

_FULL_16_BITS = 65535.0
_TIFF_SAMPLE_FORMAT = 339
_DEEP_MODES = ("I", "F")
BACKGROUND = (255, 255, 255)
"""What shows through a transparent picture: white."""


def to_8_bits(picture: Image.Image, mode: str, name: str) -> Image.Image:
    """Return a picture in mode ``RGB`` or ``L``, 8 bits per channel.

    - A picture whose EXIF data say that it lies on its side is turned.
    - Transparent pixels are laid on white.
    - Pixels of 16 bits are divided by 257. Those of 32 bits or floating point have no full scale of their own. White
      is the least of 1 (floating point only), 255, 65535 and (integers only) the type's largest that no pixel exceeds.

    Raises
    ------
    FrontendError
        If a deep picture has pixels that are negative, not finite, or, in floating point, above 65535.
    """
    upright = _upright(picture)
    if upright.mode.startswith("I;16"):
        upright = _grey(np.asarray(upright), _FULL_16_BITS)
    elif upright.mode in _DEEP_MODES:
        # Pillow gives 16 bits of PNG and PPM files as 32-bit integers in some versions.
        values = _values(picture, upright)
        upright = _grey(values, _FULL_16_BITS if picture.format in ("PNG", "PPM") and upright.mode == "I" else
                        _full_scale(values, name))  # fmt: skip
    if upright.has_transparency_data:
        over = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", over.size, (*BACKGROUND, 255)), over)
    return upright.convert(mode)


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken EXIF data, which say nothing
        return picture


def _values(picture: Image.Image, upright: Image.Image) -> NDArray[Any]:
    """Return a deep picture's pixels; Pillow reads unsigned integers of TIFF files as signed ones."""
    values = np.asarray(upright)
    sample_format = getattr(picture, "tag_v2", {}).get(_TIFF_SAMPLE_FORMAT, (1,))
    unsigned = upright.mode == "I" and picture.format == "TIFF" and tuple(np.atleast_1d(sample_format)) == (1,)
    return values.view(np.uint32) if unsigned else values


def _full_scale(values: NDArray[Any], name: str) -> float:
    """Return the value that is white."""
    low, high = float(values.min()), float(values.max())
    integers = np.issubdtype(values.dtype, np.integer)
    scales = [255.0, _FULL_16_BITS, float(np.iinfo(values.dtype).max)] if integers else [1.0, 255.0, _FULL_16_BITS]
    fitting = [scale for scale in scales if high <= scale]
    if not low >= 0 or not fitting:
        raise FrontendError(
            f"{name}: its pixels go from {low:g} to {high:g}, expected values from 0 to 1, 255 or 65535: "
            "scale the picture to one of these"
        )
    return fitting[0]


def _grey(values: NDArray[Any], white: float) -> Image.Image:
    scaled = values.astype(np.float64) * (255.0 / white)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
