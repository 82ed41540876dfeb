"""Stages of layers as testbenches of arrays run them: memories in, outputs back, random and real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.bench.hexfile import joined, read_words, signed, write_words
from rtl.tests.convolution import Layer, cuts, random_shape, with_operands
from zapsim.arrays.engine import Demand
from zapsim.patterns import PATTERNS, pattern_map
from zapsim.tracefile.packed import PackedMap

NUMBERS = ("cycles", "running", "waiting")
MEMORIES = ("ofmap.hex", "computed.hex")


@dataclass(frozen=True)
class Stage:
    """A stage of a layer: the outputs to compute, bool (N, P, Q, K), and the pixels put on the array, bool (P, Q)."""

    name: str
    layer: Layer
    wanted_outputs: NDArray[np.bool_] | None = None
    positions: NDArray[np.bool_] | None = None

    def demand(self) -> Demand:
        """Return what the stage asks of one of zapsim's engines."""
        wanted = None if self.wanted_outputs is None else PackedMap.from_bool(self.wanted_outputs)
        return Demand(wanted, positions=self.positions)

    def pixels(self) -> NDArray[np.int64]:
        """Return (image, row, column) of the pixels put on the array, in order: int64 (pixels, 3)."""
        shape = self.layer.shape
        positions = np.ones((shape.P, shape.Q), dtype=bool) if self.positions is None else self.positions
        return np.argwhere(np.broadcast_to(positions, (shape.N, shape.P, shape.Q)))

    def wanted(self) -> NDArray[np.bool_]:
        """Return the outputs to compute, by pixel as it is put on the array: bool (pixels, K)."""
        if self.wanted_outputs is None:
            return np.ones((len(self.pixels()), self.layer.shape.K), dtype=bool)
        return self.wanted_outputs[tuple(self.pixels().T)]

    def write(self, folder: Path) -> dict[str, int]:
        """Write the memories; return the settings that every array needs."""
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
        return {
            "pixels": len(pixels),
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


def random_stage(rng: np.random.Generator, index: int) -> Stage:
    """Return a random layer, dense, masked anyhow, or one of the two stages of a predicted layer."""
    shape = random_shape(rng, f"random {index}")
    layer = with_operands(rng, shape)
    size = (shape.N, shape.P, shape.Q, shape.K)
    kind = index % 4
    if kind == 0:
        return Stage(shape.name, layer)
    mask = rng.random(size) < rng.choice([0.05, 0.3, 0.6, 0.95])
    if kind == 1:
        return Stage(shape.name, layer, mask)
    pattern = pattern_map(str(rng.choice(PATTERNS)), shape.P, shape.Q)
    positions = pattern if kind == 2 else ~pattern
    if not positions.any():
        positions = ~positions
    wanted = positions[None, :, :, None] if kind == 2 else positions[None, :, :, None] & mask
    return Stage(shape.name, layer, np.broadcast_to(wanted, size).copy(), positions)


def real_stages() -> list[Stage]:
    """Return pieces of three layers of VGG-16: dense, the pattern, and the rest."""
    stages = []
    for cut in cuts():
        outside = ~cut.pattern
        known = np.broadcast_to(cut.pattern[None, :, :, None], cut.mask.shape).copy()
        stages += [
            Stage(f"{cut.name} dense", cut.layer),
            Stage(f"{cut.name} pattern", cut.layer, known, cut.pattern),
            Stage(f"{cut.name} rest", cut.layer, cut.mask & outside[None, :, :, None], outside),
        ]
    return stages
