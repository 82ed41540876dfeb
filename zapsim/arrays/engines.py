"""Which engine serves which dataflow: a new array model is entered here."""

from __future__ import annotations

from typing import Any

from zapsim.arrays.engine import Engine
from zapsim.arrays.lanes.timing import LanesEngine
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.arrays.systolic.timing import OUTPUT_STATIONARY, SystolicEngine

ENGINES: dict[str, Engine[Any]] = {
    "row-stationary": RowStationaryEngine(),
    "weight-stationary": SystolicEngine(),
    "output-stationary": SystolicEngine(OUTPUT_STATIONARY),
    "input-stationary": SystolicEngine(),
    "output-lanes": LanesEngine(),
}
"""Engine of each dataflow."""
