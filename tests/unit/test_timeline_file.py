"""The trace file of a timeline: what a viewer reads, and that its slices are the tiles'."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.builders import arch, conv, random_layer, write_trace
from zapsim.arch.policy import PRESETS
from zapsim.cli import main
from zapsim.report.timeline_file import TimedLayer, timeline_json
from zapsim.simulation import layer_timing

TRACKS = {0: "layers", 1: "array", 2: "DRAM channel", 3: "predictor"}


def test_slices_are_what_the_tiles_take(rng):
    layers = [random_layer(rng, conv(name, K=9), correlated=True) for name in ("first", "second")]
    spec = arch("row-stationary")
    timed = [TimedLayer(layer.shape.name, layer_timing(spec, layer, PRESETS["zap"]).timeline) for layer in layers]
    text = timeline_json(timed, spec.clock, "two layers")
    events = json.loads(text)["traceEvents"]
    named = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert named == TRACKS
    slices = [event for event in events if event["ph"] == "X"]
    plans = [one.timeline.schedule for one in timed]

    def busy(tid):
        return sum(event["args"]["cycles"] for event in slices if event["tid"] == tid)

    assert busy(1) == sum(plan.cycles.sum() for plan in plans)
    assert busy(2) == sum(plan.loads.sum() + plan.stores.sum() for plan in plans)
    assert busy(3) == sum(plan.job_cycles.sum() for plan in plans)
    whole = [event for event in slices if event["tid"] == 0]
    assert [event["name"] for event in whole] == ["first", "second"]
    assert whole[1]["args"]["cycle"] == whole[0]["args"]["cycles"] == timed[0].timeline.times.end
    for event in slices:
        assert event["dur"] == pytest.approx(event["args"]["cycles"] / 100)  # 100 MHz
        assert event["args"]["cycles"] > 0
    for tid in (1, 2, 3):
        track = sorted((event["args"]["cycle"], event["args"]["cycles"]) for event in slices if event["tid"] == tid)
        assert all(at + long <= following for (at, long), (following, _) in pairwise(track))
    assert text == timeline_json(timed, spec.clock, "two layers")


def test_on_the_command_line(tmp_path: Path, capsys):
    trace, out = write_trace(tmp_path / "t.safetensors"), tmp_path / "timeline.json"
    assert main(["run", "--arch", "lanes_256", "--trace", str(trace), "--timeline", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["traceEvents"]) > 10


def test_both_engines_print_the_same(tmp_path: Path, capsys):
    trace = write_trace(tmp_path / "t.safetensors")
    tables = []
    for engine in ("fast", "event"):
        assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--engine", engine, "--format", "csv"]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]


def test_a_timeline_that_cannot_be_written_is_said_before_the_work(tmp_path: Path, capsys):
    trace = write_trace(tmp_path / "t.safetensors")
    gone = tmp_path / "no" / "t.json"
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--timeline", str(gone)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
