"""Waveforms are read cycle by cycle, and the picture of a layer has a bar wherever something happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtl.bench.waves import bits_by_cycle
from rtl.picture import draw

SIGNALS = ("busy", "is_running", "is_waiting", "is_working")


def waveforms(path: Path, cycles: list[dict[str, int]]) -> None:
    """Write a VCD of a testbench in which signals have these values in one cycle after another."""
    codes = dict(zip(("clk", *SIGNALS), "!#$%&", strict=True))
    lines = ["$scope module TOP $end", "$scope module tb $end"]
    lines += [f"$var wire 1 {code} {name} $end" for name, code in codes.items()]
    lines += ["$var wire 8 ' word [7:0] $end", "$scope module dut $end", "$var wire 1 ( busy $end", "$upscope $end"]
    lines += ["$upscope $end", "$upscope $end", "$enddefinitions $end", "#0", "0!", "1(", "b101 '"]
    for time, values in enumerate(cycles):
        lines += [f"#{2 * time + 1}", *(f"{values.get(name, 0)}{codes[name]}" for name in SIGNALS), "0!"]
        lines += [f"#{2 * time + 2}", "1!"]
    path.write_text("\n".join(lines) + "\n")


def test_bits_are_those_of_busy_cycles(tmp_path: Path) -> None:
    busy = {"busy": 1}
    waveforms(tmp_path / "x.vcd", [{}, busy, busy | {"is_running": 1}, {"is_running": 1}, busy | {"is_waiting": 1}])
    running, waiting = bits_by_cycle(tmp_path / "x.vcd", "clk", "busy", ("is_running", "is_waiting"))
    assert running.tolist() == [False, True, False]
    assert waiting.tolist() == [False, False, True]


def test_a_missing_signal_is_named(tmp_path: Path) -> None:
    waveforms(tmp_path / "x.vcd", [])
    with pytest.raises(ValueError, match="no signal of one bit is called word"):
        bits_by_cycle(tmp_path / "x.vcd", "clk", "busy", ("word",))


def test_bars_stand_where_something_happens(tmp_path: Path) -> None:
    runs, works = {"busy": 1, "is_running": 1}, {"busy": 1, "is_working": 1}
    waveforms(tmp_path / "pattern.vcd", [runs] * 190)
    waveforms(tmp_path / "rest.vcd", [runs] * 190)
    waveforms(tmp_path / "predictor.vcd", [{"busy": 1}] * 96 + [works] * 94)
    event = {"ph": "X", "name": "stage B", "args": {"cycle": 190, "cycles": 190}}
    (tmp_path / "timeline.json").write_text(json.dumps({"traceEvents": [event]}))
    lines = draw(tmp_path, 190).read_text().splitlines()
    bars = [line for line in lines if line.startswith("<rect") and 'fill="white"' not in line]
    left = [float(bar.split('"')[1]) for bar in bars]
    # Pattern, rest, predictor (a fourth of the picture on), and stage B: a bar each, in a picture of 540 from 150 on.
    assert left == [150.0, 420.0, 286.4, 420.0]
