"""Small spaces over a tiny labelled trace, for the tests of the explorer."""

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.builders import trace_header, write_trace
from zapsim.exploration.driver import RunOptions, run_space
from zapsim.exploration.load import load_space
from zapsim.exploration.space import Space
from zapsim.tracefile.records import OperatingPoint, PredictorSetting

VOLATILE = ["seconds", "finished"]
"""Columns that differ from run to run."""


def labelled_trace(path: Path, labels: bool = True) -> Path:
    """Write a tiny trace with two operating points, t0 that loses 0.5 points of accuracy and t1 that loses 3."""
    points = tuple(
        OperatingPoint(
            name=name,
            predictors={"conv2": PredictorSetting(pattern="1/2", threshold=threshold)},
            quality={"top1_accuracy": accuracy, "top1_accuracy_unmodified": 0.92}
            if labels
            else {"top1_agreement": 0.9},
            quality_note="4 pictures",
        )
        for name, threshold, accuracy in (("t0", 0.0, 0.915), ("t1", 0.25, 0.89))
    )
    return write_trace(path, trace_header(operating_points=points))


def space_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a space as a file would have it: 2 operating points × 3 × 2 designs, whose trace lies in `folder`."""
    trace = folder / "tiny.safetensors"
    if not trace.exists():
        labelled_trace(trace)
    plain: dict[str, Any] = {
        "arch": "eyeriss",
        "trace": str(trace),
        "parameters": {"array.rows": [6, 9, 12], "predictor.lanes": [1, 9]},
        "objectives": ["cycles", "energy"],
    }
    return plain | changes


def load(folder: Path, **changes: Any) -> Space:
    """Return the space, loaded."""
    return load_space(space_of(folder, **changes))


MIXED = {
    "arch": ["eyeriss", "systolic_16x16", "lanes_256"],
    "policy": ["zap", "gate-input"],
    "parameters": {
        "array.rows": [2, 6, 12],  # of which 2 are too few for a 3×3 filter on eyeriss
        "predictor.lanes": {"values": [1, 9], "when": {"policy": "zap"}},
        "dram.bandwidth": ["480 MB/s", "6.4 GB/s"],
    },
    "constraints": ["array.rows * array.cols <= 168", "accuracy_drop <= 1"],
    "objectives": ["latency", "energy", {"maximise": "cycle_saving"}],
}
SERIAL = RunOptions(workers=1)


class Silent:
    def start(self, known, most):
        pass

    def advance(self, designs):
        pass


class KillsOne(Silent):
    """Kills a worker after the first results."""

    def __init__(self):
        self.pids = None
        self.killed = 0

    def advance(self, designs):
        if not self.killed:
            self.killed = self.pids()[0]
            os.kill(self.killed, signal.SIGKILL)


def stable(table: pa.Table) -> pa.Table:
    return table.drop_columns(VOLATILE)


def explored(space, folder, options=SERIAL, watcher=None):
    return run_space(space, folder, options, watcher or Silent())


def explored_mixed(folder: Path):
    """Explore a space of three arrays in one process without a folder; return it, the summary and the stable table."""
    space = load(folder, **MIXED)
    summary, table = explored(space, None)
    return space, summary, stable(table)
