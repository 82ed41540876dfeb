"""Output lanes in SystemVerilog against the convolution, value by value, and against zapsim, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rtl.bench.simulator import Testbench, build
from rtl.tests.checks import assert_clean, assert_refused, chosen, run_stages
from rtl.tests.stage import MEMORIES, NUMBERS, Stage, random_stage, real_stages
from tests.builders import BUSES, arch
from zapsim.arrays.lanes.mapping import map_lanes
from zapsim.arrays.lanes.work import lane_work


@dataclass(frozen=True)
class Lanes:
    """Parameters of the array: filter lanes are PEs, pixel lanes the lanes of a PE."""

    filters: int
    pixels: int
    macs: int = 1
    sync: str = "lane"
    scan: int = 8

    @property
    def parameters(self) -> dict[str, int]:
        domain = {"lane": (1, 1), "pe": (1, self.pixels), "array": (self.filters, self.pixels)}[self.sync]
        return {
            "FILTERS": self.filters,
            "PIXELS": self.pixels,
            "DOMAIN_FILTERS": domain[0],
            "DOMAIN_PIXELS": domain[1],
            "MACS": self.macs,
            "SCAN": self.scan,
        }

    def compute_cycles(self, stage: Stage) -> int:
        spread = {"clusters": "filters", "pes": "filters", "lanes": "pixels"}
        spec = arch(
            "output-lanes",
            array={
                "dataflow": "output-lanes", "clusters": 1, "pes": self.filters, "lanes": self.pixels,
                "macs_per_lane": self.macs, "spread": spread, "sync": self.sync, "dispatch": "static",
                "filter_buffer": "4096 words", "buses": BUSES,
            },
        )  # fmt: skip
        shape = stage.layer.shape
        return lane_work(shape, map_lanes(shape, spec), stage.demand()).cycles


LANES = {
    "4x4": Lanes(4, 4),
    "2x4 in pes, 2 macs": Lanes(2, 4, macs=2, sync="pe"),
    "3x2 together, scan 2": Lanes(3, 2, sync="array", scan=2),
    "4x4 in pes": Lanes(4, 4, sync="pe"),
    "4x4 together, 4 macs": Lanes(4, 4, macs=4, sync="array"),
    "2x2, scan 1": Lanes(2, 2, scan=1),
    "1x1": Lanes(1, 1),
}
IN_CI = ("4x4", "2x4 in pes, 2 macs")
RANDOM_LAYERS = 110


@pytest.fixture(scope="module", params=LANES)
def name(request: pytest.FixtureRequest, everything: bool) -> str:
    return chosen(request, everything, IN_CI)


@pytest.fixture(scope="module")
def bench(name: str) -> Testbench:
    return build("tb_output_lanes", LANES[name].parameters, numbers=NUMBERS, memories=MEMORIES)


def written(stage: Stage, folder: Path) -> dict[str, int]:
    return stage.write(folder) | {"filters": stage.layer.shape.K}


def run(bench: Testbench, lanes: Lanes, work: Path, stages: list[Stage]) -> list[dict[str, object]]:
    """Run stages, check values and cycles, and return rows of the table."""
    rows = []
    for stage, result, computed in run_stages(bench, work, stages, written):
        assert computed == stage.wanted().sum(), stage.name
        model = lanes.compute_cycles(stage)
        assert result["running"] == model, stage.name
        # The array is done when its last domain is: searches of the mask that took longer than an output are on top.
        beside = result["cycles"] - model
        assert 0 <= beside <= result["waiting"] + 2, stage.name
        rows.append({
            "stage": stage.name, "wanted": computed, "model": model, "rtl_running": result["running"],
            "rtl_waiting": result["waiting"], "rtl_beside": beside,
        })  # fmt: skip
    return rows


def on_own_pixels(stage: Stage) -> Stage:
    """Return the stage without a list of its pixels: lanes look at every bit of the mask."""
    return Stage(stage.name, stage.layer, stage.wanted_outputs)


def test_random_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    rng = np.random.default_rng(11)
    stages = [on_own_pixels(random_stage(rng, index)) for index in range(RANDOM_LAYERS)]
    table(f"lanes-random-{name}".replace(" ", "-").replace(",", ""), run(bench, LANES[name], tmp_path, stages))


def test_real_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    stages = [on_own_pixels(stage) for stage in real_stages()]
    table(f"lanes-real-{name}".replace(" ", "-").replace(",", ""), run(bench, LANES[name], tmp_path, stages))


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"DOMAIN_FILTERS": 3}, "domains of 3 x 1 lanes do not divide 4 x 4"),
        ({"MACS": 0}, "MACS = 0"),
    ],
)
def test_unsupported_parameters_are_refused(parameters: dict[str, int], fault: str) -> None:
    assert_refused("output_lanes", parameters, fault)


@pytest.mark.parametrize("lanes", LANES.values(), ids=LANES)
def test_lint_is_clean(lanes: Lanes) -> None:
    assert_clean("output_lanes", lanes.parameters)
