"""Small spaces over a tiny labelled trace, for the tests of the explorer."""

from pathlib import Path
from typing import Any

from tests.builders import trace_header, write_trace
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
