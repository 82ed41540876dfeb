"""Whole explorations: the same table from one process, from several, from a cluster, and after crashes."""

import gc
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

import zapsim
from tests.builders import trace_header, write_trace
from tests.explore_support import (
    MIXED,
    KillsOne,
    Silent,
    explored,
    explored_mixed,
    load,
    space_of,
    stable,
)
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.errors import ZapsimError
from zapsim.exploration import driver, store
from zapsim.exploration.backends import Processes, Serial
from zapsim.exploration.driver import RunOptions
from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.store import DESIGNS, LAYERS, Store, parts, read_table
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A space of three arrays, and its results from one process without a folder."""
    folder = tmp_path_factory.mktemp("mixed")
    return explored_mixed(folder)


def test_results_are_those_of_single_runs(mixed, tmp_path):
    space, _, table = mixed
    row = next(one for one in table.to_pylist() if one["arch"] == "systolic_16x16" and one["policy"] == "zap")
    changes = ("array.rows", "predictor.lanes")
    overrides = [f"{path}={row[path]}" for path in changes] + [f"dram.bandwidth={row['dram.bandwidth']} B/s"]
    arch = load_arch("systolic_16x16", overrides)
    result = simulate(arch, Trace(space.workloads[0].path), preset("zap", arch.inputs), point=row["point"]).total
    assert row["arch_sha256"] == arch.hash
    assert row["cycles"] == result.policy.cycles.total
    assert row["energy_mj"] == pytest.approx(result.policy.total_energy_pj / 1e9, rel=1e-12)
    assert row["objective.energy"] == result.policy.total_energy_pj
    assert row["cycle_saving"] == result.cycle_saving
    assert row["latency_ms"] == pytest.approx(1e3 * result.policy.cycles.total / arch.clock, rel=1e-12)
    assert row["accuracy_drop"] == 0.5


def test_one_process_looks_for_garbage_seldom_and_only_meanwhile(mixed):
    space, before = mixed[0], gc.get_threshold()
    with Serial(space, False):
        assert gc.get_threshold() > before
    assert gc.get_threshold() == before


def test_designs_that_do_not_fit_are_counted(mixed):
    _, summary, table = mixed
    found = Counter(zip(table["arch"].to_pylist(), table["status"].to_pylist(), strict=True))
    # With 2 rows: `zap` at t0 with 2 predictors, `gate-input` at both points, each with 2 bandwidths.
    assert found["eyeriss", "invalid"] == summary.statuses["invalid"] == (2 + 2) * 2
    assert any("do not fit 2 array rows" in reason for reason in summary.reasons)


def test_processes_give_the_same_table(mixed, tmp_path):
    space, _, table = mixed
    assert stable(explored(space, tmp_path / "out", RunOptions(workers=2))[1]).equals(table)


def test_a_killed_process_changes_nothing(mixed, tmp_path, monkeypatch):
    space, _, table = mixed
    watcher, backends = KillsOne(), []

    def make(*arguments):
        backends.append(Processes(*arguments))
        watcher.pids = lambda: [pid for pool in backends[0]._pools for pid in pool._processes]
        return backends[0]

    monkeypatch.setattr(driver, "Processes", make)
    summary, found = explored(space, None, RunOptions(workers=2), watcher)
    assert watcher.killed
    assert stable(found).equals(table)
    assert "error" not in summary.statuses


def many(folder: Path) -> dict:
    """Return a space of 200 designs."""
    parameters = {"array.rows": list(range(3, 13)), "array.cols": list(range(3, 13))}
    return space_of(folder, parameters=parameters)


KILLED_IN_A_WRITE = """
import os, signal, sys
from pathlib import Path
from zapsim.cli import main

rename, parts = os.replace, 0

def kill_at_the_second_part(source, target):
    global parts
    parts += Path(target).parent.name == sys.argv[1]
    if parts == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

os.replace = kill_at_the_second_part
sys.exit(main(sys.argv[2:]))
"""
"""Runs zapsim, and kills it when the second part of the table is written but not yet in place."""


def test_killed_at_any_moment_it_goes_on(tmp_path):
    """The process ends itself at the worst moment, so that nothing here waits for a clock."""
    file, out = tmp_path / "many.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(many(tmp_path), sort_keys=False))
    command = [sys.executable, "-c", KILLED_IN_A_WRITE, DESIGNS, "explore", str(file), "--out", str(out)]
    ended = subprocess.run([*command, "--workers", "1"], cwd=ROOT, stderr=subprocess.DEVNULL, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert any((out / DESIGNS).glob("*.part"))  # what it was writing
    space = load(tmp_path, **many(tmp_path))
    known = len(Store(out, space).done)
    assert 0 < known < space.lattice.size
    summary, table = explored(space, out)
    assert (summary.known, summary.evaluated) == (known, space.lattice.size - known)
    assert table["design"].to_pylist() == list(range(space.lattice.size))
    assert Counter(table["status"].to_pylist()) == {"ok": 200}
    assert len(parts(out, DESIGNS)) <= 2


def test_going_on_does_nothing_twice(mixed, tmp_path):
    space, _, table = mixed
    first, _ = explored(replace(space, budget=space.budget.model_copy(update={"points": 9})), tmp_path / "out")
    rest, found = explored(space, tmp_path / "out")
    again, same = explored(space, tmp_path / "out")
    assert (first.evaluated, rest.known, again.evaluated) == (9, 9, 0)
    assert first.evaluated + rest.evaluated == len(table)
    assert stable(found).equals(table)
    assert same.equals(found)


def test_rows_that_a_crash_left_twice_are_read_once(mixed, tmp_path):
    space, _, table = mixed
    explored(space, tmp_path / "out")
    folder = tmp_path / "out" / DESIGNS
    one = next(folder.iterdir())
    (folder / "part-00000001.parquet").write_bytes(one.read_bytes())
    assert stable(read_table(tmp_path / "out", DESIGNS)).equals(table)


def test_a_full_disk_leaves_what_was_written(mixed, tmp_path, monkeypatch):
    space, _, table = mixed
    write, writes = store.write_atomically, []

    def full(path, content, parents=False):
        writes.append(path)
        if len(writes) > 1:
            raise ZapsimError(f"{path}: cannot be written (No space left on device)")
        write(path, content, parents)

    monkeypatch.setattr(store, "write_atomically", full)
    with pytest.raises(ZapsimError, match=r"No space left on device\); all files are whole, and the same command"):
        explored(space, tmp_path / "out")
    monkeypatch.undo()
    assert 0 < len(read_table(tmp_path / "out", DESIGNS)) < len(table)
    assert stable(explored(space, tmp_path / "out")[1]).equals(table)


def test_layers_sum_to_their_network(mixed, tmp_path):
    space, _, table = mixed
    explored(space, tmp_path / "out", RunOptions(workers=1, layers=True))
    layers = read_table(tmp_path / "out", LAYERS).to_pandas()
    assert list(layers["layer"].unique()) == ["conv1", "conv2", "fc"]
    ok = table.to_pandas().query("status == 'ok'").set_index("design")
    total = layers.groupby("design")[["cycles", "energy_mj"]].sum().loc[ok.index]
    assert (total["cycles"] == ok["cycles"]).all()
    assert total["energy_mj"].to_numpy() == pytest.approx(ok["energy_mj"].to_numpy(), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (
            {"parameters": {"array.rows": [6, 9], "predictor.lanes": [1, 9]}},
            "parameters.array.rows was 6, 9, 12, is 6, 9; choose another folder",
        ),
        (
            {"parameters": {"predictor.lanes": [1, 9], "array.rows": [6, 9, 12]}},
            "order was eyeriss, array.rows, predictor.lanes, is eyeriss, predictor.lanes, array.rows; choose",
        ),
        ({"constraints": ["array.rows < 9"]}, "constraints was empty, is array.rows < 9"),
        ({"arch": "eyeriss_alexnet"}, "arch.eyeriss was "),
        ({"strategy": {"name": "grid", "seed": 3}}, "strategy.seed was 0, is 3"),
    ],
)
def test_another_space_is_noticed(tmp_path, changes, what):
    explored(load(tmp_path), tmp_path / "out")
    explored(load(tmp_path, budget={"points": 3}), tmp_path / "out")
    with pytest.raises(ZapsimError) as found:
        explored(load(tmp_path, **changes), tmp_path / "out")
    assert str(found.value).startswith(f"{tmp_path / 'out'}: holds results of another space: {what}")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("workers", "pace", "size"), [(1, 0.01, 60), (32, 0.01, 60), (256, 0.01, 480), (256, 1e-4, 2048)]
)
def test_tasks_grow_with_the_number_of_workers(mixed, workers, pace, size):
    space = mixed[0]
    backend = Serial(space, False)
    backend.workers = workers
    one = driver.Driver(space, driver.make_strategy(space), backend, store.MemoryStore(space), Silent(), None)
    one._pace = pace
    assert one._chunk_size(10**6) == size
    assert one._chunk_size(7) == 7


def test_another_trace_is_noticed(tmp_path):
    explored(load(tmp_path), tmp_path / "out")
    space = load(tmp_path)
    write_trace(tmp_path / "tiny.safetensors", trace_header(points=("t0", "t1")), seed=3)
    with pytest.raises(ZapsimError, match=r"trace.tiny was [0-9a-f]*"):
        explored(load(tmp_path), tmp_path / "out")
    with pytest.raises(ZapsimError, match=r"tiny.safetensors: is not the trace that the space was made with"):
        explored(space, None)


@pytest.mark.parametrize("name", ["file", "full"])
def test_folders_of_other_things(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(
        ZapsimError, match=r"is a file, not a folder|holds other files; choose a new or an empty folder"
    ):
        explored(load(tmp_path), tmp_path / name)


def test_constraints_that_leave_nothing(tmp_path):
    with pytest.raises(ZapsimError, match="space: the constraints exclude every design"):
        explored(load(tmp_path, constraints=["array.rows > 99"]), None)


def test_from_python(tmp_path):
    table = zapsim.explore(space_of(tmp_path), workers=1, progress=False)
    assert list(table["array.rows"]) == [6, 6, 9, 9, 12, 12] * 2
    best = table[table["on_front"]]
    assert best["cycles"].min() == table["cycles"].min()
    assert best["energy_mj"].min() == table["energy_mj"].min()


def test_same_evaluations_by_one_evaluator_in_any_order(mixed):
    space, _, table = mixed
    evaluator, rows = Evaluator(space), {row["design"]: row for row in table.to_pylist()}
    for number in sorted(rows, key=lambda one: hash((one, 7))):
        (point,) = evaluator([number])
        assert store.row(point)["cycles"] == rows[number]["cycles"] if point.status == "ok" else True
        assert point.values.get("objective.energy") == rows[number]["objective.energy"]


def test_workers_end_with_who_started_them(tmp_path):
    """Nothing is left behind by ``kill -9``."""
    file, out = tmp_path / "many.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(many(tmp_path), sort_keys=False))
    code = "import sys; from zapsim.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "explore", str(file), "--out", str(out), "--workers", "2"]
    running = psutil.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    family = []
    try:
        while not parts(out, DESIGNS):
            assert running.poll() is None
            time.sleep(0.01)
        family = running.children(recursive=True)
        assert len(family) >= 2
    finally:
        running.kill()
        running.wait()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []


def test_a_design_that_names_a_layer_which_the_network_does_not_have_is_invalid(tmp_path):
    predictors = {"predictor": [{"layers": ["conv2"]}, {"layers": ["conv9"]}]}
    space = load(tmp_path, **MIXED | {"arch": ["lanes_256"], "parameters": predictors, "constraints": []})
    summary, _ = explored(space, None)
    assert any("predictor.layers: the network has no layer 'conv9'" in reason for reason in summary.reasons)
