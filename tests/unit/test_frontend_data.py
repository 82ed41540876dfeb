"""Folders by class, npz files, torch datasets, and sets that are too large for memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from tests.frontend_support import small_graph, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.data.arrays import from_dataset
from zapsim.frontend.data.image_set import ImageSet, ImageStore
from zapsim.frontend.data.images import load_crops, load_images
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.skipping import operating_point

pytestmark = pytest.mark.frontend

RGB = Preprocessing(size=8, resize=10, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0))
GREY = Preprocessing(size=6, resize=6, mean=(0.0,), std=(255.0,), colours="L")


@pytest.fixture
def by_class(tmp_path: Path) -> Path:
    """Classes cat (2 pictures and a broken one), dog (1 of the same name) and a hidden folder."""
    for name, colour in (("cat/1.png", 10), ("cat/2.png", 20), ("dog/1.png", 30), (".cache/1.png", 40)):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (colour, colour, colour)).save(path)
    (tmp_path / "data" / "cat" / "broken.png").write_bytes(b"broken")
    return tmp_path / "data"


def test_a_folder_by_class_gives_labels(by_class: Path):
    images = load_images([by_class], RGB)
    assert images.names == ("cat/1.png", "cat/2.png", "dog/1.png")
    assert images.labels.tolist() == [0, 0, 1]
    assert images.pixels[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert images.skipped == ("broken.png",)
    crops = load_crops([by_class], RGB, 6, seed=0)
    classes = {10: 0, 20: 0, 30: 1}
    assert [classes[int(one[0, 0, 0])] for one in crops.pixels] == crops.labels.tolist()
    assert load_images([by_class / "cat"], RGB).labels is None


def test_an_empty_class_and_labels_beside_a_folder_are_refused(by_class: Path):
    with pytest.raises(FrontendError, match="pictures have theirs from a folder by class"):
        load_images([by_class], RGB, labels=by_class / "labels")
    (by_class / "empty").mkdir()
    with pytest.raises(FrontendError, match=r"no pictures in .*empty"):
        load_images([by_class], RGB)


def test_too_few_pictures_are_said(by_class: Path):
    assert len(load_images([by_class], RGB, count=3)) == 3
    assert load_images([by_class], RGB, count=1).skipped == ()
    with pytest.raises(FrontendError, match="5 images wanted, but there are only 4 pictures"):
        load_images([by_class], RGB, count=5)
    with pytest.raises(FrontendError, match="4 images wanted, but only 3 of 4 pictures decode"):
        load_images([by_class], RGB, count=4)
    with pytest.raises(FrontendError, match="at least one image"):
        load_images([by_class], RGB, count=0)


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("channels", [(), (1,)])
@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("x", "y")])
def test_npz_files(tmp_path: Path, rng: np.random.Generator, channels: tuple[int, ...], images: str, labels: str):
    values = rng.integers(0, 256, (5, 6, 6, *channels), dtype=np.uint8)
    path = npz(tmp_path / "d.npz", **{images: values, labels: np.arange(5, dtype=np.int16)})
    loaded = load_images([path], GREY)
    np.testing.assert_array_equal(loaded.pixels.reshape(values.shape), values)
    assert loaded.labels.tolist() == [0, 1, 2, 3, 4]
    assert loaded.names[1] == "d.npz[1]"
    assert load_images([path], GREY, count=2).names == ("d.npz[0]", "d.npz[1]")
    assert len(load_crops([path], GREY, 3, seed=0)) == 3
    with pytest.raises(FrontendError, match=r"6 images wanted, but 5 images of d\.npz has only 5"):
        load_images([path], GREY, count=6)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"images": np.array([object()])}, "not an npz file of plain arrays"),
        ({"pictures": np.zeros((1, 6, 6), np.uint8)}, "holds no array 'images'"),
        ({"images": np.zeros((1, 6, 6))}, r"must be uint8 .* got float64 \(1, 6, 6\)"),
        ({"images": np.zeros((0, 6, 6), np.uint8)}, "must be uint8"),
        ({"images": np.zeros((2, 6, 6), np.uint8), "labels": np.zeros(2)}, "labels must be integers"),
        ({"images": np.zeros((2, 6, 6), np.uint8), "labels": np.zeros(3, int)}, "3 labels, but d.npz has 2 images"),
        ({"images": np.zeros((2, 7, 6), np.uint8)}, "grey images of 7×6, but the network takes L images of 6×6"),
        ({"images": np.zeros((2, 6, 6, 3), np.uint8)}, "RGB images of 6×6, but"),
    ],
)
def test_npz_files_that_cannot_be_used(tmp_path: Path, arrays: dict[str, np.ndarray], fault: str):
    with pytest.raises(FrontendError, match=fault):
        load_images([npz(tmp_path / "d.npz", **arrays)], GREY)


def test_an_npz_file_that_is_none(tmp_path: Path):
    (tmp_path / "d.npz").write_bytes(b"PK broken")
    for path, fault in ((tmp_path / "d.npz", "not an npz file"), (tmp_path / "no.npz", "no such npz file")):
        with pytest.raises(FrontendError, match=fault):
            load_images([path], GREY)


class Pictures(Dataset):
    """Pictures of several kinds, each all of one colour, with its number as class."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[object, int]:
        colour = 10 * index
        whole = np.full((20, 30, 3), colour, dtype=np.uint8)
        kinds = (Image.fromarray(whole), whole, torch.from_numpy(whole).permute(2, 0, 1), whole[..., 0])
        return kinds[index], index


def test_a_dataset_of_pictures():
    images = from_dataset(Pictures(), RGB, "four pictures")
    assert images.pixels.shape == (4, 8, 8, 3)
    assert images.pixels[:, 4, 4, 1].tolist() == [0, 10, 20, 30]
    assert images.labels.tolist() == [0, 1, 2, 3]
    assert images.description == "four pictures"
    assert len(from_dataset(Pictures(), RGB, "four pictures", count=2)) == 2
    with pytest.raises(FrontendError, match="5 images wanted, but four pictures has only 4"):
        from_dataset(Pictures(), RGB, "four pictures", count=5)


def test_a_dataset_of_inputs_reaches_the_network_as_it_is():
    inputs, classes = torch.randn(6, 2, 5, 9), torch.arange(6)
    images = from_dataset(TensorDataset(inputs, classes), RGB, "inputs")
    assert torch.equal(images.tensor([4, 1]), inputs[[4, 1]])
    assert torch.equal(next(images.batches(4))[0], inputs[:4])
    assert images.first(2).labels.tolist() == [0, 1]
    assert len({images.sha256(index) for index in range(6)}) == 6
    assert from_dataset(iter(inputs), RGB, "no classes").labels is None


@pytest.mark.parametrize(
    ("items", "fault"),
    [
        ([], "some images wanted, but bad has only 0"),
        (["a.png"], "item 0 of the dataset: expected a picture.* got str"),
        ([torch.zeros(3, 4)], "got Tensor|got ndarray"),
        ([torch.zeros(1, 4, 4), torch.zeros(1, 4, 5)], r"item 1 is \(1, 4, 5\), the first is \(1, 4, 4\)"),
        ([(torch.zeros(1, 4, 4), 1), torch.zeros(1, 4, 4)], "only 1 of 2 items have a class"),
    ],
)
def test_datasets_that_cannot_be_used(items: list[object], fault: str):
    with pytest.raises(FrontendError, match=fault):
        from_dataset(items, GREY, "bad")


@pytest.mark.parametrize("in_memory_bytes", [0, 100, 10**6])
def test_a_store_gives_back_what_it_took(rng: np.random.Generator, in_memory_bytes: int):
    values = rng.integers(0, 256, (9, 4, 5, 1), dtype=np.uint8)
    store = ImageStore(in_memory_bytes)
    for one in values:
        store.add(one)
    array = store.array()
    del store
    np.testing.assert_array_equal(array, values)
    assert isinstance(array, np.memmap) == (in_memory_bytes < values.nbytes)


def traced_peak(path: Path, images: ImageSet, network: Network) -> int:
    """Trace without predictors; return the most bytes that Python and numpy held."""
    graph = small_graph(network)
    points = (operating_point("all", {}, {}),)
    tracemalloc.start()
    try:
        header = trace_header(network, graph, {}, points, images, {})
        capture(path, header, network, graph, {}, images, measure=True)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_maps_of_many_images(tmp_path: Path):
    model = nn.Sequential(nn.Conv2d(1, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 256, 1), nn.ReLU())
    images = smooth_images(40)
    network = Network(model, "wide", "random", images.preprocessing)
    few, many = (traced_peak(tmp_path / str(count), images.first(count), network) for count in (4, 40))
    grown = ((tmp_path / "40").stat().st_size - (tmp_path / "4").stat().st_size) / 36
    assert grown > 20_000, "bytes of an image's maps in the file"
    # What does grow is the header: a digest a map.
    assert (many - few) / 36 < 0.2 * grown
