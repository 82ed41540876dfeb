"""Jobs for the predictor's testbench, and what must come out: mask words and cycles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.bench.hexfile import joined, write_words
from rtl.quantised_predictor import Ints, QuantisedPredictor
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.systolic.timing import SystolicEngine
from zapsim.patterns import pattern_map, pattern_tile
from zapsim.timing.predictor import run_predictor
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

NUMBERS = ("cycles", "working", "starved", "last_input", "words")
MEMORIES = ("masks.hex",)
_ENGINE = SystolicEngine()


@dataclass(frozen=True)
class Unit:
    """Parameters of the unit."""

    taps: int = 9
    channels: int = 1
    powers_of_two: bool = False
    word: int = 16

    @property
    def lanes(self) -> int:
        """MACs a cycle."""
        return self.taps * self.channels

    @property
    def parameters(self) -> dict[str, int]:
        """Parameters of the testbench."""
        return {
            "TAPS": self.taps,
            "CHANNELS": self.channels,
            "POWERS_OF_TWO": int(self.powers_of_two),
            "WORD": self.word,
        }

    @property
    def arch(self) -> ArchSpec:
        """An architecture in which this unit stands beside some array."""
        return ArchSpec.model_validate({
            "name": "rtl", "description": "as built", "word": "8 bit", "clock": "1 GHz",
            "array": {"dataflow": "weight-stationary", "rows": 4, "cols": 4},
            "buffers": {"glb": {"size": "1 MiB"}}, "dram": {"bandwidth": "1 GB/s"},
            "predictor": {"unit": "dedicated", "lanes": self.lanes, "latency": "0 cycles"},
            "energy": {"technology": "none", "actions": {}},
        })  # fmt: skip


@dataclass(frozen=True)
class PredictorJob:
    """A layer's activations (K, P, Q), its predictor, and when inputs arrive (None: all are there)."""

    name: str
    predictor: QuantisedPredictor
    activations: Ints
    pattern: str
    arrivals: NDArray[np.int64] | None = None
    refusals: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, P, Q)."""
        channels, rows, cols = self.activations.shape
        return channels, rows, cols

    def inputs(self, unit: Unit) -> list[int]:
        """Return the words that stream in: the pattern's outputs, some channels at a time."""
        _, rows, cols = self.shape
        known = pattern_map(self.pattern, rows, cols).reshape(-1)
        by_group = self._grouped(unit, self.activations).reshape(-1, unit.channels, rows * cols)[:, :, known]
        return [joined(values, 8) for group in by_group for values in group.T]

    def mask_words(self, unit: Unit) -> list[int]:
        """Return the words that must come out: bits outside the pattern, some channels at a time."""
        _, rows, cols = self.shape
        outside = ~pattern_map(self.pattern, rows, cols).reshape(-1)
        computed = self._grouped(unit, self.predictor.computed(self.activations, self.pattern))
        by_group = computed.reshape(-1, unit.channels, rows * cols)[:, :, outside]
        bits = by_group.transpose(0, 2, 1).reshape(-1)
        return [joined(bits[first : first + unit.word], 1) for first in range(0, len(bits), unit.word)]

    def model_cycles(self, unit: Unit) -> int:
        """Return the cycles for which zapsim keeps a dedicated unit busy, its latency being 0.

        A group of channels that the layer does not fill counts as a whole one, as the unit works on it.
        """
        channels, rows, cols = self.shape
        channels += -channels % unit.channels
        shape = ConvShape("layer", C=1, H=rows, W=cols, K=channels, R=1, S=1)
        pattern = PackedMap.of_pattern(pattern_map(self.pattern, rows, cols), 1, channels)
        arch = unit.arch
        stage = _ENGINE.time_stage(shape, arch, _ENGINE.map_stages(shape, arch)[0], Demand(pattern))
        return run_predictor(_ENGINE, arch, shape, pattern, stage.tiles, 2**20).busy_cycles

    def write(self, folder: Path, unit: Unit) -> dict[str, int]:
        """Write the memories; return the settings."""
        channels, rows, cols = self.shape
        words = self.inputs(unit)
        write_words(folder / "inputs.hex", words, 8 * unit.channels)
        write_words(folder / "arrivals.hex", [0] * len(words) if self.arrivals is None else self.arrivals, 32)
        for name, kernels in (("first", self.predictor.first), ("second", self.predictor.second)):
            codes = _codes(kernels) if unit.powers_of_two else kernels
            bits = 4 if unit.powers_of_two else 8
            groups = self._grouped(unit, codes.reshape(channels, 9)).reshape(-1, unit.channels * 9)
            write_words(folder / f"{name}_weights.hex", [joined(g, bits) for g in groups], bits * groups.shape[1])
        for name, values, bits in (
            ("first_biases", self.predictor.first_bias, 24),
            ("second_biases", self.predictor.second_bias, 24),
            ("first_shifts", self.predictor.first_shift, 5),
        ):
            groups = self._grouped(unit, values).reshape(-1, unit.channels)
            write_words(folder / f"{name}.hex", [joined(g, bits) for g in groups], bits * unit.channels)
        tile = pattern_tile(self.pattern)
        side = len(tile)
        return {
            "rows": rows,
            "cols": cols,
            "groups": -(-channels // unit.channels),
            "tile": sum(1 << (5 * r + s) for r in range(side) for s in range(side) if tile[r, s]),
            "side": side,
            "inputs": len(words),
            "refusals": self.refusals,
        }

    def _grouped(self, unit: Unit, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return values with zero channels added until the unit's channels divide them."""
        missing = -len(values) % unit.channels
        return np.concatenate([values, np.zeros((missing, *values.shape[1:]), dtype=values.dtype)])


def _codes(weights: Ints) -> Ints:
    """Return powers of two as the unit takes them: a sign above three bits, 0 or the exponent + 1."""
    sizes = np.abs(weights)
    exponents = np.where(sizes > 0, np.log2(np.maximum(sizes, 1)).astype(np.int64) + 1, 0)
    return exponents + 8 * (weights < 0)
