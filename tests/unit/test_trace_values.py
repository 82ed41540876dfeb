"""Traces that hold early-exit counts beside their maps."""

import json

import numpy as np
import pytest

from zapsim.errors import TraceError
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import (
    Image,
    LayerTrace,
    Network,
    OperatingPoint,
    TracedLayer,
    TraceHeader,
    count_dtype,
    map_kinds,
)
from zapsim.tracefile.writer import TraceWriter
from zapsim.workload import ConvShape

SHAPES = (
    ConvShape("small", C=3, H=4, W=5, K=5, R=3, S=3, padding=(1, 1, 1, 1)),
    ConvShape("wide", C=70_000, H=1, W=1, K=2, R=1, S=1),
    ConvShape("last", C=5, H=4, W=5, K=3, R=1, S=1),
)
POINT = OperatingPoint(name="all", predictors={}, quality={}, quality_note="")


def header(**changed):
    values = {"network": Network(name="net", weights_sha256="0" * 64, source="none")}
    values["images"] = tuple(Image(name=f"picture {n}", sha256="0" * 64, source="none") for n in range(2))
    values["layers"] = tuple(TracedLayer(shape=shape, relu=shape.name != "last") for shape in SHAPES)
    values |= {"operating_points": (POINT,), "provenance": {}, "values": ("early_exit_macs",)}
    return TraceHeader(**(values | changed))


def counts(shape, image):
    rng = np.random.default_rng(image)
    dtype = np.uint16 if count_dtype(shape) == "U16" else np.uint32
    return rng.integers(1, shape.macs_per_output + 1, (1, shape.P, shape.Q, shape.K)).astype(dtype)


def write_maps(writer, image, layer):
    shape = layer.shape
    for kind in map_kinds(layer, POINT):
        dims = (1, shape.H, shape.W, shape.C) if kind == "ifmap_nonzero" else (1, shape.P, shape.Q, shape.K)
        writer.write("all", image, shape.name, kind, PackedMap.full(*dims))


def write(path, head, revised=None, spare_bytes=0):
    with TraceWriter(path, head, spare_bytes) as writer:
        for image in range(2):
            for layer in head.layers:
                write_maps(writer, image, layer)
                if layer.relu and head.values:
                    values = counts(layer.shape, image)
                    writer.write_values("all", image, layer.shape.name, "early_exit_macs", values)
        if revised is not None:
            writer.revise(revised)
    return Trace(path)


def test_counts_come_back_as_they_were(tmp_path):
    trace = write(tmp_path / "trace.safetensors", header())
    small, wide, last = trace.layers()
    for layer, dtype in ((small, np.uint16), (wide, np.uint32)):
        shape = layer.shape.batch(1)
        assert layer.early_exit_macs.dtype == dtype
        np.testing.assert_array_equal(
            layer.early_exit_macs, np.concatenate([counts(shape, image) for image in range(2)])
        )
    assert last.early_exit_macs is None


def test_a_trace_without_values_has_none(tmp_path):
    trace = write(tmp_path / "trace.safetensors", header(values=()))
    assert all(layer.early_exit_macs is None for layer in trace.layers())
    assert set(trace.header.dtypes().values()) == {"U8"}


def with_quality(figures):
    return header(operating_points=(POINT.model_copy(update={"quality": figures}),))


def test_a_header_may_be_revised_with_the_quality(tmp_path):
    trace = write(tmp_path / "trace.safetensors", header(), with_quality({"top1_agreement": 0.1 + 0.2}), 100)
    assert trace.operating_point().quality == {"top1_agreement": 0.1 + 0.2}
    assert sum(1 for _ in trace.layers()) == 3


@pytest.mark.parametrize(
    ("revised", "fault"),
    [
        (with_quality({"figure " * 20: 1.0}), "needs more than 100 spare bytes"),
        (header(values=()), "has other maps"),
    ],
)
def test_a_revised_header_must_fit(tmp_path, revised, fault):
    with pytest.raises(TraceError, match=fault):
        write(tmp_path / "trace.safetensors", header(), revised, 100)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (np.ones((1, 4, 5, 5), dtype=np.uint32), "must be uint16, got uint32"),
        (np.ones((1, 4, 5, 4), dtype=np.uint16), r"must be \(1, 4, 5, 5\), got \(1, 4, 5, 4\)"),
    ],
)
def test_counts_of_another_kind_are_refused(tmp_path, values, fault):
    path = tmp_path / "trace.safetensors"
    with pytest.raises(TraceError, match=fault), TraceWriter(path, header()) as writer:
        writer.write_values("all", 0, "small", "early_exit_macs", values)
    assert not path.exists()


def test_a_tampered_count_is_noticed(tmp_path):
    path = tmp_path / "trace.safetensors"
    trace = write(path, header())
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[:8], "little")
    start, end = json.loads(data[8 : 8 + size])["all/1/wide/early_exit_macs"]["data_offsets"]
    assert end - start == 8
    data[8 + size + start] ^= 1
    del trace
    path.write_bytes(data)
    with pytest.raises(TraceError, match="all/1/wide/early_exit_macs does not match its digest"):
        list(Trace(path).layers())


@pytest.mark.parametrize("wrong", [0, 28])
def test_counts_out_of_range_are_refused(wrong):
    shape = SHAPES[0]
    exits = np.full((1, shape.P, shape.Q, shape.K), wrong, dtype=np.uint16)
    with pytest.raises(TraceError, match=f"early_exit_macs must be 1 to 27, got {wrong} to {wrong}"):
        LayerTrace(shape=shape, ifmap_nonzero=PackedMap.full(1, 4, 5, 3), early_exit_macs=exits)
