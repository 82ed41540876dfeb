"""The Eyeriss chip on AlexNet's convolutions: batch 4, dense outputs, the mappings of its authors.

Sources are named in ``validation/eyeriss_alexnet.csv``. No constant of the model is fitted to these figures.
"""

import csv
from functools import cache

import pytest

from tests.builders import counts_with_dram
from tests.published.networks import alexnet
from zapsim.arch.load import load_arch
from zapsim.arrays.engine import Demand, StageResult
from zapsim.arrays.row_stationary.strips import glb_strips
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.shipped import shipped_folder
from zapsim.timing.combination import combine_stages
from zapsim.timing.dram import expected_coded_words
from zapsim.timing.predictor import PredictorResult
from zapsim.timing.residency import operand_loads
from zapsim.workload import ConvShape

pytestmark = pytest.mark.published

LAYERS = {layer.name: layer for layer in alexnet(N=4).layers}


def chip() -> dict[str, dict[str, float]]:
    lines = (shipped_folder("validation") / "eyeriss_alexnet.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row.pop("layer"): {name: float(value) for name, value in row.items()} for row in rows}


CHIP = chip()


@cache
def ours(shape: ConvShape, arch_name: str = "eyeriss_alexnet") -> StageResult:
    arch, engine = load_arch(arch_name), RowStationaryEngine()
    return engine.time_stage(shape, arch, engine.map_stages(shape, arch)[0], Demand())


def processing_ms(result: StageResult) -> float:
    return result.cycles.total / load_arch("eyeriss_alexnet").clock * 1e3


@pytest.mark.parametrize("layer", LAYERS)
def test_shapes_are_the_papers(layer: str) -> None:
    assert LAYERS[layer].macs / 1e6 == pytest.approx(CHIP[layer]["mmac"], abs=0.1), "the paper cuts digits off"


@pytest.mark.parametrize("layer", LAYERS)
def test_processing_latency_within_7_percent(layer: str) -> None:
    assert processing_ms(ours(LAYERS[layer])) == pytest.approx(CHIP[layer]["processing_ms"], rel=0.07)


def test_processing_latency_within_3_5_percent_on_average() -> None:
    errors = [abs(processing_ms(ours(shape)) / CHIP[layer]["processing_ms"] - 1) for layer, shape in LAYERS.items()]
    assert sum(errors) / len(errors) < 0.035


@pytest.mark.parametrize("layer", LAYERS)
def test_glb_traffic_within_1_percent(layer: str) -> None:
    counts = ours(LAYERS[layer]).counts
    assert (counts.glb_reads + counts.glb_writes) * 2 / 1e6 == pytest.approx(CHIP[layer]["glb_mb"], rel=0.01)


@pytest.mark.parametrize("layer", LAYERS)
def test_active_pes_are_equal(layer: str) -> None:
    assert ours(LAYERS[layer]).active_pes == CHIP[layer]["active_pes"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_searched_mapping_is_no_slower(layer: str) -> None:
    """Array and channel together, with maps that are not coded: so they are searched for."""

    def cycles(arch_name: str) -> int:
        arch, shape = load_arch(arch_name), LAYERS[layer]
        result = ours(shape, arch_name)
        loads, _ = operand_loads(arch, [result.tiles])
        return combine_stages(arch, shape, [result], loads, PredictorResult(), 0, shape.macs).cycles.total

    assert cycles("eyeriss") <= cycles("eyeriss_alexnet")


def test_conv3_as_in_table_3_would_not_give_the_measured_traffic() -> None:
    """JSSC 2017, Table III, prints q, r, t = 4, 1, 4 for CONV3; the traffic measured is that of 3, 2, 2."""
    pinned = "array.mapping.pinned.CONV3"
    arch = load_arch("eyeriss_alexnet", [f"{pinned}.q=4", f"{pinned}.r=1", f"{pinned}.t=4"])
    engine, shape = RowStationaryEngine(), LAYERS["CONV3"]
    counts = engine.time_stage(shape, arch, engine.map_stages(shape, arch)[0], Demand()).counts
    megabytes = (counts.glb_reads + counts.glb_writes) * 2 / 1e6
    assert megabytes == pytest.approx(69.2, abs=0.1)
    assert abs(megabytes / CHIP["CONV3"]["glb_mb"] - 1) > 0.3


@pytest.mark.parametrize(
    ("layer", "ifmap_kb", "psum_kb"),
    [("CONV1", 15.5, 72.2), ("CONV2", 3.8, 91.1), ("CONV4", 10.5, 84.5), ("CONV5", 10.5, 84.5)],
)
def test_glb_allocation_is_that_of_table_3(layer: str, ifmap_kb: float, psum_kb: float) -> None:
    """JSSC 2017, Table III: kB (of 1024 bytes) of the GLB that hold ifmaps and psums."""
    shape = LAYERS[layer]
    mapping = RowStationaryEngine().map_stages(shape, load_arch("eyeriss_alexnet"))[0]
    ifmap_strip, psum_strip, _ = glb_strips(shape, mapping.e)
    assert mapping.n * mapping.q * mapping.r * ifmap_strip * 2 / 1024 == pytest.approx(ifmap_kb, abs=0.06)
    assert mapping.n * mapping.m * psum_strip * 2 / 1024 == pytest.approx(psum_kb, abs=0.06)


def dram_megabytes(layer: str, ofmap_zeros: float | None = None) -> tuple[float, float]:
    """Return filters and maps that pass the DRAM link, the maps coded as of their shares of zeros."""
    arch, engine, shape = load_arch("eyeriss_alexnet"), RowStationaryEngine(), LAYERS[layer]
    coded = expected_coded_words(arch, shape.ifmap_words, CHIP[layer]["ifmap_zeros"])
    stage = engine.time_stage(shape, arch, engine.map_stages(shape, arch)[0], Demand(ifmap_coded_words=coded))
    counts = counts_with_dram(stage)
    zeros = CHIP[layer]["ofmap_zeros"] if ofmap_zeros is None else ofmap_zeros
    ofmap = expected_coded_words(arch, shape.outputs, zeros)
    filters = counts.filter_bus_words
    return filters * 2 / 1e6, (counts.dram_reads - filters + ofmap) * 2 / 1e6


@pytest.mark.parametrize(("layer", "exponent"), [("CONV1", 1.75), ("CONV2", 1.71), ("CONV3", 1), ("CONV4", 1)])
def test_zeros_of_ofmaps_follow_from_those_of_the_next_ifmap(layer: str, exponent: float) -> None:
    """Exponents of the poolings: see test_pooling_zeros.py. CONV5 has no next ifmap; its own is taken."""
    names = list(LAYERS)
    after = CHIP[names[names.index(layer) + 1]]["ifmap_zeros"]
    assert CHIP[layer]["ofmap_zeros"] == pytest.approx(after ** (1 / exponent), abs=0.0006)


@pytest.mark.parametrize("layer", LAYERS)
def test_dram_traffic_within_12_percent(layer: str) -> None:
    assert sum(dram_megabytes(layer)) == pytest.approx(CHIP[layer]["dram_mb"], rel=0.12)


def test_dram_traffic_of_conv1_is_bracketed() -> None:
    """Whatever pooling does: there are more than the 38.7 % zeros after it, and fewer than if they were independent."""
    after = CHIP["CONV2"]["ifmap_zeros"]
    most, least = (sum(dram_megabytes("CONV1", zeros)) for zeros in (after, after ** (1 / 9)))
    assert least < CHIP["CONV1"]["dram_mb"] < most < CHIP["CONV1"]["dram_mb"] * 1.13


@pytest.mark.parametrize("exponent", [1.1, 3.0])
def test_conv1_and_conv2_are_within_the_targets_for_every_exponent_measured(exponent: float) -> None:
    """Photographs and layers of VGG-16 gave exponents from 1.5 to 3.0."""
    for layer, following in (("CONV1", "CONV2"), ("CONV2", "CONV3")):
        filters, maps = dram_megabytes(layer, CHIP[following]["ifmap_zeros"] ** (1 / exponent))
        total = processing_ms(ours(LAYERS[layer])) + maps * 1e6 / load_arch("eyeriss_alexnet").dram.bandwidth * 1e3
        assert filters + maps == pytest.approx(CHIP[layer]["dram_mb"], rel=0.12)
        assert total == pytest.approx(CHIP[layer]["total_ms"], rel=0.10)


def total_ms(layer: str) -> float:
    """Processing, and the time of the maps on the DRAM link, which nothing hides."""
    maps = dram_megabytes(layer)[1] * 1e6
    return processing_ms(ours(LAYERS[layer])) + maps / load_arch("eyeriss_alexnet").dram.bandwidth * 1e3


@pytest.mark.parametrize("layer", LAYERS)
def test_total_latency_within_10_percent(layer: str) -> None:
    assert total_ms(layer) == pytest.approx(CHIP[layer]["total_ms"], rel=0.10)


def test_total_latency_in_sum_within_3_percent() -> None:
    assert sum(map(total_ms, LAYERS)) == pytest.approx(sum(row["total_ms"] for row in CHIP.values()), rel=0.03)
