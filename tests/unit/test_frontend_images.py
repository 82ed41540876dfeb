"""Pictures, crops and idx files, whole and broken."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.builders import write_idx
from zapsim.errors import FrontendError
from zapsim.frontend.data.arrays import read_idx
from zapsim.frontend.data.images import load_crops, load_images
from zapsim.frontend.data.preprocessing import IMAGENET, Preprocessing

pytestmark = pytest.mark.frontend

RGB = Preprocessing(size=8, resize=10, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0))
BGR = Preprocessing(size=8, resize=10, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0), colours="BGR")
GREY = Preprocessing(size=6, resize=6, mean=(0.0,), std=(255.0,), colours="L")


def picture(path: Path, size: tuple[int, int] = (30, 20), colour: tuple[int, int, int] = (10, 20, 30)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_pictures_become_centre_crops_in_the_networks_colours(tmp_path: Path):
    images = load_images([picture(tmp_path / "a.png")], RGB)
    assert images.pixels.shape == (1, 8, 8, 3)
    rgb, bgr = images.tensor([0]), load_images([tmp_path / "a.png"], BGR).tensor([0])
    assert rgb.shape == (1, 3, 8, 8)
    assert rgb[0, :, 0, 0].tolist() == [4.5, 9.0, 13.5]
    assert bgr[0, :, 0, 0].tolist() == [14.5, 9.0, 3.5]


def test_the_centre_crop_is_the_centre(tmp_path: Path):
    pixels = np.zeros((40, 100, 3), dtype=np.uint8)
    pixels[4:36, 34:66] = 255  # 40 is scaled to 10, so that 8 covers 32 pixels
    Image.fromarray(pixels).save(tmp_path / "a.png")
    crop = load_images([tmp_path / "a.png"], RGB).pixels[0]
    assert crop[1:-1, 1:-1].min() == 255


def test_a_picture_that_does_not_decode_is_named_and_left_out(tmp_path: Path):
    picture(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 not a picture")
    (tmp_path / "truncated.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("not a picture, and does not claim to be")
    for images in (load_images([tmp_path], RGB), load_crops([tmp_path], RGB, 5, seed=0)):
        assert images.skipped == ("bad.jpg", "truncated.png")
        assert set(images.names) == {"good.png"}


def test_no_pictures_at_all_are_an_error(tmp_path: Path):
    with pytest.raises(FrontendError, match="no such picture or folder"):
        load_images([tmp_path / "missing"], RGB)
    with pytest.raises(FrontendError, match="no pictures in"):
        load_crops([tmp_path], RGB, 5, seed=0)
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    with pytest.raises(FrontendError, match="none of 1 pictures decodes"):
        load_crops([tmp_path], RGB, 5, seed=0)


def test_crops_are_spread_over_the_pictures_and_depend_on_the_seed_alone(tmp_path: Path, rng: np.random.Generator):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / name)
    crops, again, other = (load_crops([tmp_path], RGB, 8, seed) for seed in (1, 1, 2))
    assert sorted(crops.names.count(name) for name in ("a.png", "b.png", "c.png")) == [2, 3, 3]
    np.testing.assert_array_equal(crops.pixels, again.pixels)
    assert not np.array_equal(crops.pixels, other.pixels)
    assert "seed 1" in crops.description
    assert str(tmp_path) not in crops.description


def test_a_picture_smaller_than_the_input_is_scaled_up(tmp_path: Path):
    picture(tmp_path / "tiny.png", size=(5, 3))
    assert load_crops([tmp_path], IMAGENET, 2, seed=0).pixels.shape == (2, 224, 224, 3)
    assert load_images([tmp_path], IMAGENET).pixels.shape == (1, 224, 224, 3)


def test_idx_files_plain_and_gzipped_with_labels(tmp_path: Path, rng: np.random.Generator):
    values = rng.integers(0, 256, (7, 6, 6))
    images = write_idx(tmp_path / "t-images-idx3-ubyte", values)
    labels = write_idx(tmp_path / "t-labels-idx1-ubyte", np.arange(7))
    zipped = tmp_path / "t-images-idx3-ubyte.gz"
    zipped.write_bytes(gzip.compress(images.read_bytes()))
    for path in (images, zipped):
        loaded = load_images([path], GREY, labels)
        np.testing.assert_array_equal(loaded.pixels[..., 0], values)
        assert loaded.labels is not None
        assert loaded.labels.tolist() == list(range(7))
    assert loaded.first(2).names == ("t-images-idx3-ubyte.gz[0]", "t-images-idx3-ubyte.gz[1]")
    drawn = load_crops([images], GREY, 4, seed=3)
    assert len(drawn) == len(set(drawn.names)) == 4
    with pytest.raises(FrontendError, match="8 images wanted, but 7 images of t-images-idx3-ubyte has only 7"):
        load_crops([images], GREY, 8, seed=3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an idx file"),
        (b"PNG..", "not an idx file"),
        (b"\0\0\x0d\x03" + bytes(12), "got type 13"),
        (b"\0\0\x08\x01" + bytes(4), "got type 8 in 1"),
        (b"\0\0\x08\x03" + bytes(5), "ends before its sizes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "idx file of"),
        (b"\x1f\x8b broken", "cannot be read"),
    ],
)
def test_broken_idx_files_are_refused(tmp_path: Path, data: bytes, message: str):
    path = tmp_path / "x-ubyte"
    path.write_bytes(data)
    with pytest.raises(FrontendError, match=message):
        read_idx(path, dims=3)


def test_images_of_another_size_or_number_than_wanted_are_refused(tmp_path: Path):
    images = write_idx(tmp_path / "i-ubyte", np.zeros((3, 5, 5)))
    with pytest.raises(FrontendError, match="grey images of 5×5, but the network takes L images of 6×6"):
        load_images([images], GREY)
    images = write_idx(tmp_path / "i-ubyte", np.zeros((3, 6, 6)))
    with pytest.raises(FrontendError, match="4 labels, but i-ubyte has 3 images"):
        load_images([images], GREY, write_idx(tmp_path / "l-ubyte", np.zeros(4)))
    with pytest.raises(FrontendError, match="used alone"):
        load_images([images, picture(tmp_path / "a.png")], GREY)
    with pytest.raises(FrontendError, match="labels go with an idx file"):
        load_images([picture(tmp_path / "a.png")], RGB, images)
    with pytest.raises(FrontendError, match="no such idx file"):
        load_images([tmp_path / "missing-ubyte"], GREY)


@pytest.mark.parametrize(
    "fault", [{"size": 0}, {"resize": 4}, {"mean": (1.0,)}, {"std": (1.0, 0.0, 1.0)}, {"colours": "L"}]
)
def test_impossible_preprocessing_is_refused(fault: dict[str, object]):
    good = {"size": 8, "resize": 10, "mean": (1.0, 2.0, 3.0), "std": (1.0, 1.0, 1.0)}
    with pytest.raises(FrontendError, match="preprocessing"):
        Preprocessing(**(good | fault))
