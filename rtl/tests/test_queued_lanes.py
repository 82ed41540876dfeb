"""Output lanes at a block queue in SystemVerilog: the convolution's values, and zapsim's cycles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rtl.bench.simulator import Testbench, build
from rtl.tests.checks import assert_clean, assert_refused, chosen, run_stages
from rtl.tests.stage import MEMORIES, NUMBERS, Stage, random_stage, real_stages
from tests.builders import BUSES, arch
from zapsim.arrays.lanes.ifmap_buffer import window_pixels
from zapsim.arrays.lanes.mapping import LanesMapping, map_lanes
from zapsim.arrays.lanes.work import lane_work


@dataclass(frozen=True)
class Lanes:
    """Parameters of the array: lanes, and filters of a block; zapsim's buffers, in words, if they bound the lanes."""

    filters: int
    pixels: int
    macs: int = 1
    sync: str = "array"
    ifmap_buffer: int | None = None

    @property
    def parameters(self) -> dict[str, int]:
        return {"LANES": self.filters * self.pixels, "FILTERS": self.filters, "MACS": self.macs}

    def mapping(self, stage: Stage) -> LanesMapping:
        spread = {"clusters": "filters", "pes": "filters", "lanes": "pixels"}
        array = {
            "dataflow": "output-lanes", "clusters": 1, "pes": self.filters, "lanes": self.pixels,
            "macs_per_lane": self.macs, "spread": spread, "sync": self.sync, "dispatch": "block-queue",
            "filter_buffer": "4096 words", "buses": BUSES,
        }  # fmt: skip
        if self.ifmap_buffer is not None:
            array["ifmap_buffer"] = f"{self.ifmap_buffer} words"
        return map_lanes(stage.layer.shape, arch("output-lanes", array=array))

    def write(self, stage: Stage, folder: Path) -> dict[str, int]:
        settings, shape = stage.write(folder), stage.layer.shape
        window = 0
        if self.ifmap_buffer is not None:
            window = window_pixels(shape, self.mapping(stage), settings["pixels"])
        return settings | {"filters": shape.K, "window": window}


LANES = {
    "4x4": Lanes(4, 4),
    "4x4 buffers of 40 words": Lanes(4, 4, sync="lane", ifmap_buffer=40),
    "2x3, 3 macs": Lanes(2, 3, macs=3, sync="lane"),
    "1x1": Lanes(1, 1),
}
IN_CI = ("4x4", "4x4 buffers of 40 words")
RANDOM_LAYERS = 110


@pytest.fixture(scope="module", params=LANES)
def name(request: pytest.FixtureRequest, everything: bool) -> str:
    return chosen(request, everything, IN_CI)


@pytest.fixture(scope="module")
def bench(name: str) -> Testbench:
    return build("tb_queued_lanes", LANES[name].parameters, numbers=NUMBERS, memories=MEMORIES)


def run(bench: Testbench, lanes: Lanes, work: Path, stages: list[Stage]) -> list[dict[str, object]]:
    """Run stages, check values and cycles, and return rows of the table."""
    rows = []
    for stage, result, computed in run_stages(bench, work, stages, lanes.write):
        assert computed == stage.wanted().sum(), stage.name
        model = lane_work(stage.layer.shape, lanes.mapping(stage), stage.demand()).cycles
        assert result["running"] == model, stage.name
        # Beside that, lanes wait while the queue looks for outputs, and the last cycle says that none are left.
        assert result["cycles"] == model + result["waiting"] + 1, stage.name
        rows.append({
            "stage": stage.name, "wanted": computed, "model": model, "rtl_running": result["running"],
            "rtl_waiting": result["waiting"],
        })  # fmt: skip
    return rows


def test_random_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    rng = np.random.default_rng(13)
    stages = [random_stage(rng, index) for index in range(RANDOM_LAYERS)]
    table(f"queue-random-{name}".replace(" ", "-").replace(",", ""), run(bench, LANES[name], tmp_path, stages))


def test_real_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    table(f"queue-real-{name}".replace(" ", "-").replace(",", ""), run(bench, LANES[name], tmp_path, real_stages()))


@pytest.mark.parametrize(
    ("parameters", "fault"), [({"FILTERS": 0}, "FILTERS = 0"), ({"MACS": 0}, "MACS = 0: expected at least 1")]
)
def test_unsupported_parameters_are_refused(parameters: dict[str, int], fault: str) -> None:
    assert_refused("queued_lanes", parameters, fault)


@pytest.mark.parametrize("lanes", LANES.values(), ids=LANES)
def test_lint_is_clean(lanes: Lanes) -> None:
    assert_clean("queued_lanes", lanes.parameters)
