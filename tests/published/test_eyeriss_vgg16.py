"""The Eyeriss chip on VGG-16, batch 3: layers that the model was not made with.

The chip's mappings of VGG-16 are not published. For CONV4 one mapping gives latency, GLB traffic and PEs at once;
for the other layers no latency is asserted but that a mapping searched for it is no slower than the chip's.
"""

import csv
from pathlib import Path

import pytest

from tests.published.networks import vgg16
from zapsim.arch.load import load_arch
from zapsim.timing.engine import Demand
from zapsim.timing.row_stationary import RowStationaryEngine

pytestmark = pytest.mark.published

LAYERS = {layer.name: layer for layer in vgg16(N=3).layers}
LINES = (Path(__file__).parent / "data" / "eyeriss_vgg16.csv").read_text().splitlines()
CHIP = {row["layer"]: row for row in csv.DictReader(line for line in LINES if not line.startswith("#"))}


def test_figures_add_up_to_the_papers_totals() -> None:
    assert sum(float(row["processing_ms"]) for row in CHIP.values()) == pytest.approx(3755.2, abs=0.2)
    assert sum(float(row["total_ms"]) for row in CHIP.values()) == pytest.approx(4309.5, abs=0.2)
    assert sum(layer.macs for layer in LAYERS.values()) == pytest.approx(46.04e9, rel=1e-3)


@pytest.mark.parametrize("layer", ["CONV4-1", "CONV4-2", "CONV4-3"])
def test_conv4(layer: str) -> None:
    values = {"m": 64, "n": 3, "e": 7, "p": 16, "q": 2, "r": 2, "t": 4}
    pinned = [f"array.mapping.pinned.{layer}.{name}={value}" for name, value in values.items()]
    arch, engine, shape = load_arch("eyeriss", pinned), RowStationaryEngine(), LAYERS[layer]
    result = engine.time_stage(shape, arch, engine.map_layer(shape, arch), Demand())
    megabytes = (result.counts.glb_reads + result.counts.glb_writes) * 2 / 1e6
    assert result.cycles.total / arch.clock * 1e3 == pytest.approx(float(CHIP[layer]["processing_ms"]), rel=0.01)
    assert megabytes == pytest.approx(float(CHIP[layer]["glb_mb"]), rel=0.002)
    assert result.active_pes == int(CHIP[layer]["active_pes"])


@pytest.mark.parametrize("layer", LAYERS)
def test_a_searched_mapping_is_no_slower_than_the_chip(layer: str) -> None:
    arch, engine, shape = load_arch("eyeriss"), RowStationaryEngine(), LAYERS[layer]
    result = engine.time_stage(shape, arch, engine.map_layer(shape, arch), Demand())
    assert result.cycles.total / arch.clock * 1e3 <= float(CHIP[layer]["processing_ms"])
