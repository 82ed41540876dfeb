"""The mapping search finds what trying every mapping finds, and its shortcuts are bounds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import counts_with_dram
from tests.reference.row_stationary_cases import EYERISS, arch_of, layers, mappings, resources
from tests.reference.row_stationary_search import all_mappings, best_mapping
from zapsim.arch.arrays import PassParameters
from zapsim.arch.load import load_arch
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.bounds import Candidates, Stages, layer_totals, least_totals
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources, touched
from zapsim.arrays.row_stationary.search import Objective, map_stages, search
from zapsim.arrays.row_stationary.strips import SHARES, WHOLE, Stage
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.workload import ConvShape

pytestmark = pytest.mark.reference

PRICES = {"cycles": 5.0, "glb_reads": 6.0, "glb_writes": 6.0, "dram_reads": 200.0, "pe_to_pe_words": 2.0}
PRICES |= {"ifmap_spad_writes": 1.0, "filter_spad_writes": 1.0, "ifmap_bus_words": 2.0, "macs_executed": 1.0}
PRICES |= {"pe_active_cycles": 3.0, "bus_deliveries": 0.5}


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
        occurred = counts_with_dram(found).as_dict() | {"cycles": found.cycles.total}
        energy = sum(PRICES[action] * occurred[action] for action in moving)
        return {"latency": found.cycles.total, "energy": energy, "edp": energy * found.cycles.total}[name]

    assert search(shape, have, Objective(name, tuple(sorted(PRICES.items())))) == best_mapping(shape, have, score)


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_looking_at_everything_finds_the_same(objective: str) -> None:
    shape = ConvShape("conv5_1", C=512, H=14, W=14, K=512, R=3, S=3, padding=(1, 1, 1, 1))
    pruned, exhaustive = (
        map_stages(shape, load_arch("eyeriss", [f"array.mapping.objective={objective}", f"array.mapping.search={how}"]))
        for how in ("pruned", "exhaustive")
    )
    assert pruned == exhaustive


@settings(max_examples=15)
@given(searches(), st.lists(st.integers(1, SHARES).map(Stage), min_size=1, max_size=2).map(tuple))
def test_search_for_stages_leaves_nothing_better_out(case: tuple[ConvShape, Resources], stages: Stages) -> None:
    shape, have = case

    def cycles(mapping: PassParameters) -> int:
        values = {name: np.array([value]) for name, value in mapping.model_dump(exclude={"m"}).items()}
        return int(layer_totals(shape, have, Candidates(**values), stages).cycles[0])

    found = search(shape, have, Objective(stages=stages))
    assert cycles(found) == min(map(cycles, all_mappings(shape, have)))


HALVES = (Stage(16), Stage(8))


def test_two_stages_want_more_filters_a_pass() -> None:
    """VGG-16's CONV1_2 streams its ifmaps twice: the dense layer's best mapping would make the bus the bottleneck."""
    shape = ConvShape("conv1_2", C=64, H=224, W=224, K=64, R=3, S=3, padding=(1, 1, 1, 1))
    dense, halves = search(shape, EYERISS, Objective()), search(shape, EYERISS, Objective(stages=HALVES))

    def two_stages(of: PassParameters) -> int:
        values = {name: np.array([value]) for name, value in of.model_dump(exclude={"m"}).items()}
        return int(layer_totals(shape, EYERISS, Candidates(**values), HALVES).cycles[0])

    assert halves.p * halves.t > dense.p * dense.t
    assert two_stages(halves) < 0.6 * two_stages(dense)


@pytest.mark.kernels
@given(st.data(), layers())
def test_totals_are_those_of_the_engine(data: st.DataObject, shape: ConvShape) -> None:
    mapping = data.draw(mappings(shape))
    have = data.draw(resources(shape, mapping))
    values = mapping.model_dump()
    m = values.pop("m")
    candidate = Candidates(**{name: np.array([value]) for name, value in values.items()})
    totals, least = layer_totals(shape, have, candidate), least_totals(shape, have, candidate)
    result = RowStationaryEngine().time_stage(shape, arch_of(have), mapping, Demand())
    counts = counts_with_dram(result).as_dict()

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


@pytest.mark.parametrize("stages", [(WHOLE,), (Stage(SHARES // 2), Stage(SHARES // 4))])
@pytest.mark.parametrize("mapping", [(1, 7, 4, 2, 2, 2), (2, 14, 8, 4, 1, 1), (1, 2, 16, 2, 4, 1)])
def test_the_bound_is_near_where_all_tiles_are_full(mapping: tuple[int, ...], stages: Stages) -> None:
    """With full tiles of filters, channels, images and rows, nothing is rounded: what is bounded is reached."""
    shape = ConvShape("full", N=2, C=8, H=14, W=14, K=16, R=3, S=3, padding=(1, 1, 1, 1))
    candidate = Candidates(*(np.array([value]) for value in mapping))
    totals, least = (work(shape, EYERISS, candidate, stages) for work in (layer_totals, least_totals))
    apart = {"pe_active_cycles"}  # what fills the array is bounded more loosely
    exact = {action: int(total[0]) for action, total in totals.actions.items() if action not in apart}
    assert {action: int(least.actions[action][0]) for action in exact} == exact
    share = sum(stage.share for stage in stages) / SHARES
    assert shape.macs * share < least.actions["pe_active_cycles"][0] <= totals.actions["pe_active_cycles"][0]
    # While the array computes, no filters come for the next pass; each column hands over its psums at the end.
    busiest = shape.macs * share / (EYERISS.rows * EYERISS.cols)
    assert busiest + exact["filter_bus_words"] / EYERISS.filter_bus < least.cycles[0] <= totals.cycles[0]
