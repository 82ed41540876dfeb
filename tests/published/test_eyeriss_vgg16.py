"""The Eyeriss chip on VGG-16, batch 3: layers that were not used to make the model.

The chip's mappings are not published; those of ``arch_configs/eyeriss_vgg16.yaml`` follow from active PEs and GLB
traffic, so that latency and DRAM traffic are predictions.
"""

import csv
from functools import cache

import numpy as np
import pytest

from tests.published.networks import vgg16
from zapsim.arch.load import load_arch
from zapsim.arrays.engine import WHOLE_LAYER, Demand
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import map_stages
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.errors import MappingError
from zapsim.shipped import shipped_folder
from zapsim.timing.combination import combine_stages
from zapsim.timing.dram import expected_coded_words
from zapsim.timing.predictor import PredictorResult
from zapsim.timing.residency import operand_loads
from zapsim.validation import Validation, validate

pytestmark = pytest.mark.published

LAYERS = {layer.name: layer for layer in vgg16(N=3).layers}
LINES = (shipped_folder("validation") / "eyeriss_vgg16.csv").read_text(encoding="utf-8").splitlines()
CHIP = {row["layer"]: row for row in csv.DictReader(line for line in LINES if not line.startswith("#"))}
POOLED = {"CONV1-2": 1.37, "CONV2-2": 1.39, "CONV3-3": 1.60, "CONV4-3": 1.82}
"""Exponents of the poolings: see test_pooling_zeros.py."""


def column(name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in CHIP.values()])


@cache
def found() -> Validation:
    return validate("eyeriss_vgg16")


def errors(measure: str) -> dict[str, float]:
    comparison = next(each for each in found().metrics if each.metric == measure)
    return {figure.layer: figure.error for figure in comparison.figures}


def test_figures_add_up_to_the_papers_totals() -> None:
    """Table VI's totals, and those of the abstract: 236 mW, 0.7 frames/s, 0.0035 DRAM accesses a MAC."""
    assert column("processing_ms").sum() == pytest.approx(3755.2, abs=0.2)
    assert column("total_ms").sum() == pytest.approx(4309.5, abs=0.2)
    macs = sum(layer.macs for layer in LAYERS.values())
    assert macs == pytest.approx(46.04e9, rel=1e-3)
    assert np.average(column("power_mw"), weights=column("total_ms")) == pytest.approx(236, abs=0.5)
    assert round(3 / column("total_ms").sum() * 1e3, 1) == 0.7
    assert round(column("dram_mb").sum() * 1e6 / 2 / macs, 4) == 0.0035


def test_zeros_of_ofmaps_follow_from_those_of_the_next_ifmap() -> None:
    names = list(CHIP)
    for name, following in zip(names, [*names[1:], names[-1]], strict=True):
        before = float(CHIP[following]["ifmap_zeros"]) ** (1 / POOLED.get(name, 1))
        assert float(CHIP[name]["ofmap_zeros"]) == pytest.approx(before, abs=0.0006)


def test_the_targets_are_met() -> None:
    assert found().met


@pytest.mark.parametrize("layer", LAYERS)
def test_processing_latency_within_5_percent(layer: str) -> None:
    assert abs(errors("processing_ms")[layer]) < 0.05


@pytest.mark.parametrize("layer", ["CONV4-1", "CONV4-2", "CONV4-3", "CONV5-1", "CONV5-2", "CONV5-3"])
def test_glb_traffic_within_1_percent_where_a_mapping_gives_it(layer: str) -> None:
    assert abs(errors("glb_mb")[layer]) < 0.01


@pytest.mark.parametrize("layer", ["CONV1-1", "CONV1-2", "CONV2-1", "CONV2-2"])
def test_chip_moves_fewer_psums_than_its_papers_say(layer: str) -> None:
    """One channel a pass, each psum read and written: these words alone are more than was measured.

    Two channels a pass halve them, and ifmaps do not make up for it.
    """
    shape = LAYERS[layer]
    psums = 2 * shape.outputs * shape.C * 2 / 1e6
    assert float(CHIP[layer]["glb_mb"]) < psums < float(CHIP[layer]["glb_mb"]) * 1.03


@pytest.mark.parametrize("block", [1, 2, 3])
def test_14_columns_do_not_fit_the_glb(block: int) -> None:
    """What leaves 12 PEs idle in CONV1 to CONV3: with e = 14 the psums of the filters of a pass are too many."""
    shape, arch = LAYERS[f"CONV{block}-1"], load_arch("eyeriss_vgg16")
    mapping, have = map_stages(shape, arch)[0], Resources.of(arch)
    with pytest.raises(MappingError, match="GLB"):
        check_mapping(shape, have, mapping.model_copy(update={"e": 14}))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_searched_mapping_is_no_slower_than_the_chip(layer: str) -> None:
    """Total latency: mappings are searched for array and channel together."""
    arch, engine, shape = load_arch("eyeriss"), RowStationaryEngine(), LAYERS[layer]
    coded = expected_coded_words(arch, shape.ifmap_words, float(CHIP[layer]["ifmap_zeros"]))
    mapping = engine.map_stages(shape, arch, WHOLE_LAYER, coded / shape.ifmap_words)[0]
    result = engine.time_stage(shape, arch, mapping, Demand(ifmap_coded_words=coded))
    ofmap_words = expected_coded_words(arch, shape.outputs, float(CHIP[layer]["ofmap_zeros"]))
    loads, _ = operand_loads(arch, [result.tiles])
    timing = combine_stages(arch, shape, [result], loads, PredictorResult(), ofmap_words, shape.macs)
    assert timing.cycles.total / arch.clock * 1e3 <= float(CHIP[layer]["total_ms"])
