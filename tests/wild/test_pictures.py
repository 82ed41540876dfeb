"""Deep, turned and transparent pictures, and pictures of any name, become the right pixels."""

import io
import os
import struct

import numpy as np
import pytest
from PIL import Image

from zapsim.errors import FrontendError
from zapsim.frontend.data.arrays import from_dataset, is_array_file
from zapsim.frontend.data.images import load_crops, load_images
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.inputs import arguments

pytestmark = pytest.mark.frontend

GREY = Preprocessing(size=8, resize=8, mean=(0.0,), std=(1.0,), colours="L")
RGB = Preprocessing(size=8, resize=8, mean=(0.0,) * 3, std=(1.0,) * 3)
RAMP = np.arange(64).reshape(8, 8) * 4
"""What every grey picture should show, in 0 to 252."""

DEEP = {
    "16 bits, PNG": ("png", (RAMP * 257).astype(np.uint16)),
    "16 bits, TIFF": ("tiff", (RAMP * 257).astype(np.uint16)),
    "16 bits, PPM": ("pgm", (RAMP * 257).astype(np.uint16)),
    "32 bits": ("tiff", (RAMP * 8421504.5).astype(np.int32)),
    "32 bits that are 16": ("tiff", (RAMP * 257).astype(np.int32)),
    "32 bits that are 8": ("tiff", RAMP.astype(np.int32)),
    "fractions": ("tiff", (RAMP / 255).astype(np.float32)),
    "floating point to 255": ("tiff", RAMP.astype(np.float32)),
    "floating point to 65535": ("tiff", (RAMP * 257).astype(np.float32)),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_pictures_are_scaled(tmp_path, kind):
    suffix, pixels = DEEP[kind]
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(pixels).save(path)
    grey = load_images([path], GREY).pixels[0, ..., 0]
    np.testing.assert_allclose(grey, RAMP, atol=1)
    np.testing.assert_array_equal(load_images([path], RGB).pixels[0], np.stack([grey] * 3, axis=-1))


def test_unsigned_integers_of_32_bits_are_no_negative_ones(tmp_path):
    path = tmp_path / "deep.tiff"
    Image.fromarray((RAMP * 16843009.0).astype(np.uint32).view(np.int32)).save(path)
    data, tag = bytearray(path.read_bytes()), (339).to_bytes(2, "little") + (3).to_bytes(2, "little")
    data[data.index(tag) + 8] = 1  # Pillow writes integers of 32 bits as signed ones
    path.write_bytes(data)
    np.testing.assert_allclose(load_images([path], GREY).pixels[0, ..., 0], RAMP, atol=1)


@pytest.mark.parametrize("values", [-RAMP, RAMP * 1e6, np.where(RAMP == 4, np.inf, RAMP), RAMP * np.nan])
def test_pixels_without_a_scale_are_refused(tmp_path, values):
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "odd.tiff")
    for load in (lambda: load_images([tmp_path], GREY), lambda: load_crops([tmp_path], GREY, 2, 0)):
        with pytest.raises(FrontendError, match=r"odd.tiff: its pixels go from .* expected values from 0 to 1, 255"):
            load()


def tiff(pixels: np.ndarray, sample_format: int, photometric: int) -> bytes:
    """An uncompressed grey TIFF file, with what Pillow does not write."""
    rows, columns = pixels.shape
    tags = {256: columns, 257: rows, 258: 8 * pixels.itemsize, 259: 1, 262: photometric, 277: 1, 278: rows}
    tags |= {273: 8 + 2 + 12 * 10 + 4, 279: pixels.nbytes, 339: sample_format}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + pixels.tobytes()


@pytest.mark.parametrize(
    ("pixels", "sample_format", "photometric"),
    [
        ((65535 - RAMP * 257).astype("<u2"), 1, 0),
        ((255 - RAMP).astype(np.uint8), 1, 0),
        ((RAMP * 128.5).astype("<i2"), 2, 1),
        ((RAMP / 2).astype(np.int8), 2, 1),
    ],
    ids=["16 bits, 0 is white", "8 bits, 0 is white", "signed, 16 bits", "signed, 8 bits"],
)
def test_odd_tiff_pictures_look_as_they_should(tmp_path, pixels, sample_format, photometric):
    (tmp_path / "odd.tif").write_bytes(tiff(pixels, sample_format, photometric))
    np.testing.assert_allclose(load_images([tmp_path], GREY).pixels[0, ..., 0], RAMP, atol=1)


@pytest.mark.parametrize("kind", [np.int8, np.dtype("<i2")])
def test_signed_pixels_below_zero_are_refused(tmp_path, kind):
    (tmp_path / "odd.tif").write_bytes(tiff(RAMP.astype(kind) - 1, 2, 1))
    with pytest.raises(FrontendError, match=r"odd.tif: its pixels go from -\d+ to \d+, expected none below 0"):
        load_images([tmp_path], GREY)


def test_colours_that_cannot_be_converted_are_refused(tmp_path):
    Image.new("LAB", (8, 8)).save(tmp_path / "odd.tif")
    for pre in (GREY, RGB):
        with pytest.raises(FrontendError, match=r"odd.tif: its colours are LAB, expected grey or RGB"):
            load_images([tmp_path], pre)


def test_a_turned_photograph_is_upright(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    for orientation, expected in ((6, np.rot90(pixels, -1)), (3, pixels[::-1, ::-1]), (8, np.rot90(pixels))):
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
        np.testing.assert_array_equal(load_images([tmp_path / "turned.png"], RGB).pixels[0], expected)


@pytest.mark.parametrize("pre", [GREY, RGB])
def test_what_is_transparent_is_white(tmp_path, pre):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4, :, 3] = 255
    palette = Image.fromarray(np.repeat(np.arange(2, dtype=np.uint8), 32).reshape(8, 8)).convert("P")
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    Image.fromarray(rgba).convert("LA").save(tmp_path / "grey.png")
    for pixels in load_images([tmp_path], pre).pixels:
        assert not pixels[:4].any()
        assert (pixels[4:] == 255).all()


NAMES = ["a\nb.png", "\x1b[31mred.png", "[bold]x[].png", "ünï cödé.png", "-o.png", "100%.png", "x" * 200 + ".png"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"latin-\xe9.png")])
def test_any_file_name_works_and_is_printable(tmp_path, name):
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    (tmp_path / f"broken {name}").write_bytes(b"no picture")
    for images in (load_images([tmp_path], GREY), load_crops([tmp_path], GREY, 2, 0)):
        assert len(images) in (1, 2)
        for text in (*images.names, *images.skipped, images.description):
            assert text.isprintable()
            text.encode()
    (argument,) = arguments({"images": tmp_path / name}).values()
    assert argument.isprintable()


def test_suffixes_in_capitals_count(tmp_path):
    np.savez(tmp_path / "a.npz", images=RAMP.astype(np.uint8)[None])
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert is_array_file(tmp_path / "A.NPZ")
    np.testing.assert_array_equal(load_images([tmp_path / "A.NPZ"], GREY).pixels[0, ..., 0], RAMP)


def test_pictures_of_a_dataset_are_treated_alike():
    file = io.BytesIO()
    Image.fromarray((RAMP * 257).astype(np.uint16)).save(file, "PNG")
    deep = from_dataset([Image.open(file)], GREY, "deep")
    np.testing.assert_array_equal(deep.pixels[0, ..., 0], RAMP)
