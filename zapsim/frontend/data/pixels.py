"""Pictures of every kind as 8-bit pixels: turned upright, without transparency, and scaled if they are deeper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from zapsim.errors import FrontendError

_FULL_16_BITS = 65535.0
_SIGNED_8_BITS, _SIGNED_16_BITS = 127.0, 32767.0
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_SIGNED = 2
"""Sample format of signed integers."""
_DEEP_MODES = ("I", "F")
BACKGROUND = (255, 255, 255)
"""What shows through a transparent picture: white."""


def to_8_bits(picture: Image.Image, mode: str, name: str) -> Image.Image:
    """Return a picture in mode ``RGB`` or ``L``, 8 bits per channel.

    - A picture whose EXIF data say that it lies on its side is turned.
    - Transparent pixels are laid on white.
    - Pixels of 16 bits are divided by 257. Those of 32 bits or floating point have no full scale of their own. White
      is the least of 1 (floating point only), 255, 65535 and (integers only) the type's largest that no pixel exceeds.
      Signed integers of 8 or 16 bits have their type's largest as white.
    - Deep TIFF pictures in which 0 is white are inverted.

    Raises
    ------
    FrontendError
        If a deep picture has pixels that are negative, not finite, or, in floating point, above 65535, or if colours
        are neither grey, RGB, CMYK nor YCbCr.
    """
    upright = _upright(picture)
    signed = _tags(picture, _TIFF_SAMPLE_FORMAT) == (_SIGNED,) and upright.mode != "F"
    if upright.mode in ("LAB", "HSV"):
        raise FrontendError(f"{name}: its colours are {upright.mode}, expected grey or RGB: convert the picture")
    if signed and upright.mode == "L":
        upright = _grey(_not_negative(np.asarray(upright).view(np.int8), name), _SIGNED_8_BITS)
    elif upright.mode.startswith("I;16"):
        upright = _grey(np.asarray(upright), _FULL_16_BITS, _white_is_zero(picture))
    elif upright.mode in _DEEP_MODES:
        values = _values(picture, upright)
        # Pillow gives 16 bits of PNG and PPM files as 32-bit integers in some versions, and signed ones of TIFF files.
        if picture.format in ("PNG", "PPM") and upright.mode == "I":
            white = _FULL_16_BITS
        elif signed and _tags(picture, _TIFF_BITS) == (16,):
            white = _SIGNED_16_BITS
            _not_negative(values, name)
        else:
            white = _full_scale(values, name)
        upright = _grey(values, white, _white_is_zero(picture))
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
    unsigned = upright.mode == "I" and picture.format == "TIFF" and _tags(picture, _TIFF_SAMPLE_FORMAT) in ((), (1,))
    return values.view(np.uint32) if unsigned else values


def _tags(picture: Image.Image, tag: int) -> tuple[int, ...]:
    """Return the values of a tag of a TIFF picture; none if it has no such tag."""
    values = getattr(picture, "tag_v2", {}).get(tag, ())
    return tuple(int(value) for value in np.atleast_1d(values))


def _white_is_zero(picture: Image.Image) -> bool:
    """Return whether 0 is white; Pillow inverts only such TIFF pictures that have 8 bits."""
    return _tags(picture, _TIFF_PHOTOMETRIC) == (0,)


def _not_negative(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.min() < 0:
        raise FrontendError(f"{name}: its pixels go from {values.min()} to {values.max()}, expected none below 0")
    return values


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


def _grey(values: NDArray[Any], white: float, inverted: bool = False) -> Image.Image:
    scaled = values.astype(np.float64) * (255.0 / white)
    scaled = 255.0 - scaled if inverted else scaled
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
