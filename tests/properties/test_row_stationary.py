"""The row-stationary engine for any small layer, mapping and mask, against the walker and against itself."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import counts_with_dram
from tests.reference.gating_walker import switching_macs
from tests.reference.row_stationary_cases import arch_of, layers, mappings, resources
from tests.reference.row_stationary_walker import walk
from tests.reference.systolic_cases import masks
from zapsim.arch.arrays import PassParameters
from zapsim.arrays.engine import Demand, StageResult
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.kernels, pytest.mark.reference]
ENGINE = RowStationaryEngine()
Case = tuple[ConvShape, PassParameters, Resources]
MAC_ACTIONS = {"macs_executed", "macs_gated", "filter_spad_reads", "psum_spad_reads", "psum_spad_writes"}
"""What depends on which MACs switch."""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(layers())
    mapping = draw(mappings(shape))
    return shape, mapping, draw(resources(shape, mapping))


def time(case: Case, demand: Demand) -> StageResult:
    shape, mapping, have = case
    return ENGINE.time_stage(shape, arch_of(have), mapping, demand)


def packed(kept: np.ndarray) -> PackedMap:
    return PackedMap.from_bool(kept)


@given(st.data(), cases())
def test_equals_the_walker(data: st.DataObject, case: Case) -> None:
    shape, mapping, have = case
    kept, gate = data.draw(masks(shape)), data.draw(st.booleans())
    nonzero = np.random.default_rng(data.draw(st.integers(0, 99))).random((shape.N, shape.H, shape.W, shape.C)) < 0.6
    gated_inputs = data.draw(st.booleans())
    window = window_nonzero(shape, packed(nonzero)) if gated_inputs else None

    result = time(case, Demand(packed(kept), gate=gate, window_nonzero=window))
    buses = (have.ifmap_bus, have.filter_bus, have.psum_bus)
    slow = walk(
        shape,
        mapping,
        buses,
        kept,
        gate=gate,
        nonzero=nonzero if gated_inputs else None,
        paired=have.rows_per_column == 2,
    )

    assert {part: cycles for part, cycles in result.cycles.as_dict().items() if cycles} == +slow.cycles
    counts = {action: count for action, count in counts_with_dram(result).as_dict().items() if count}
    if gate and gated_inputs:  # which channels hold the zeros is not known: MACs are between those of both extremes
        everything, nothing = (switching_macs(shape, outputs, nonzero) for outputs in (None, kept))
        assert nothing <= counts.get("macs_executed", 0) <= everything
        counts, slow.counts = ({action: count for action, count in each.items() if action not in MAC_ACTIONS}
                               for each in (counts, +slow.counts))  # fmt: skip
    assert counts == +Counter(slow.counts)
    assert result.active_pes == slow.active_pes


@given(cases())
def test_gated_outputs_execute_until_their_last_channels(case: Case) -> None:
    """With one tile of channels all MACs of a gated output are gated, with more of them only the last tile's."""
    shape, mapping, _ = case
    nothing = packed(np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=bool))
    counts = time(case, Demand(nothing, gate=True)).counts
    tiles = -(-shape.C_per_group // (mapping.q * mapping.r))
    assert counts.macs_executed + counts.macs_gated == shape.macs
    assert counts.macs_gated == shape.macs if tiles == 1 else counts.macs_gated * tiles <= shape.macs


@given(cases())
def test_all_ones_is_dense(case: Case) -> None:
    shape = case[0]
    full = PackedMap.full(shape.N, shape.P, shape.Q, shape.K)
    dense = time(case, Demand())
    assert time(case, Demand(full)) == dense
    assert time(case, Demand(full, gate=True)) == dense
    assert dense.counts.macs_executed == shape.macs


@given(cases())
def test_nothing_asked_costs_nothing(case: Case) -> None:
    shape = case[0]
    nothing = time(case, Demand(packed(np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=bool))))
    assert nothing.cycles.total == 0
    assert not any(nothing.counts.as_dict().values())
    assert nothing.active_pes == 0


@given(st.data(), cases())
def test_fewer_outputs_never_cost_more(data: st.DataObject, case: Case) -> None:
    kept = data.draw(masks(case[0]))
    fewer = kept & data.draw(masks(case[0]))
    more_, less = time(case, Demand(packed(kept))), time(case, Demand(packed(fewer)))
    assert less.cycles.total <= more_.cycles.total
    for action, count in less.counts.as_dict().items():
        assert count <= more_.counts.as_dict()[action], action


@given(st.data(), cases())
def test_stages_share_the_macs(data: st.DataObject, case: Case) -> None:
    shape = case[0]
    first = data.draw(masks(shape))
    stages = [counts_with_dram(time(case, Demand(packed(part)))) for part in (first, ~first)]
    dense = counts_with_dram(time(case, Demand()))
    both = stages[0] + stages[1]
    for action in ("macs_executed", "psum_bus_words", "pe_to_pe_words", "glb_writes"):
        assert getattr(both, action) == getattr(dense, action), action
    for action in ("filter_bus_words", "ifmap_bus_words", "dram_reads"):
        assert getattr(both, action) >= getattr(dense, action), action


@given(cases())
def test_drawn_mappings_fit(case: Case) -> None:
    shape, mapping, have = case
    check_mapping(shape, have, mapping)
