"""Traces of any shape: what is packed is unpacked, what is written is read, what is damaged is refused."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import trace_header, trace_maps, write_trace
from tests.reference.systolic_cases import shapes
from zapsim.errors import TraceError
from zapsim.patterns import PATTERNS, pattern_map
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import TracedLayer, TraceHeader, map_kinds


@st.composite
def bools(draw: st.DrawFn, size: tuple[int, ...] | None = None) -> np.ndarray:
    size = size or (*(draw(st.integers(1, 5)) for _ in range(3)), draw(st.integers(1, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random(size) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))


@given(bools())
def test_packing_round_trip(values: np.ndarray) -> None:
    packed = PackedMap.from_bool(values)
    assert packed.shape == values.shape
    assert (packed.unpack() == values).all()
    assert packed.count() == values.sum()
    assert packed.is_full() == values.all()
    for channel in range(values.shape[3]):  # the format: channel c is bit c % 8 of byte c // 8
        assert ((packed.bits[..., channel // 8] >> (channel % 8) & 1) == values[..., channel]).all()


@given(st.data())
def test_sets_of_bits(data: st.DataObject) -> None:
    one = data.draw(bools())
    other = data.draw(bools(one.shape))
    a, b = PackedMap.from_bool(one), PackedMap.from_bool(other)
    assert ((a | b).unpack() == (one | other)).all()
    assert ((a & b).unpack() == (one & other)).all()
    assert (a.without(b).unpack() == (one & ~other)).all()
    assert (PackedMap.stack([a, b]).unpack() == np.concatenate([one, other])).all()


@given(bools(), st.sampled_from(PATTERNS))
def test_patterns_and_full_maps_have_clean_last_bytes(values: np.ndarray, name: str) -> None:
    images, rows, cols, channels = values.shape
    pattern = pattern_map(name, rows, cols)
    packed = PackedMap.of_pattern(pattern, images, channels)
    assert (packed.unpack() == pattern[np.newaxis, :, :, np.newaxis]).all()
    assert PackedMap.full(images, rows, cols, channels).is_full()


@pytest.mark.parametrize(
    ("bits", "channels", "fault"),
    [
        (np.zeros((1, 2, 2, 2), np.uint8), 8, "a packed map of 8 channels is uint8 (images, rows, columns, 1), "
         "got uint8 (1, 2, 2, 2)"),
        (np.zeros((1, 2, 2, 1), np.int8), 8, "a packed map of 8 channels is uint8 (images, rows, columns, 1), "
         "got int8 (1, 2, 2, 1)"),
        (np.zeros((2, 2, 1), np.uint8), 8, "a packed map of 8 channels is uint8 (images, rows, columns, 1), "
         "got uint8 (2, 2, 1)"),
        (np.full((1, 1, 1, 1), 8, np.uint8), 3, "a packed map of 3 channels has bits set beyond its last channel"),
    ],
)  # fmt: skip
def test_what_is_no_packed_map(bits: np.ndarray, channels: int, fault: str) -> None:
    with pytest.raises(TraceError) as caught:
        PackedMap(bits, channels)
    assert str(caught.value) == fault


def test_maps_of_different_shapes() -> None:
    with pytest.raises(TraceError) as caught:
        _ = PackedMap.full(1, 2, 3, 4) | PackedMap.full(1, 2, 3, 5)
    assert str(caught.value) == "maps of different shapes: (1, 2, 3, 4) and (1, 2, 3, 5)"


# --- files ----------------------------------------------------------------------------------------------------------


@st.composite
def headers(draw: st.DrawFn) -> TraceHeader:
    layers = tuple(
        TracedLayer(
            shape=replace(draw(shapes(largest=3)), name=f"layer.{index}", N=1),
            relu=predicted or draw(st.booleans()),
            unpredicted=None if predicted else "drawn so",
        )
        for index, predicted in enumerate(draw(st.lists(st.booleans(), min_size=1, max_size=3)))
    )
    points = tuple(f"t={index}" for index in range(draw(st.integers(1, 2))))
    return trace_header(layers, images=draw(st.integers(1, 3)), points=points, pattern=draw(st.sampled_from(PATTERNS)))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=30)
@given(headers(), st.integers(0, 99))
def test_file_round_trip(folder: Path, header: TraceHeader, seed: int) -> None:
    path = write_trace(folder / "trace", header, seed)
    written = {one[:4]: one[4] for one in trace_maps(header, seed)}
    trace = Trace(path)
    assert trace.header.workload() == header.workload()
    for point in header.operating_points:
        for traced, layer in zip(header.layers, trace.layers(point.name), strict=True):
            assert layer.shape == traced.shape.batch(len(header.images))
            for kind in map_kinds(traced, point):
                found = getattr(layer, kind).unpack()
                for image in range(len(header.images)):
                    name = (point.name, image, traced.shape.name, kind)
                    assert (found[image] == written[name].unpack()[0]).all()


@settings(max_examples=60)
@given(st.data())
def test_no_damage_goes_unnoticed(folder: Path, data: st.DataObject) -> None:
    """Whatever bytes change, the file is refused with one line, or what is read is what was written."""
    path = write_trace(folder / "trace")
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=12))
    changed = whole[:start] + junk + whole[start + len(junk) :]
    before = maps_or_fault(path)
    path.write_bytes(changed)
    found = maps_or_fault(path)
    if isinstance(found, str):
        assert found.startswith(f"{path}: ")
        assert "\n" not in found
    else:  # a text in the header changed, and with it the trace's hash; the maps are what they were
        assert found == before


def maps_or_fault(path: Path) -> list[bytes] | str:
    """Return the bytes of all maps, or what is wrong with the file."""
    try:
        trace = Trace(path)
        return [
            getattr(layer, kind).bits.tobytes()
            for point in trace.header.operating_points
            for traced, layer in zip(trace.header.layers, trace.layers(point.name), strict=True)
            for kind in map_kinds(traced, point)
        ]
    except TraceError as error:
        return str(error)
