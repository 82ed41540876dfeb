"""Which engine serves which dataflow: a new array model is entered here."""

from __future__ import annotations

from typing import Any

from zapsim.arrays.engine import Engine
from zapsim.arrays.lanes.timing import LanesEngine
from zapsim.arrays.row_stationary.compiled_search import compiled_search
from zapsim.arrays.row_stationary.kept_mappings import kept_search
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.arrays.systolic.timing import OUTPUT_STATIONARY, SystolicEngine

ENGINES: dict[str, Engine[Any]] = {
    "row-stationary": RowStationaryEngine(kept_search),
    "weight-stationary": SystolicEngine(),
    "output-stationary": SystolicEngine(OUTPUT_STATIONARY),
    "input-stationary": SystolicEngine(),
    "output-lanes": LanesEngine(),
}
"""Engine of each dataflow."""

EXPLORING: dict[str, Engine[Any]] = ENGINES | {"row-stationary": RowStationaryEngine(compiled_search)}
"""The same for thousands of designs: mappings are searched for by kernels, which take seconds to compile once."""
