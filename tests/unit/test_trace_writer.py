"""Writing traces: round trips, the same bytes each time, whole files or none."""

from pathlib import Path

import numpy as np
import pytest

from tests.builders import LAYERS, conv, map_name, random_map, trace_header, trace_maps, write_trace
from zapsim.errors import TraceError
from zapsim.patterns import PATTERNS
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import TracedLayer, map_kinds
from zapsim.tracefile.writer import TraceWriter

TWO_BY_TWO = trace_header(images=2, points=("t=0", "t=0.5"))


def test_what_was_written_is_read(tmp_path):
    path = write_trace(tmp_path / "trace.safetensors", TWO_BY_TWO)
    written = {one[:4]: one[4] for one in trace_maps(TWO_BY_TWO)}
    trace = Trace(path)
    for point in TWO_BY_TWO.operating_points:
        for image in range(2):
            layers = list(trace.layers(point.name, [image]))
            assert [layer.shape for layer in layers] == [one.shape for one in LAYERS]
            for traced, layer in zip(LAYERS, layers, strict=True):
                for kind in map_kinds(traced, point):
                    found, expected = getattr(layer, kind), written.pop((point.name, image, layer.shape.name, kind))
                    assert (found.unpack() == expected.unpack()).all()
                assert layer.setting == point.predictors.get(layer.shape.name)
    assert not written


def test_header_is_read_as_it_was_written(tmp_path):
    header = Trace(write_trace(tmp_path / "trace.safetensors", TWO_BY_TWO)).header
    assert header.model_copy(update={"digests": {}}) == TWO_BY_TWO
    assert set(header.digests) == {name for name, _ in TWO_BY_TWO.tensors()}


def test_images_are_stacked_into_a_batch(tmp_path):
    trace = Trace(write_trace(tmp_path / "trace.safetensors", trace_header(images=3)))
    singles = [next(trace.layers(images=[image])) for image in range(3)]
    both = next(trace.layers(images=[2, 0]))
    assert both.shape.N == 2
    assert (both.ifmap_nonzero.unpack()[0] == singles[2].ifmap_nonzero.unpack()[0]).all()
    assert (both.ifmap_nonzero.unpack()[1] == singles[0].ifmap_nonzero.unpack()[0]).all()
    assert next(trace.layers()).shape.N == 3


def test_maps_come_in_any_order_and_give_the_same_bytes(tmp_path):
    first = write_trace(tmp_path / "first", TWO_BY_TWO)
    again = write_trace(tmp_path / "again", TWO_BY_TWO)
    backwards = tmp_path / "backwards"
    with TraceWriter(backwards, TWO_BY_TWO) as writer:
        for one in reversed(list(trace_maps(TWO_BY_TWO))):
            writer.write(*one)
    assert first.read_bytes() == again.read_bytes() == backwards.read_bytes()


def test_hash_follows_the_maps_and_the_header(tmp_path):
    other = trace_header(provenance={"seed": 8})
    hashes = {
        Trace(write_trace(tmp_path / f"{index}", header, seed)).hash
        for index, (header, seed) in enumerate([(trace_header(), 0), (trace_header(), 1), (other, 0)])
    }
    assert len(hashes) == 3


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern(tmp_path, pattern):
    trace = Trace(write_trace(tmp_path / "trace", trace_header(pattern=pattern)))
    layer = list(trace.layers())[1]
    assert layer.setting.pattern == pattern
    assert not layer.pattern_outputs().without(layer.mask).count()


def test_values_beside_the_maps(tmp_path, rng):
    layer = TracedLayer(shape=conv(), relu=True)
    header = trace_header((layer,), values=("early_exit_macs",))
    exits = rng.integers(1, 28, (1, 6, 5, 4)).astype(np.uint16)
    with TraceWriter(tmp_path / "trace", header) as writer:
        for one in trace_maps(header):
            writer.write(*one)
        writer.write_values("t=0", 0, "conv", "early_exit_macs", exits)
    assert (next(Trace(tmp_path / "trace").layers()).early_exit_macs == exits).all()


# --- whole or not at all --------------------------------------------------------------------------------------------


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_under_its_name_before_the_last_map(tmp_path):
    path = tmp_path / "trace.safetensors"
    with TraceWriter(path, trace_header()) as writer:
        for one in trace_maps(trace_header()):
            writer.write(*one)
            assert not path.exists()
    assert files(tmp_path) == ["trace.safetensors"]


def test_an_exception_leaves_nothing(tmp_path):
    def interrupted():
        with TraceWriter(tmp_path / "trace", trace_header()) as writer:
            writer.write(*next(trace_maps(trace_header())))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files(tmp_path) == []


def test_an_exception_leaves_the_file_that_was_there(tmp_path):
    path = write_trace(tmp_path / "trace")
    before = path.read_bytes()
    with pytest.raises(TraceError, match="not written"), TraceWriter(path, trace_header()):
        pass
    assert path.read_bytes() == before
    assert files(tmp_path) == ["trace"]


def test_missing_maps(tmp_path):
    path, header = tmp_path / "trace", trace_header()

    def without_the_mask():
        with TraceWriter(path, header) as writer:
            for one in trace_maps(header):
                if one[3] != "mask":
                    writer.write(*one)

    with pytest.raises(TraceError) as caught:
        without_the_mask()
    assert str(caught.value) == f"{path}: 1 maps were not written, the first is t=0/0/conv2/mask"
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "size", "fault"),
    [
        (("t=0", 0, "conv1", "mask"), (1, 6, 5, 5), "map t=0/0/conv1/mask is not in the trace's header"),
        (("t=1", 0, "conv2", "mask"), (1, 3, 5, 11), "map t=1/0/conv2/mask is not in the trace's header"),
        (("t=0", 1, "conv2", "mask"), (1, 3, 5, 11), "map t=0/1/conv2/mask is not in the trace's header"),
        (("t=0", 0, "conv2", "mask"), (1, 3, 4, 11), "map t=0/0/conv2/mask must be (1, 3, 5, 2), got (1, 3, 4, 2)"),
        (
            ("t=0", 0, "conv2", "mask"),
            (2, 3, 5, 11),
            "map t=0/0/conv2/mask must be (1, 3, 5, 2), got (2, 3, 5, 2)",
        ),
    ],
)
def test_a_map_that_does_not_belong(tmp_path, rng, place, size, fault):
    with pytest.raises(TraceError) as caught, TraceWriter(tmp_path / "trace", trace_header()) as writer:
        writer.write(*place, random_map(rng, size, 0.5))
    assert str(caught.value) == f"{tmp_path / 'trace'}: {fault}"
    assert files(tmp_path) == []


def test_a_map_twice(tmp_path):
    one = next(trace_maps(trace_header()))

    def twice():
        with TraceWriter(tmp_path / "trace", trace_header()) as writer:
            writer.write(*one)
            writer.write(*one)

    with pytest.raises(TraceError) as caught:
        twice()
    assert str(caught.value) == f"{tmp_path / 'trace'}: map {map_name(*one[:4])} was already written"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "trace"
    with pytest.raises(TraceError) as caught, TraceWriter(path, trace_header()):
        pass
    assert str(caught.value) == f"{path}: cannot be written (File exists)"


def test_a_folder_is_made(tmp_path):
    assert write_trace(tmp_path / "new" / "folder" / "trace").exists()


def test_memory_does_not_grow_with_the_images(tmp_path):
    """The writer keeps digests, not maps."""
    import tracemalloc

    layer = TracedLayer(shape=conv(H=128, W=128, C=64, K=64), relu=True, unpredicted="not here")

    def peak_memory(images: int) -> int:
        header = trace_header((layer,), images=images)
        full = PackedMap.full(1, 128, 128, 64)
        tracemalloc.start()
        with TraceWriter(tmp_path / "trace", header) as writer:
            for image in range(images):
                writer.write("t=0", image, "conv", "ifmap_nonzero", full)
                writer.write("t=0", image, "conv", "ofmap_nonzero", full)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = peak_memory(2), peak_memory(20)  # 512 KiB and 5 MiB of maps
    assert many - few < 200_000


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_path_that_cannot_be_a_file(tmp_path, monkeypatch, name):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(TraceError, match="cannot be written"):
        write_trace(Path(name))
    assert files(tmp_path) == ["inner"]
    assert files(tmp_path / "inner") == []


def test_a_full_disk(tmp_path, monkeypatch):
    """An error of the file system becomes one line, and no file is left."""

    def full(*_args):
        raise OSError(28, "No space left on device")

    path = tmp_path / "trace"
    monkeypatch.setattr("zapsim.tracefile.writer.os.fsync", full)
    with pytest.raises(TraceError) as caught:
        write_trace(path)
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert files(tmp_path) == []


def test_names_that_would_give_two_maps_one_name():
    layers = (TracedLayer(shape=conv("0/b"), relu=False), TracedLayer(shape=conv("b"), relu=False))
    with pytest.raises(ValueError, match="two maps have the same name"):
        trace_header(layers, points=("a", "a/0"))
