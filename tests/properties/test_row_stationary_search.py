"""The mapping search finds what trying every mapping finds, and its shortcuts are bounds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.reference.row_stationary_cases import EYERISS, arch_of, layers, mappings, resources
from tests.reference.row_stationary_search import best_mapping
from zapsim.mapping.row_stationary import Resources, check_mapping, touched
from zapsim.mapping.row_stationary_search import Objective, search
from zapsim.mapping.row_stationary_totals import Candidates, dense_totals, least_totals
from zapsim.timing.engine import Demand
from zapsim.timing.row_stationary import RowStationaryEngine
from zapsim.workload import ConvShape

pytestmark = pytest.mark.reference

PRICES = {"cycles": 5.0, "glb_reads": 6.0, "glb_writes": 6.0, "dram_reads": 200.0, "pe_to_pe_words": 2.0}
PRICES |= {"ifmap_spad_writes": 1.0, "filter_spad_writes": 1.0, "ifmap_bus_words": 2.0, "macs_executed": 1.0}


@st.composite
def searches(draw: st.DrawFn) -> tuple[ConvShape, Resources]:
    """Draw a layer with few mappings and an array on which at least one fits."""
    shape = draw(layers())
    assume(shape.N * shape.P * shape.K_per_group**3 * shape.C_per_group**2 <= 1200)
    return shape, draw(resources(shape, draw(mappings(shape))))


@pytest.mark.parametrize("name", ["latency", "energy", "edp"])
@settings(max_examples=25)
@given(case=searches())
def test_search_is_exhaustive_in_effect(name: str, case: tuple[ConvShape, Resources]) -> None:
    shape, have = case
    moving = {action for action in PRICES if not action.startswith("macs")}

    def score(found):
        occurred = found.counts.as_dict() | {"cycles": found.cycles.total}
        energy = sum(PRICES[action] * occurred[action] for action in moving)
        return {"latency": found.cycles.total, "energy": energy, "edp": energy * found.cycles.total}[name]

    assert search(shape, have, Objective(name, tuple(sorted(PRICES.items())))) == best_mapping(shape, have, score)


@pytest.mark.kernels
@given(st.data(), layers())
def test_totals_are_those_of_the_engine(data: st.DataObject, shape: ConvShape) -> None:
    mapping = data.draw(mappings(shape))
    have = data.draw(resources(shape, mapping))
    values = mapping.model_dump()
    m = values.pop("m")
    candidate = Candidates(**{name: np.array([value]) for name, value in values.items()})
    totals, least = dense_totals(shape, have, candidate), least_totals(shape, have, candidate)
    result = RowStationaryEngine().time_stage(shape, arch_of(have), mapping, Demand())
    counts = result.counts.as_dict()

    assert totals.cycles[0] == result.cycles.total
    assert least.cycles[0] <= totals.cycles[0]
    for action, total in totals.actions.items():
        if action == "dram_reads":
            assert total[0] <= counts[action] or m > shape.K_per_group, "the best m loads no more than any other"
        else:
            assert total[0] == counts[action], action
        assert least.actions[action] <= total, action


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_touched_counts_positions(count: int, taps: int, stride: int, dilation: int) -> None:
    size = (count - 1) * stride + (taps - 1) * dilation + 1
    shape = ConvShape("x", C=1, H=size, W=1, K=1, R=taps, S=1, stride=(stride, 1), dilation=(dilation, 1))
    read = {i * stride + j * dilation for i in range(count) for j in range(taps)}
    assert touched(shape, np.array(count), axis=0) == len(read)


@settings(max_examples=20)
@given(
    st.sampled_from([(1, 1), (3, 1), (3, 2), (5, 1), (7, 2), (11, 4)]),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(11, 60),
    st.integers(1, 5),
)
def test_what_the_search_finds_fits_eyeriss(kind: tuple[int, int], C: int, K: int, side: int, N: int) -> None:
    R, stride = kind
    shape = ConvShape("x", N=N, C=C, H=side, W=side, K=K, R=R, S=R, stride=(stride, stride))
    check_mapping(shape, EYERISS, search(shape, EYERISS, Objective()))
