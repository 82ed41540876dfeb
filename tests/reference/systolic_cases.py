"""Small layers, masks and arrays for hypothesis to draw, and the architecture around an array."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from zapsim.arch.arrays import SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

DATAFLOWS = ("weight-stationary", "output-stationary", "input-stationary")


def arch_of(array: SystolicArray, glb: str = "1 MiB", compression: str = "none") -> ArchSpec:
    """Return an architecture that has nothing special but its array; its words have 8 bits."""
    return ArchSpec.model_validate({
        "name": "test",
        "description": "an array for tests",
        "array": array,
        "word": "8 bit",
        "clock": "1 GHz",
        "buffers": {"glb": {"size": glb}},
        "dram": {"bandwidth": "1 GB/s", "compression": compression},
        "predictor": {"unit": "ideal"},
        "energy": {"technology": "none", "actions": {}},
    })  # fmt: skip


@st.composite
def shapes(draw: DrawFn, largest: int = 5) -> ConvShape:
    """Draw a layer of any kind: grouped, depthwise, dilated, strided, padded, 1×1, fully connected."""
    groups = draw(st.integers(1, 3))
    R, S = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    H = draw(st.integers(max(1, dilation[0] * (R - 1) + 1 - padding[0] - padding[1]), 2 + largest))
    W = draw(st.integers(max(1, dilation[1] * (S - 1) + 1 - padding[2] - padding[3]), 2 + largest))
    return ConvShape(
        "drawn",
        N=draw(st.integers(1, 2)),
        C=groups * draw(st.integers(1, 3)),
        H=H,
        W=W,
        K=groups * draw(st.integers(1, largest)),
        R=R,
        S=S,
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=(padding[0], padding[1], padding[2], padding[3]),
        dilation=dilation,
        groups=groups,
    )


@st.composite
def wide_shapes(draw: DrawFn) -> ConvShape:
    """Draw a small 1×1 layer with so many filters that their mask bits fill several words."""
    groups = draw(st.integers(1, 5))
    H, W = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ConvShape(
        "wide", C=groups, H=H, W=W, K=groups * draw(st.integers(1, 300 // groups)), R=1, S=1, groups=groups
    )


@st.composite
def arrays(draw: DrawFn, largest: int = 8, with_options: bool = True) -> SystolicArray:
    """Draw an array with any options; without `with_options`, one that fills serially and stands alone."""
    dataflow = draw(st.sampled_from(DATAFLOWS))
    fill = draw(st.sampled_from(["serial", "serial", "overlapped"])) if with_options else "serial"
    if fill == "overlapped":
        return SystolicArray(
            dataflow=dataflow,
            rows=draw(st.integers(1, largest)),
            cols=draw(st.integers(1, largest)),
            fill=fill,
            count=draw(st.integers(1, 3)),
            blocking=draw(st.sampled_from(["none", "searched"])),
        )
    return SystolicArray(
        dataflow=dataflow,
        rows=draw(st.integers(1, largest)),
        cols=draw(st.integers(1, largest)),
        drain=draw(st.sampled_from(["overlapped", "serial"])),
        partial_folds=draw(st.sampled_from(["full", "shrunk"])),
        fold_boundary=draw(st.sampled_from([None, "crossed", "kept"])),
        pixel_order=draw(st.sampled_from(["raster", "grouped"])),
        channel_order=draw(st.sampled_from(["as-is", "by-density"])),
        blocking=draw(st.sampled_from(["none", "searched"])),
        count=draw(st.integers(1, 3)) if with_options else 1,
    )


@st.composite
def masks(draw: DrawFn, shape: ConvShape) -> np.ndarray:
    """Draw bool (N, P, Q, K), with whole pixels and whole filters left out as real masks have them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density, of_pixels, of_filters = (draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])) for _ in range(3))
    kept = rng.random((shape.N, shape.P, shape.Q, shape.K)) < density
    kept &= rng.random((shape.N, shape.P, shape.Q, 1)) < of_pixels
    return kept & (rng.random(shape.K) < of_filters)


def ones(shape: ConvShape) -> PackedMap:
    """Return the mask that keeps every output."""
    return PackedMap.full(shape.N, shape.P, shape.Q, shape.K)
