"""Area: parts counted by hand, priced, and what each key of an architecture does to them."""

import pytest

from tests.builders import arch
from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.tables import AREA_PARTS
from zapsim.energy.area import AREA_COMPONENTS, area_by_component, count_parts, total_area
from zapsim.errors import ConfigError

DENSITY = {"logic": 0.5, "memory": 0.8}
TABLE = {"technology": "none", "density": DENSITY, "predictor_buffer": "100 words"}


def with_area(dataflow="row-stationary", **parts):
    return arch(dataflow, area=TABLE | {"parts": {part: f"{size} um2" for part, size in parts.items()}})


def test_parts_of_a_row_stationary_array():
    """6×5 PEs of 12, 224 and 24 words of 16 bit; buses of 1, 4 and twice 4 words; 8 KiB; 9 lanes, 100 words."""
    assert count_parts(with_area()) == {
        "macs": 30,
        "ifmap_spad_bits": 30 * 12 * 16,
        "filter_spad_bits": 30 * 224 * 16,
        "ifmap_buffer_bits": 0,
        "filter_buffer_bits": 0,
        "psum_spad_bits": 30 * 24 * 16,
        "bus_bits": 30 * (1 + 4 + 8) * 16,
        "glb_bits": 8 * 1024 * 8,
        "predictor_lanes": 9,
        "predictor_buffer_bits": 1600,
        "mask_units": 30,
    }


def test_parts_of_a_systolic_array():
    counts = count_parts(with_area("weight-stationary"))
    assert [counts[part] for part in ("macs", "ifmap_spad_bits", "filter_spad_bits", "psum_spad_bits")] == [
        30, 30 * 16, 30 * 16, 30 * 16,
    ]  # fmt: skip
    assert (counts["bus_bits"], counts["filter_buffer_bits"]) == ((6 + 2 * 5) * 16, 0)
    assert counts["mask_units"] == 6 + 5


def test_parts_of_an_array_of_lanes():
    """2 clusters × 2 PEs × 3 lanes, 512 words of filters a PE."""
    counts = count_parts(with_area("output-lanes"))
    assert (counts["macs"], counts["psum_spad_bits"], counts["ifmap_spad_bits"]) == (12, 12 * 16, 12 * 16)
    assert (counts["filter_buffer_bits"], counts["filter_spad_bits"]) == (4 * 512 * 16, 0)
    assert counts["bus_bits"] == 4 * (1 + 4 + 8) * 16
    assert counts["ifmap_buffer_bits"] == 0
    assert counts["mask_units"] == 12
    assert count_parts(load_arch("lanes_zap"))["ifmap_buffer_bits"] == 4 * 43008 * 16


def test_by_hand():
    spec = with_area(macs=1000, ifmap_spad_bits=2, filter_spad_bits=1, psum_spad_bits=3, bus_bits=4, glb_bits=1,
                     predictor_lanes=2000, predictor_buffer_bits=1, mask_units=300)  # fmt: skip
    assert area_by_component(spec) == pytest.approx({
        "mac": 30 * 1000 / 0.5 / 1e6,
        "spads": (5760 * 2 + 107520 * 1 + 11520 * 3) / 0.5 / 1e6,
        "noc": 6240 * 4 / 0.5 / 1e6,
        "glb": 65536 / 0.8 / 1e6,
        "predictor": (9 * 2000 + 1600) / 0.5 / 1e6,
        "masks": 30 * 300 / 0.5 / 1e6,
    })  # fmt: skip
    assert total_area(spec) == pytest.approx(sum(area_by_component(spec).values()))


@pytest.mark.parametrize(("arithmetic", "share"), [("int8", 0.42), ("power-of-two", 0.32)])
def test_narrow_arithmetic_makes_the_lanes_of_the_predictor_smaller_and_nothing_else(
    arithmetic: str, share: float
) -> None:
    parts = dict.fromkeys(AREA_PARTS, "10 um2")
    wide = area_by_component(arch(area={**TABLE, "parts": parts}))
    unit = {"unit": "dedicated", "lanes": 9, "latency": "8 cycles", "arithmetic": arithmetic}
    narrow = area_by_component(arch(area={**TABLE, "parts": parts}, predictor=unit))
    assert narrow == pytest.approx(wide | {"predictor": wide["predictor"] - (1 - share) * 9 * 10 / 0.5 / 1e6})


@pytest.mark.parametrize("unit", ["array", "ideal"])
def test_only_a_dedicated_predictor_takes_room(unit):
    assert area_by_component(load_arch("eyeriss", [f"predictor.unit={unit}"]))["predictor"] == 0


def test_logic_that_reads_masks_takes_room_unless_prediction_is_free():
    on_array, free = (load_arch("eyeriss", [f"predictor.unit={unit}"]) for unit in ("array", "ideal"))
    assert area_by_component(on_array)["masks"] == area_by_component(load_arch("eyeriss"))["masks"] > 0
    assert area_by_component(free)["masks"] == 0


@pytest.mark.parametrize(
    ("name", "change", "component"),
    [
        ("eyeriss", "array.rows=13", "mac"),
        ("eyeriss", "array.cols=15", "spads"),
        ("eyeriss", "array.spads.ifmap=13 words", "spads"),
        ("eyeriss", "array.spads.filter=225 words", "spads"),
        ("eyeriss", "array.spads.psum=25 words", "spads"),
        ("eyeriss", "array.buses.psum=5", "noc"),
        ("eyeriss", "array.buses.filter=5", "noc"),
        ("eyeriss", "buffers.glb.size=101 KiB", "glb"),
        ("eyeriss", "buffers.filters.size=9 KiB", "glb"),
        ("eyeriss", "predictor.lanes=10", "predictor"),
        ("eyeriss", "predictor.weights=100 words", "predictor"),
        ("eyeriss", "area.predictor_buffer=4000 words", "predictor"),
        ("eyeriss", "array.rows=13", "masks"),
        ("tpu_128x128", "array.rows=129", "masks"),
        ("lanes_256", "array.lanes=17", "masks"),
        ("tpu_128x128", "array.rows=129", "mac"),
        ("tpu_128x128", "array.cols=129", "noc"),
        ("lanes_256", "array.pes=17", "spads"),
        ("lanes_256", "array.lanes=17", "mac"),
        ("lanes_256", "array.macs_per_lane=2", "mac"),
        ("lanes_256", "array.filter_buffer=16385 words", "spads"),
        ("lanes_256", "array.clusters=2", "noc"),
        ("lanes_256", "word=17 bit", "spads"),
    ],
)
def test_more_of_a_part_takes_more_room(name, change, component):
    before, after = load_arch(name), load_arch(name, [change])
    assert area_by_component(after)[component] > area_by_component(before)[component]
    assert total_area(after) > total_area(before)


@pytest.mark.parametrize("name", known_archs())
def test_shipped_architectures_have_areas(name):
    area = area_by_component(load_arch(name))
    assert tuple(area) == AREA_COMPONENTS
    assert all(size > 0 for size in area.values())


def test_the_chip_without_a_predictor_is_as_large_as_published():
    """Not evidence: the density of logic is derived from it. JSSC 2017: a core of 3.5 mm × 3.5 mm."""
    assert total_area(load_arch("eyeriss", ["predictor.unit=ideal"])) == pytest.approx(3.5 * 3.5, rel=0.01)


def test_missing_parts_are_named_all_at_once():
    with pytest.raises(ConfigError) as caught:
        area_by_component(with_area(**dict.fromkeys(AREA_PARTS[:7], 1)))
    hint = "set the area of one (such as '1.5 um2'; '0 um2' if it should not count)"
    assert caught.value.faults == (
        f"tiny: area.parts.glb_bits: missing, and the chip has 65536 of them; {hint}",
        f"tiny: area.parts.predictor_lanes: missing, and the chip has 9 of them; {hint}",
        f"tiny: area.parts.predictor_buffer_bits: missing, and the chip has 1600 of them; {hint}",
        f"tiny: area.parts.mask_units: missing, and the chip has 30 of them; {hint}",
    )


def test_a_part_of_an_array_that_has_no_area_is_named(monkeypatch):
    spec = with_area()
    monkeypatch.setattr(type(spec.array), "stored_words", {"carry_chain": 3})
    with pytest.raises(KeyError, match="row-stationary: stored_words: 'carry_chain_bits' is not a part"):
        count_parts(spec)


def test_a_missing_section_is_named():
    with pytest.raises(ConfigError, match=r"^tiny: area: missing; set area\.density"):
        area_by_component(arch())


def test_an_unknown_part_is_named():
    with pytest.raises(ConfigError, match=r"area\.parts\.mac: unknown part \(did you mean 'macs'\?\)"):
        load_arch("eyeriss", ["area.parts.mac=1 um2"])


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_density_is_a_share(share):
    with pytest.raises(ConfigError, match=r"area\.density\.logic: expected a share, more than 0 and at most 1, got"):
        load_arch("eyeriss", [f"area.density.logic={share}"])
