"""Reading traces: any damage is refused with one line, before memory is taken; one map is read without the others."""

import json
import mmap

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.builders import map_name, tamper, trace_header, write_trace
from zapsim.errors import TraceError
from zapsim.tracefile.reader import Trace

MASK = map_name("t=0", 0, "conv2", "mask")


@pytest.fixture
def path(tmp_path):
    return write_trace(tmp_path / "trace.safetensors", trace_header(images=2, points=("t=0", "t=0.5")))


def fault_of(path, read=Trace) -> str:
    """Return the fault of the file without its path; it must be one line."""
    with pytest.raises(TraceError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def all_maps(path) -> None:
    """Read everything."""
    trace = Trace(path)
    for point in trace.header.operating_points:
        for _ in trace.layers(point.name):
            pass


# --- not a trace ----------------------------------------------------------------------------------------------------


def test_missing(tmp_path):
    assert fault_of(tmp_path / "none.safetensors") == "no such trace file"
    assert fault_of(tmp_path) == "no such trace file"


@pytest.mark.parametrize("bytes_", [b"", b"\x93NUMPY", b"PK\x03\x04" + bytes(40), b"{}" * 100, b"\x80\x04K\x00." * 9])
def test_another_kind_of_file(tmp_path, bytes_):
    (tmp_path / "file").write_bytes(bytes_)
    assert fault_of(tmp_path / "file").startswith("not a whole safetensors file (Error while deserializing header: ")


def test_foreign_safetensors(tmp_path):
    for name, metadata in (("plain", None), ("torch", {"format": "pt"})):
        save_file({"weight": np.zeros(3)}, tmp_path / name, metadata=metadata)
        assert fault_of(tmp_path / name) == "a safetensors file, but not a zapsim trace (no 'zapsim_trace' metadata)"


def test_truncated_at_any_length(path):
    whole = path.read_bytes()
    lengths = {*range(0, 64), *range(64, len(whole), 97), *range(len(whole) - 16, len(whole))}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        assert fault_of(path).startswith("not a whole safetensors file (")


def test_bytes_after_the_end(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert fault_of(path).startswith("not a whole safetensors file (")


# --- headers --------------------------------------------------------------------------------------------------------


def shape_of(head, layer=1):
    return head["layers"][layer]["shape"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda h: h.update(version=3), "version: Input should be 1 or 2 (this zapsim reads versions 1 to 2)"),
        (lambda h: h.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda h: h["network"].update(weihgts="x"), "network.weihgts: Extra inputs are not permitted"),
        (lambda h: shape_of(h).update(T=1), "layers.1.shape.T: Unexpected keyword argument"),
        (lambda h: h["network"].update(weights_sha256="beef"),
         "network.weights_sha256: String should match pattern '^[0-9a-f]{64}$'"),
        (lambda h: h.pop("network"), "network: Field required"),
        (lambda h: h.update(layers=[]), "layers: Tuple should have at least 1 item after validation, not 0"),
        (lambda h: shape_of(h).update(C="five"),
         "layers.1.shape.C: Input should be a valid integer, unable to parse string as an integer"),
        (lambda h: shape_of(h).update(K=0), "layer conv2: K must be at least 1, got 0"),
        (lambda h: shape_of(h).update(name="conv1"), "header: two layers have the same name"),
        (lambda h: shape_of(h).update(name="a\nb"), "header: must be one printable line, got 'a\\nb'"),
        (lambda h: shape_of(h).update(N=2), "header: layer conv2: a traced layer has N = 1, got 2"),
        (lambda h: h["network"].update(name="evil\x1b[2J"),
         "network.name: must be one printable line, got 'evil\\x1b[2J'"),
        (lambda h: h["operating_points"][1].update(name="t=0"),
         "header: two operating points have the same name"),
        (lambda h: h["operating_points"][0]["predictors"].update(conv9={"pattern": "1/2", "threshold": 0}),
         "header: operating point t=0 sets unknown layers: conv9"),
        (lambda h: h["operating_points"][0]["predictors"]["conv2"].update(pattern="1/7"),
         "operating_points.0.predictors.conv2: unknown pattern '1/7'; "
         "known: 1/4, 1/3, 1/3r, 1/3c, 2/5, 1/2, 1/2r, 1/2c, 3/5, 2/3, 3/4"),
        (lambda h: h["operating_points"][0]["predictors"]["conv2"].update(threshold=float("nan")),
         "operating_points.0.predictors.conv2.threshold: Input should be a finite number"),
        (lambda h: h["operating_points"][0].update(predictors={}),
         f"map {MASK} does not belong to any layer of the header"),
        (lambda h: h.update(images=h["images"][:1]),
         "map t=0.5/1/conv1/ifmap_nonzero does not belong to any layer of the header"),
    ],
)  # fmt: skip
def test_header_faults(path, change, fault):
    assert fault_of(tamper(path, header=change)) == fault


def test_header_is_not_json(tmp_path):
    save_file({}, tmp_path / "trace", metadata={"zapsim_trace": "not json"})
    assert fault_of(tmp_path / "trace").startswith("header: Invalid JSON: ")


def test_deeply_nested_header(tmp_path):
    save_file({}, tmp_path / "trace", metadata={"zapsim_trace": '{"provenance": ' + "[" * 100_000})
    assert fault_of(tmp_path / "trace").startswith("header: Invalid JSON: ")


def raw(path, entries) -> None:
    text = json.dumps(entries).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def test_sizes_are_compared_with_the_file_before_memory_is_taken(path):
    """A header that claims 10 TB, in every place that could."""
    import tracemalloc

    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    entries = json.loads(whole[8 : 8 + length])
    head = json.loads(entries["__metadata__"]["zapsim_trace"])
    shape_of(head, 1).update(H=10**6, W=10**6, stride=[10**6, 10**6])
    huge = {"dtype": "U8", "shape": [10**6, 10**6, 1], "data_offsets": [0, 10**12]}
    claims = [
        {**entries, "__metadata__": {"zapsim_trace": json.dumps(head)}},
        {**entries, MASK: huge},
        {"__metadata__": {"zapsim_trace": json.dumps(head)}, "t=0/0/conv2/ifmap_nonzero": huge},
    ]
    tracemalloc.start()
    for claim in claims:
        text = json.dumps(claim).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
        fault_of(path)
    path.write_bytes((10**13).to_bytes(8, "little") + whole[8:])
    fault_of(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# --- maps -----------------------------------------------------------------------------------------------------------


def test_a_mask_of_another_shape_than_its_layer(path):
    def smaller(maps):
        maps[MASK] = np.ascontiguousarray(maps[MASK][:, :4])

    fault = fault_of(tamper(path, maps=smaller))
    assert fault == f"map {MASK} must be U8 (3, 5, 2) by its layer's shape, got U8 (3, 4, 2)"


def test_a_map_of_another_type(path):
    def wider(maps):
        maps[MASK] = maps[MASK].astype(np.int16)

    assert (
        fault_of(tamper(path, maps=wider)) == f"map {MASK} must be U8 (3, 5, 2) by its layer's shape, got I16 (3, 5, 2)"
    )


def test_a_map_is_missing(path):
    assert fault_of(tamper(path, maps=lambda maps: maps.pop(MASK))) == f"map {MASK} is missing"


def test_an_extra_map(path):
    def add_one(maps):
        maps["intruder"] = np.zeros(1, dtype=np.uint8)

    assert fault_of(tamper(path, maps=add_one)) == "map intruder does not belong to any layer of the header"


def flip(maps, name=MASK):
    maps[name][0, 0, 0] ^= 2


def test_a_map_that_was_changed(path):
    tamper(path, maps=flip, seal=False)
    assert fault_of(path, all_maps) == f"map {MASK} does not match its digest: the file was damaged or changed"


def test_a_map_without_a_digest(path):
    tamper(path, header=lambda head: head["digests"].pop(MASK))
    assert fault_of(path, all_maps) == f"map {MASK} does not match its digest: the file was damaged or changed"


def test_one_map_is_read_without_the_others(path):
    before = [layer.mask.unpack() for layer in Trace(path).layers("t=0", [1]) if layer.mask]
    tamper(path, maps=flip, seal=False)
    trace = Trace(path)
    assert [layer.shape.name for layer in trace.layers("t=0.5")] == ["conv1", "conv2", "fc"]
    assert (next(layer.mask for layer in trace.layers("t=0", [1]) if layer.mask).unpack() == before[0]).all()
    layers = trace.layers("t=0", [0])
    assert next(layers).shape.name == "conv1"
    with pytest.raises(TraceError, match="does not match its digest"):
        next(layers)


def test_a_mask_that_leaves_out_its_pattern(path):
    def empty(maps):
        maps[MASK][:] = 0

    tamper(path, maps=empty)
    assert fault_of(path, all_maps) == "layer conv2: the mask leaves out outputs of its own pattern"


def test_bits_beyond_the_last_channel(path):
    def beyond(maps):
        maps[MASK][2, 4, 1] |= 0b1000  # channel 11 of 0 to 10

    tamper(path, maps=beyond)
    expected = f"map {MASK}: a packed map of 11 channels has bits set beyond its last channel"
    assert fault_of(path, all_maps) == expected


# --- names and indices that are missing -----------------------------------------------------------------------------


def test_operating_points(path):
    trace = Trace(path)
    assert trace.operating_point().name == "t=0"
    assert trace.operating_point("t=0.5").name == "t=0.5"
    assert fault_of(path, lambda _: trace.operating_point("t=0.6")) == (
        "no operating point 't=0.6' (did you mean 't=0.5'?); it has: t=0, t=0.5"
    )
    assert fault_of(path, lambda _: next(trace.layers("best"))) == "no operating point 'best'; it has: t=0, t=0.5"


@pytest.mark.parametrize(
    ("images", "fault"), [([2], "no image 2; it holds 0 to 1"), ([0, -1], "no image -1; it holds 0 to 1")]
)
def test_images(path, images, fault):
    for of_images in (lambda trace: next(trace.layers(images=images)), lambda trace: trace.image_indices(images)):
        assert fault_of(path, lambda _, read=of_images: read(Trace(path))) == fault


def test_no_image(path):
    assert fault_of(path, lambda _: next(Trace(path).layers(images=[]))) == "no image is chosen; it holds 0 to 1"


def test_a_changed_header_is_refused(tmp_path):
    """A threshold was changed by hand, in a file that is otherwise whole."""
    path = write_trace(tmp_path / "a.safetensors")
    data = path.read_bytes()
    assert data.count(b"threshold") > 0
    at = data.index(b"threshold") + len(b'threshold\\":')
    digit = data[at : at + 1]
    path.write_bytes(data[:at] + (b"7" if digit != b"7" else b"8") + data[at + 1 :])
    with pytest.raises(TraceError) as caught:
        Trace(path)
    assert str(caught.value) == f"{path}: the header does not match its digest: the file was damaged or changed"


def test_a_file_without_read_permission(tmp_path, monkeypatch):
    path = write_trace(tmp_path / "trace")
    monkeypatch.setattr("zapsim.reading.regular_file.os.access", lambda *_args: False)
    with pytest.raises(TraceError) as caught:
        Trace(path)
    assert str(caught.value) == f"{path}: cannot be read (Permission denied)"


def test_maps_of_one_image_are_the_file_itself(tmp_path):
    """Processes that read a trace share its memory, and none can write to the file by mistake."""
    path = write_trace(tmp_path / "tiny.safetensors")
    before = path.read_bytes()
    for layer in Trace(path).layers():
        bits = layer.ifmap_nonzero.bits
        held = bits
        while isinstance(held, np.ndarray):
            held = held.base
        assert isinstance(held, mmap.mmap)
        bits[:] = 0
    assert path.read_bytes() == before
