"""Layers with real operands, random ones and cuts of bundled traces, and the convolution that hardware must compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.bench.simulator import ROOT
from zapsim.tracefile.reader import Trace
from zapsim.workload import ConvShape


@dataclass(frozen=True)
class Layer:
    """A convolution with its operands: ifmap (N, H, W, C) and weights (K, C / groups, R, S), int64 within int8."""

    shape: ConvShape
    ifmap: NDArray[np.int64]
    weights: NDArray[np.int64]

    def ofmap(self) -> NDArray[np.int64]:
        """Return the sums, int64 (N, P, Q, K), as a loop over taps gives them."""
        shape = self.shape
        top, bottom, left, right = shape.padding
        padded = np.pad(self.ifmap, ((0, 0), (top, bottom), (left, right), (0, 0)))
        out = np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=np.int64)
        for g in range(shape.groups):
            channels = slice(g * shape.C_per_group, (g + 1) * shape.C_per_group)
            filters = slice(g * shape.K_per_group, (g + 1) * shape.K_per_group)
            for r in range(shape.R):
                for s in range(shape.S):
                    y, x = r * shape.dilation[0], s * shape.dilation[1]
                    rows = slice(y, y + (shape.P - 1) * shape.stride[0] + 1, shape.stride[0])
                    cols = slice(x, x + (shape.Q - 1) * shape.stride[1] + 1, shape.stride[1])
                    out[..., filters] += padded[:, rows, cols, channels] @ self.weights[filters, :, r, s].T
        return out


def with_operands(rng: np.random.Generator, shape: ConvShape, nonzero: NDArray[np.bool_] | None = None) -> Layer:
    """Return a layer with random operands; the ifmap is not negative, and 0 where `nonzero` is not set."""
    ifmap = rng.integers(1, 128, (shape.N, shape.H, shape.W, shape.C))
    if nonzero is not None:
        ifmap = ifmap * nonzero
    return Layer(shape, ifmap, rng.integers(-128, 128, (shape.K, shape.C_per_group, shape.R, shape.S)))


def random_shape(rng: np.random.Generator, name: str) -> ConvShape:
    """Return a small layer of any kind: grouped, depthwise, dilated, strided, padded, 1×1, fully connected."""

    def up_to(most: int, least: int = 1) -> int:
        return int(rng.integers(least, most + 1))

    groups = int(rng.choice([1, 1, 1, 2, 3]))
    R, S, dilation = up_to(3), up_to(3), (up_to(2), up_to(2))
    padding = (up_to(2, 0), up_to(2, 0), up_to(2, 0), up_to(2, 0))
    least = (dilation[0] * (R - 1) + 1 - padding[0] - padding[1], dilation[1] * (S - 1) + 1 - padding[2] - padding[3])
    return ConvShape(
        name, N=up_to(2), C=groups * up_to(4), H=max(least[0], 1) + up_to(5, 0), W=max(least[1], 1) + up_to(5, 0),
        K=groups * up_to(9), R=R, S=S, stride=(up_to(2), up_to(2)), padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """A piece of a traced layer: its operands, the outputs that its mask marks, and the pattern's pixels."""

    name: str
    layer: Layer
    mask: NDArray[np.bool_]
    pattern: NDArray[np.bool_]


_CUTS = (  # layer, input channels, filters, rows, columns, first row and column
    ("conv2_2", 12, 24, 8, 10, (40, 40)),
    ("conv4_3", 16, 32, 7, 8, (8, 10)),
    ("conv5_2", 20, 40, 6, 6, (4, 4)),
)


def cuts() -> list[Cut]:
    """Return pieces of three layers of the bundled VGG-16, with its masks and its zeros, and random values.

    The mask is the trace's; a piece of a map has other windows at its edge, which changes values but no mask.
    """
    rng = np.random.default_rng(16)
    pieces = []
    trace = Trace(ROOT / "traces" / "vgg16_hed_chelsea.safetensors")
    layers = {layer.shape.name: layer for layer in trace.layers(images=[0])}
    for name, channels, filters, rows, cols, (top, left) in _CUTS:
        traced = layers[name]
        assert traced.mask is not None
        shape = ConvShape(name, C=channels, H=rows, W=cols, K=filters, R=3, S=3, padding=(1, 1, 1, 1))
        window = (slice(0, 1), slice(top, top + rows), slice(left, left + cols))
        nonzero = traced.ifmap_nonzero.unpack()[window][..., :channels]
        mask = traced.mask.unpack()[window][..., :filters]
        pattern = traced.pattern_positions()[window[1:]]
        pieces.append(Cut(name, with_operands(rng, shape, nonzero), mask, pattern))
    return pieces
