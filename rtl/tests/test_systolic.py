"""Systolic arrays in SystemVerilog against the convolution, value by value, and against zapsim, cycle by cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtl.bench.simulator import Testbench, build, job_folder, lint
from rtl.tests.convolution import cuts, random_shape, with_operands
from rtl.tests.systolic_jobs import MEMORIES, NUMBERS, Array, Stage
from zapsim.patterns import PATTERNS, pattern_map

WS, OS, IS = "weight-stationary", "output-stationary", "input-stationary"
ARRAYS = {
    "ws 4x4": Array(WS, 4, 4),
    "os 4x3": Array(OS, 4, 3),
    "is 3x5": Array(IS, 3, 5),
    "ws 4x4 shrunk": Array(WS, 4, 4, shrunk=True),
    "os 3x4 serial shrunk": Array(OS, 3, 4, serial=True, shrunk=True, scan=1),
    "os 3x4 serial": Array(OS, 3, 4, serial=True),
    "os 5x2 shrunk": Array(OS, 5, 2, shrunk=True),
    "ws 8x8 scan 1": Array(WS, 8, 8, scan=1),
    "is 1x1": Array(IS, 1, 1),
    "ws 1x1": Array(WS, 1, 1, scan=8),
    "os 1x1": Array(OS, 1, 1),
}
IN_CI = ("ws 4x4", "os 4x3", "is 3x5", "os 3x4 serial shrunk")
RANDOM_LAYERS = 110


@pytest.fixture(scope="module", params=ARRAYS)
def name(request: pytest.FixtureRequest, everything: bool) -> str:
    if request.param not in IN_CI and not everything:
        pytest.skip("runs with ZAPSIM_RTL=all")
    return request.param


@pytest.fixture(scope="module")
def bench(name: str) -> Testbench:
    return build("tb_systolic", ARRAYS[name].parameters, numbers=NUMBERS, memories=MEMORIES)


def random_stage(rng: np.random.Generator, index: int) -> Stage:
    """Return a random layer, dense, masked anyhow, or one of the two stages of a predicted layer."""
    shape = random_shape(rng, f"random {index}")
    layer = with_operands(rng, shape)
    size = (shape.N, shape.P, shape.Q, shape.K)
    kind = index % 4
    if kind == 0:
        return Stage(shape.name, layer)
    kept = rng.random(size) < rng.choice([0.05, 0.3, 0.6, 0.95])
    if kind == 1:
        return Stage(shape.name, layer, kept)
    pattern = pattern_map(str(rng.choice(PATTERNS)), shape.P, shape.Q)
    positions = pattern if kind == 2 else ~pattern
    if not positions.any():
        positions = ~positions
    wanted = positions[None, :, :, None] if kind == 2 else positions[None, :, :, None] & kept
    return Stage(shape.name, layer, np.broadcast_to(wanted, size).copy(), positions)


def run(bench: Testbench, array: Array, work: Path, stages: list[Stage]) -> list[dict[str, int]]:
    """Run stages, check values and cycles, and return rows of the table."""
    settings = [stage.write(job_folder(work, index), array) for index, stage in enumerate(stages)]
    rows = []
    for index, (stage, result) in enumerate(zip(stages, bench.run(work, settings), strict=True)):
        model = stage.model(array)
        computed = stage.check(job_folder(work, index))
        # The model counts from cycle 0, as SCALE-Sim does: one less than there are.
        assert result["running"] == model.cycles.total + bool(computed), stage.name
        issued = (model.counts.macs_executed + model.counts.macs_gated) // stage.layer.shape.macs_per_output
        # A pixel of which nothing is wanted idles in the model; the hardware computes it beside its tile's others.
        assert computed >= issued if array.dataflow == IS else computed == issued, stage.name
        after = result["cycles"] - result["running"] - result["waiting"]
        assert 0 <= after <= array.rows + array.cols + 3, stage.name
        rows.append({
            "stage": stage.name, "wanted": int(stage.wanted().sum()), "computed": computed,
            "model": model.cycles.total, "rtl_running": result["running"], "rtl_waiting": result["waiting"],
            "rtl_after": after,
        })  # fmt: skip
    return rows


def test_random_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    rng = np.random.default_rng(7)
    rows = run(bench, ARRAYS[name], tmp_path, [random_stage(rng, index) for index in range(RANDOM_LAYERS)])
    table(f"systolic-random-{name}".replace(" ", "-"), rows)


def test_real_layers(bench: Testbench, name: str, tmp_path: Path, table) -> None:
    stages = []
    for cut in cuts():
        outside = ~cut.pattern
        known = np.broadcast_to(cut.pattern[None, :, :, None], cut.mask.shape).copy()
        stages += [
            Stage(f"{cut.name} dense", cut.layer),
            Stage(f"{cut.name} pattern", cut.layer, known, cut.pattern),
            Stage(f"{cut.name} rest", cut.layer, cut.mask & outside[None, :, :, None], outside),
        ]
    rows = run(bench, ARRAYS[name], tmp_path, stages)
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
    ],
)
def test_unsupported_parameters_are_refused(parameters: dict[str, int], fault: str) -> None:
    found = lint("systolic", parameters)
    assert found.returncode != 0
    assert fault in found.stderr


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_lint_is_clean(array: Array) -> None:
    found = lint("systolic", array.parameters)
    assert found.returncode == 0, found.stderr
    assert "Warning" not in found.stderr
