"""Small layers and output-lanes arrays, drawn by hypothesis."""

from hypothesis import strategies as st

from zapsim.arch.arrays import OutputLanesArray
from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.workload import ConvShape


def lanes_arch(array: OutputLanesArray) -> ArchSpec:
    """Return the small systolic array's architecture with `array` in its place."""
    return load_arch("systolic_16x16").model_copy(update={"array": array, "name": "lanes"})


@st.composite
def shapes(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return ConvShape(
        "layer", N=draw(st.integers(1, 2)), C=groups * draw(st.integers(1, 5)), H=draw(st.integers(1, 5)),
        W=draw(st.integers(1, 5)), K=groups * draw(st.integers(1, 6)), R=draw(st.integers(1, 3)),
        S=draw(st.integers(1, 3)), stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=(draw(st.integers(0, 2)), 2, draw(st.integers(0, 2)), 2), groups=groups,
    )  # fmt: skip


@st.composite
def arrays(draw, *, lanes=("filters", "pixels")):
    kinds = ["filters", "pixels"]
    dispatch = draw(st.sampled_from(["static", "queue", "block-queue"]))
    sync = ["pe", "cluster", "array"] if lanes == ("slices",) else ["lane", "pe", "cluster", "array"]
    if dispatch == "queue":
        sync = [one for one in sync if one in {"lane", "pe"}]
    buffer = draw(st.none() | st.integers(1, 120))
    return OutputLanesArray(
        dataflow="output-lanes",
        **{level: draw(st.integers(1, 3)) for level in ("clusters", "pes", "lanes", "macs_per_lane")},
        spread={
            "clusters": draw(st.sampled_from(kinds)),
            "pes": draw(st.sampled_from(kinds)),
            "lanes": draw(st.sampled_from(lanes)),
        },
        sync=draw(st.sampled_from(sync)),
        dispatch=dispatch,
        check_interval=draw(st.integers(1, 5)),
        brick=draw(st.integers(1, 4)),
        filter_buffer=f"{draw(st.integers(1, 60))} words",
        ifmap_buffer=None if buffer is None else f"{buffer} words",
        buses={"ifmap": 2, "filter": 3, "psum": 1},
    )
