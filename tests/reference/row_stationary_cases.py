"""Row-stationary arrays and mappings for hypothesis to draw: any mapping, and an array that it just or barely fits."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.reference.systolic_cases import shapes
from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.row_stationary.mapping import Resources, clamp
from zapsim.arrays.row_stationary.strips import WHOLE, Stage, glb_strips
from zapsim.workload import ConvShape

EYERISS = Resources(
    rows=12,
    cols=14,
    ifmap_spad=12,
    filter_spad=224,
    psum_spad=24,
    ifmap_bus=1,
    filter_bus=4,
    psum_bus=4,
    glb_words=51200,
)


def arch_of(have: Resources, pinned: dict[str, PassParameters] | None = None, **changes: object) -> ArchSpec:
    """Return an architecture of 8-bit words with these resources."""
    return ArchSpec.model_validate({
        "name": "test",
        "description": "an array for tests",
        "array": {
            "dataflow": "row-stationary",
            "rows": have.rows,
            "cols": have.cols,
            "spads": {
                "ifmap": f"{have.ifmap_spad} words",
                "filter": f"{have.filter_spad} words",
                "psum": f"{have.psum_spad} words",
            },
            "buses": {"ifmap": have.ifmap_bus, "filter": have.filter_bus, "psum": have.psum_bus},
            "balance": "row-pairing" if have.rows_per_column == 2 else "none",
            "psums": "compact" if have.compact else "full",
            "masks": "ifmap-bus" if have.mask_word else "wires",
            "mapping": {"pinned": pinned or {}},
        },
        "word": "8 bit",
        "clock": "200 MHz",
        "buffers": {"glb": {"size": f"{have.glb_words} B"}},
        "dram": {"bandwidth": "480 MB/s"},
        "predictor": {"unit": "ideal"},
        "energy": {"technology": "none", "actions": {}},
        **changes,
    })  # fmt: skip


def mapping_of(*values: int) -> PassParameters:
    """Return a mapping from (m, n, e, p, q, r, t), the order of the papers' table."""
    return PassParameters(**dict(zip("mnepqrt", values, strict=True)))


@st.composite
def layers(draw: DrawFn) -> ConvShape:
    """Draw a layer with a batch of up to 3."""
    return replace(draw(shapes()), N=draw(st.integers(1, 3)))


@st.composite
def mappings(draw: DrawFn, shape: ConvShape) -> PassParameters:
    """Draw a mapping, with no parameter larger than the layer can use."""
    p, q, r, t = (draw(st.integers(1, 3)) for _ in range(4))
    n, e, tiles = draw(st.integers(1, shape.N)), draw(st.integers(1, shape.P)), draw(st.integers(1, 3))
    return clamp(shape, mapping_of(tiles * p * t, n, e, p, q, r, t))


@st.composite
def resources(draw: DrawFn, shape: ConvShape, of: PassParameters, stage: Stage = WHOLE) -> Resources:
    """Draw an array on which the mapping of a stage fits, often with nothing to spare."""
    spare = [draw(st.integers(0, 2)) for _ in range(5)]
    cols = draw(st.integers(1, 6))
    rows_per_column = draw(st.integers(1, 2))
    wide = -(-of.e // rows_per_column)
    per_set = shape.R * of.r * -(-wide // cols)
    beside = max(cols // wide, 1)
    ifmap, psum, _ = glb_strips(shape, of.e, stage=stage)
    return Resources(
        rows=per_set * -(-of.t // beside) + spare[0],
        cols=cols,
        ifmap_spad=of.q * shape.S + spare[1],
        filter_spad=of.p * of.q * shape.S + spare[2],
        psum_spad=of.p + spare[3],
        ifmap_bus=draw(st.integers(1, 4)),
        filter_bus=draw(st.integers(1, 4)),
        psum_bus=draw(st.integers(1, 4)),
        glb_words=of.n * (of.q * of.r * ifmap + of.m * psum) + spare[4],
        rows_per_column=rows_per_column,
    )
