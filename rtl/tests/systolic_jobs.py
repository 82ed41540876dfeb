"""Jobs for the systolic array's testbench, what it must compute, and how long zapsim says it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.bench.hexfile import joined, read_words, signed, write_words
from rtl.tests.convolution import Layer
from zapsim.arch.arrays import SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.systolic.timing import SystolicEngine
from zapsim.tracefile.packed import PackedMap

NUMBERS = ("cycles", "running", "waiting")
MEMORIES = ("ofmap.hex", "computed.hex")
DATAFLOWS = ("weight-stationary", "output-stationary", "input-stationary")
_ENGINE = SystolicEngine()


@dataclass(frozen=True)
class Array:
    """Parameters of the array."""

    dataflow: str
    rows: int
    cols: int
    serial: bool = False
    shrunk: bool = False
    scan: int = 4

    @property
    def parameters(self) -> dict[str, int]:
        """Parameters of the testbench."""
        return {
            "ROWS": self.rows,
            "COLS": self.cols,
            "DATAFLOW": DATAFLOWS.index(self.dataflow),
            "SERIAL": int(self.serial),
            "SHRUNK": int(self.shrunk),
            "SCAN": self.scan,
        }

    @property
    def arch(self) -> ArchSpec:
        """An architecture that has nothing special but this array."""
        options: dict[str, Any] = {
            "drain": "serial" if self.serial else "overlapped",
            "partial_folds": "shrunk" if self.shrunk else "full",
        }
        array = SystolicArray(dataflow=self.dataflow, rows=self.rows, cols=self.cols, **options)
        return ArchSpec.model_validate({
            "name": "rtl", "description": "as built", "array": array, "word": "8 bit", "clock": "1 GHz",
            "buffers": {"glb": {"size": "1 MiB"}}, "dram": {"bandwidth": "1 GB/s"}, "predictor": {"unit": "ideal"},
            "energy": {"technology": "none", "actions": {}},
        })  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A stage of a layer: the outputs to compute, bool (N, P, Q, K), and the pixels put on the array, bool (P, Q)."""

    name: str
    layer: Layer
    kept: NDArray[np.bool_] | None = None
    positions: NDArray[np.bool_] | None = None

    def pixels(self) -> NDArray[np.int64]:
        """Return (image, row, column) of the pixels put on the array, in order: int64 (pixels, 3)."""
        shape = self.layer.shape
        positions = np.ones((shape.P, shape.Q), dtype=bool) if self.positions is None else self.positions
        return np.argwhere(np.broadcast_to(positions, (shape.N, shape.P, shape.Q)))

    def wanted(self) -> NDArray[np.bool_]:
        """Return the outputs to compute, by pixel as it is put on the array: bool (pixels, K)."""
        if self.kept is None:
            return np.ones((len(self.pixels()), self.layer.shape.K), dtype=bool)
        return self.kept[tuple(self.pixels().T)]

    def model(self, array: Array) -> Any:
        """Return zapsim's result for the stage."""
        demand = Demand(None if self.kept is None else PackedMap.from_bool(self.kept), positions=self.positions)
        shape = self.layer.shape
        return _ENGINE.time_stage(shape, array.arch, _ENGINE.map_layer(shape, array.arch), demand)

    def write(self, folder: Path, array: Array) -> dict[str, int]:
        """Write the memories; return the settings."""
        shape, pixels = self.layer.shape, self.pixels()
        origins = pixels * [1, *shape.stride] - [0, shape.padding[0], shape.padding[2]]
        taps = [
            (c, r * shape.dilation[0], s * shape.dilation[1])
            for c in range(shape.C_per_group)
            for r in range(shape.R)
            for s in range(shape.S)
        ]
        write_words(folder / "ifmap.hex", self.layer.ifmap.reshape(-1), 8)
        write_words(folder / "filter.hex", self.layer.weights.reshape(-1), 8)
        write_words(folder / "mask.hex", self.wanted().reshape(-1), 1)
        write_words(folder / "pixel.hex", [joined((x, y, n), 16) for n, y, x in origins], 48)
        write_words(folder / "tap.hex", [joined((s, r, c), 16) for c, r, s in taps], 48)
        items = len(pixels) if array.dataflow == "input-stationary" else shape.K_per_group
        return {
            "pixels": len(pixels),
            "filters": shape.K_per_group,
            "tiles": -(-items // array.cols),
            "products": shape.macs_per_output,
            "groups": shape.groups,
            "channels": shape.C,
            "rows": shape.H,
            "cols": shape.W,
        }

    def check(self, folder: Path) -> int:
        """Check that every wanted output is there and that all that were computed are right; return how many."""
        size = (len(self.pixels()), self.layer.shape.K)
        computed = np.array(read_words(folder / "computed.hex", 1), dtype=bool).reshape(size)
        found = signed(read_words(folder / "ofmap.hex", 24), 24).reshape(size)
        expected = self.layer.ofmap()[tuple(self.pixels().T)]
        assert computed[self.wanted()].all(), self.name
        np.testing.assert_array_equal(found[computed], expected[computed], err_msg=self.name)
        return int(computed.sum())
