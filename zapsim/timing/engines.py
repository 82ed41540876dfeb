"""Which engine serves which dataflow: a new array model is entered here."""

from __future__ import annotations

from typing import Any

from zapsim.timing.engine import Engine
from zapsim.timing.lanes import LanesEngine
from zapsim.timing.row_stationary import RowStationaryEngine
from zapsim.timing.systolic import SystolicEngine

ENGINES: dict[str, Engine[Any]] = {
    "row-stationary": RowStationaryEngine(),
    "weight-stationary": SystolicEngine(),
    "output-stationary": SystolicEngine(),
    "input-stationary": SystolicEngine(),
    "output-lanes": LanesEngine(),
}
"""Engine of each dataflow."""
