"""Orders of filters in traces: maps are permuted when they are read, points share maps, old files keep their bytes."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors import safe_open

from tests.builders import conv, tamper, trace_header, write_trace
from zapsim.cli import main
from zapsim.errors import TraceError
from zapsim.report.formats import FORMATS, render
from zapsim.results import RunResult
from zapsim.simulation import simulate
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint, TracedLayer, TraceHeader
from zapsim.tracefile.writer import METADATA_KEY

TRACES = Path(__file__).parents[2] / "traces"
CONV1 = (3, 0, 4, 1, 2)
CONV2 = (10, 0, 9, 1, 8, 2, 7, 3, 6, 4, 5)
ORDER = FilterOrder(
    rule="density",
    filters={"conv1": CONV1, "conv2": CONV2},
    channels={"conv2": CONV1, "fc": CONV2},
    kept={"fc": "its channels leave the network"},
    note="on 4 pictures",
)


def ordered_header(order: FilterOrder = ORDER, maps: str | None = "t=0") -> TraceHeader:
    """Two points of the same predictors: the network's own order, and `order` (with the maps of the first)."""
    plain = trace_header(images=2)
    first = plain.operating_points[0]
    second = OperatingPoint(name="sorted", predictors=first.predictors, order=order, maps=maps)
    return trace_header(images=2, operating_points=(first, second))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_trace_of_owners(tmp_path / "trace.safetensors", ordered_header())


def write_trace_of_owners(path: Path, header: TraceHeader) -> Path:
    """Write maps for the points that have some of their own."""
    from tests.builders import trace_maps
    from zapsim.tracefile.writer import TraceWriter

    owners = {point.name for point in header.operating_points if point.maps is None}
    with TraceWriter(path, header) as writer:
        for one in trace_maps(header):
            if one[0] in owners:
                writer.write(*one)
    return path


def test_maps_are_read_in_the_order_of_the_point(path: Path):
    trace = Trace(path)
    for own, ordered in zip(trace.layers("t=0"), trace.layers("sorted"), strict=True):
        name = own.shape.name
        filters, channels = ORDER.filters_of(name), ORDER.channels_of(name)
        for kind in ("ifmap_nonzero", "ofmap_nonzero", "mask"):
            before, after = getattr(own, kind), getattr(ordered, kind)
            if before is None:
                assert after is None
                continue
            order = channels if kind == "ifmap_nonzero" else filters
            expected = before.unpack() if order is None else before.unpack()[..., order]
            assert np.array_equal(after.unpack(), expected)
            assert after.count() == before.count()
    assert trace.header.version == 2


def test_counts_beside_the_maps_follow(tmp_path: Path):
    from tests.builders import trace_maps
    from zapsim.tracefile.writer import TraceWriter

    header = ordered_header()
    header = trace_header(images=2, operating_points=header.operating_points, values=("early_exit_macs",))
    with TraceWriter(tmp_path / "t", header) as writer:
        for one in trace_maps(header):
            if one[0] == "t=0":
                writer.write(*one)
        for image in range(2):
            for layer in header.layers[:2]:
                shape = layer.shape
                macs = np.arange(shape.outputs, dtype=np.uint16).reshape(1, shape.P, shape.Q, shape.K)
                writer.write_values("t=0", image, shape.name, "early_exit_macs", macs % shape.macs_per_output + 1)
    for own, ordered in zip(*(Trace(tmp_path / "t").layers(point) for point in ("t=0", "sorted")), strict=True):
        order = ORDER.filters_of(own.shape.name)
        if own.early_exit_macs is not None:
            assert np.array_equal(ordered.early_exit_macs, own.early_exit_macs[..., order])


@pytest.mark.parametrize("path", sorted(TRACES.glob("*_*.safetensors")), ids=lambda path: path.stem)
def test_without_an_order_a_header_keeps_its_bytes(path: Path):
    with safe_open(path, framework="numpy") as file:
        text = (file.metadata() or {}).get(METADATA_KEY)
    if text is None:  # predictors
        return
    header = TraceHeader.model_validate_json(text)
    assert header.model_dump_json() == text
    with_order = any(point.order for point in header.operating_points)
    assert header.version == (2 if with_order else 1)
    assert ('"order":' in text) == with_order


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"filters": {"conv9": (0, 1)}}, "the order of filters names unknown layer 'conv9'"),
        ({"filters": {"conv1": (0, 1, 2, 3, 3)}}, "the order of filters of layer conv1 is no permutation of 0 to 4"),
        ({"filters": {"conv1": (0, 1)}}, "the order of filters of layer conv1 is no permutation of 0 to 4"),
        ({"channels": {"fc": (1, 2)}}, "the order of channels of layer fc is no permutation of 0 to 10"),
        ({"rule": "beauty"}, "Input should be 'density' or 'deal'"),
    ],
)
def test_orders_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, object], fault: str):
    path = write_trace_of_owners(tmp_path / "trace", ordered_header())
    tamper(path, header=lambda head: head["operating_points"][1]["order"].update(changes))
    with pytest.raises(TraceError, match=fault) as caught:
        Trace(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"maps": "t=1"}, "operating point sorted cannot have the maps of 't=1'"),
        ({"maps": "sorted"}, "operating point sorted cannot have the maps of 'sorted'"),
        ({"predictors": {}}, "operating point sorted cannot have the maps of 't=0'"),
    ],
)
def test_maps_of_other_points(tmp_path: Path, changes: dict[str, object], fault: str):
    path = write_trace_of_owners(tmp_path / "trace", ordered_header())
    tamper(path, header=lambda head: head["operating_points"][1].update(changes))
    with pytest.raises(TraceError, match=fault):
        Trace(path)


def test_version_1_has_no_order(tmp_path: Path):
    path = write_trace_of_owners(tmp_path / "trace", ordered_header())
    tamper(path, header=lambda head: head.update(version=1))
    with pytest.raises(TraceError, match="operating point sorted: a trace of version 1 holds no order of filters"):
        Trace(path)
    assert trace_header().version == 1


GROUPED = conv("grouped", C=6, K=8, groups=2)
DEPTHWISE = conv("depthwise", C=4, K=8, groups=4)


@pytest.mark.parametrize(
    ("shape", "filters", "channels", "fault"),
    [
        (GROUPED, (3, 2, 1, 0, 4, 5, 7, 6), (2, 1, 0, 3, 4, 5), None),
        (GROUPED, (4, 5, 6, 7, 0, 1, 2, 3), (3, 4, 5, 0, 1, 2), None),
        (GROUPED, (4, 1, 2, 3, 0, 5, 6, 7), (0, 1, 2, 3, 4, 5), "mixes the groups"),
        (GROUPED, (4, 5, 6, 7, 0, 1, 2, 3), (2, 1, 0, 3, 4, 5), "parts the groups of layer grouped from their inputs"),
        (DEPTHWISE, (2, 3, 1, 0, 4, 5, 6, 7), (1, 0, 2, 3), None),
        (DEPTHWISE, (1, 0, 2, 3, 4, 5, 6, 7), (1, 0, 2, 3), "parts the groups"),
        (DEPTHWISE, (0, 2, 1, 3, 4, 5, 6, 7), (0, 1, 2, 3), "mixes the groups"),
    ],
)  # fmt: skip
def test_groups_move_as_a_whole_with_their_inputs(shape, filters, channels, fault):
    order = FilterOrder(rule="deal", filters={shape.name: filters}, channels={shape.name: channels})
    point = OperatingPoint(name="t", predictors={}, order=order)

    def header() -> TraceHeader:
        return trace_header((TracedLayer(shape=shape, relu=True),), operating_points=(point,))

    if fault is None:
        assert header().version == 2
    else:
        with pytest.raises(ValidationError, match=fault):
            header()


def test_a_run_takes_the_order_and_says_so(path: Path):
    own, ordered = (simulate("eyeriss", path, point=point) for point in ("t=0", "sorted"))
    assert (own.filter_order, own.order_note) == ("", "")
    note = "static, by density, learnt on 4 pictures; own order kept by fc (its channels leave the network)"
    assert (ordered.filter_order, ordered.order_note) == ("density", note)
    for name in ("macs_executed", "macs_gated", "macs_skipped"):  # which filters are computed does not change
        assert getattr(own.total.policy.counts, name) == getattr(ordered.total.policy.counts, name)
    assert own.total.baseline.cycles == ordered.total.baseline.cycles
    assert RunResult.from_json(ordered.to_json()) == ordered
    assert RunResult.from_json(own.to_json()) == own
    assert "filter_order" not in own.to_json()
    for form in FORMATS:
        text = render(ordered, form)
        assert "filters in order of density" in text
        assert "static, by density" in text


@pytest.mark.parametrize(
    ("arch", "change", "sorter"),
    [
        ("eyeriss", "array.balance=filter-deal", "array.balance = filter-deal"),
        ("systolic_16x16", "array.channel_order=by-density", "array.channel_order = by-density"),
    ],
)
def test_an_order_by_the_masks_of_the_run_wins(path: Path, arch: str, change: str, sorter: str):
    result = simulate(arch, path, point="sorted", overrides=[change])
    assert result.order_note.endswith(f"{sorter} sorts filters by the masks of this very run instead")


def test_trace_info_shows_orders(path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["trace-info", str(path), "--point", "sorted"]) == 0
    out = capsys.readouterr().out
    assert "point 'sorted'  1 predictor; maps of point 't=0'" in out
    assert ("order 'sorted'  filters of 2 layers by density; learnt on 4 pictures; "
            "fc keeps its own (its channels leave the network)") in out  # fmt: skip


def test_an_ordered_point_may_have_maps_of_its_own(tmp_path: Path):
    trace = Trace(write_trace(tmp_path / "t", ordered_header(maps=None)))
    assert len(list(trace.layers("sorted"))) == 3
