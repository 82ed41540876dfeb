"""Systolic arrays in SystemVerilog against the convolution, value by value, and against zapsim, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtl.bench.simulator import Testbench, build
from rtl.tests.checks import assert_clean, assert_refused, chosen, run_stages
from rtl.tests.stage import MEMORIES, NUMBERS, Stage, random_stage, real_stages
from zapsim.arch.arrays import SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import StageResult
from zapsim.arrays.systolic.timing import SystolicEngine

DATAFLOWS = WS, OS, IS = "weight-stationary", "output-stationary", "input-stationary"
ENGINE = SystolicEngine()


@dataclass(frozen=True)
class Array:
    """Parameters of the array."""

    dataflow: str
    rows: int
    cols: int
    serial: bool = False
    shrunk: bool = False
    scan: int = 4
    masked: bool = True
    overlapped: bool = False

    @property
    def design(self) -> str:
        return "overlapped_array" if self.overlapped else "systolic"

    @property
    def numbers(self) -> tuple[str, ...]:
        return (*NUMBERS, "tail") if self.overlapped else NUMBERS

    @property
    def parameters(self) -> dict[str, int]:
        size = {"ROWS": self.rows, "COLS": self.cols, "DATAFLOW": DATAFLOWS.index(self.dataflow), "SCAN": self.scan}
        if self.overlapped:
            return size
        return size | {"SERIAL": int(self.serial), "SHRUNK": int(self.shrunk), "MASKED": int(self.masked)}

    @property
    def arch(self) -> ArchSpec:
        options: dict[str, Any] = {
            "drain": "serial" if self.serial else "overlapped",
            "partial_folds": "shrunk" if self.shrunk else "full",
            "blocking": "none",  # the hardware streams all vectors of a tile
            "fill": "overlapped" if self.overlapped else "serial",
        }
        array = SystolicArray(dataflow=self.dataflow, rows=self.rows, cols=self.cols, **options)
        return ArchSpec.model_validate({
            "name": "rtl", "description": "as built", "array": array, "word": "8 bit", "clock": "1 GHz",
            "buffers": {"glb": {"size": "1 MiB"}}, "dram": {"bandwidth": "1 GB/s"}, "predictor": {"unit": "ideal"},
            "energy": {"technology": "none", "actions": {}},
        })  # fmt: skip

    def model(self, stage: Stage) -> StageResult:
        shape = stage.layer.shape
        return ENGINE.time_stage(shape, self.arch, ENGINE.map_stages(shape, self.arch)[0], stage.demand())

    def drain_waits(self, stage: Stage) -> int:
        """Count the cycles in which a shrunk fold that is over waits for the sums that the fold before has left.

        zapsim does not know of them: its folds drain beside the next one, however short that is.
        """
        if self.dataflow != OS or self.serial or not self.shrunk:
            return 0
        shape, waits, before = stage.layer.shape, 0, 0
        by_group = stage.wanted().reshape(-1, shape.groups, shape.K_per_group)
        for group in range(shape.groups):
            for first in range(0, shape.K_per_group, self.cols):
                columns = by_group[:, group, first : first + self.cols]
                vectors = int(columns.any(axis=1).sum())
                for start in range(0, vectors, self.rows):
                    used = min(self.rows, vectors - start)
                    waits += max(before - (shape.macs_per_output + columns.shape[1] - 2 + used), 0)
                    before = used
        return waits

    def write(self, stage: Stage, folder: Path) -> dict[str, int]:
        settings = stage.write(folder)
        filters = stage.layer.shape.K_per_group
        items = settings["pixels"] if self.dataflow == IS else filters
        return settings | {"filters": filters, "tiles": -(-items // self.cols)}


ARRAYS = {
    "ws 4x4": Array(WS, 4, 4),
    "os 4x3": Array(OS, 4, 3),
    "is 3x5": Array(IS, 3, 5),
    "ws 4x4 shrunk": Array(WS, 4, 4, shrunk=True),
    "os 3x4 serial shrunk": Array(OS, 3, 4, serial=True, shrunk=True, scan=1),
    "os 3x4 serial": Array(OS, 3, 4, serial=True),
    "os 5x2 shrunk": Array(OS, 5, 2, shrunk=True),
    "ws 8x8 scan 1": Array(WS, 8, 8, scan=1),
    "ws 4x4 without masks": Array(WS, 4, 4, masked=False),
    "is 1x1": Array(IS, 1, 1),
    "ws 1x1": Array(WS, 1, 1, scan=8),
    "os 1x1": Array(OS, 1, 1),
    "ws 4x3 overlapped": Array(WS, 4, 3, overlapped=True),
    "is 5x2 overlapped": Array(IS, 5, 2, overlapped=True),
    "ws 1x1 overlapped": Array(WS, 1, 1, overlapped=True),
}
IN_CI = ("ws 4x4", "os 4x3", "is 3x5", "ws 4x3 overlapped")
RANDOM_LAYERS = 110


@pytest.fixture(scope="module", params=ARRAYS)
def name(request: pytest.FixtureRequest, everything: bool) -> str:
    return chosen(request, everything, IN_CI)


@pytest.fixture(scope="module")
def bench(name: str) -> Testbench:
    array = ARRAYS[name]
    return build(f"tb_{array.design}", array.parameters, numbers=array.numbers, memories=MEMORIES)


def run(bench: Testbench, array: Array, work: Path, stages: list[Stage]) -> list[dict[str, int]]:
    """Run stages, check values and cycles, and return rows of the table."""
    if not array.masked:
        stages = [Stage(stage.name, stage.layer) for stage in stages]
    rows = []
    for stage, result, computed in run_stages(bench, work, stages, array.write):
        model = array.model(stage)
        running, once = result["running"], array.rows + array.cols - 2
        after = result["cycles"] - running - result["waiting"]
        if array.overlapped and computed:
            # The last vector's way through the array, of which its control knows only afterwards that it was the last.
            running, after = running + once, after - once
        # The model counts from cycle 0, as SCALE-Sim does: one less than there are.
        drain_waits = array.drain_waits(stage)
        assert running == model.cycles.total + bool(computed) + drain_waits, stage.name
        issued = (model.counts.macs_executed + model.counts.macs_gated) // stage.layer.shape.macs_per_output
        # A pixel of which nothing is wanted idles in the model; the hardware computes it beside its tile's others.
        assert computed >= issued if array.dataflow == IS else computed == issued, stage.name
        # With overlapped fills, tiles without work at the end may still be looked at while the last one runs out.
        scanned = stage.demand().mask is not None and array.overlapped
        assert after >= 0, stage.name
        assert scanned or after <= array.rows + array.cols + 3, stage.name
        rows.append({
            "stage": stage.name, "wanted": int(stage.wanted().sum()), "computed": computed,
            "model": model.cycles.total, "rtl_running": running, "rtl_waiting": result["waiting"],
            "rtl_after": after, "drain_waits": drain_waits,
        })  # fmt: skip
    return rows


def test_random_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    rng = np.random.default_rng(7)
    stages = [random_stage(rng, index) for index in range(RANDOM_LAYERS)]
    rows = run(bench, ARRAYS[name], tmp_path, stages)
    table(f"systolic-random-{name}".replace(" ", "-"), rows)


def test_real_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    rows = run(bench, ARRAYS[name], tmp_path, real_stages())
    table(f"systolic-real-{name}".replace(" ", "-"), rows)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"DATAFLOW": 3}, "DATAFLOW = 3: expected 0"),
        ({"DATAFLOW": 0, "SERIAL": 1}, "SERIAL goes with DATAFLOW = 1"),
        ({"DATAFLOW": 2, "SHRUNK": 1}, "SHRUNK input-stationary folds"),
        ({"MAX_VECTORS": 100}, "MAX_VECTORS = 100: expected a power of two"),
        ({"SCAN": 0}, "SCAN = 0"),
        ({"ROWS": 0}, "ROWS = 0"),
        ({"DATAFLOW": 1}, "overlapped_array: DATAFLOW = 1: expected 0"),
    ],
)
def test_unsupported_parameters_are_refused(parameters: dict[str, int], fault: str) -> None:
    assert_refused("overlapped_array" if fault.startswith("overlapped") else "systolic", parameters, fault)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_lint_is_clean(array: Array) -> None:
    assert_clean(array.design, array.parameters)
