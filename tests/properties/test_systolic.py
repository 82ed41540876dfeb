"""Systolic arrays for any small layer, mask and option, against the walker and the machine that moves operands."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import counts_with_dram
from tests.reference import systolic_machine, systolic_overlap
from tests.reference.systolic_cases import arch_of, arrays, masks, ones, shapes, wide_shapes
from tests.reference.systolic_walker import walk
from zapsim.arch.arrays import SystolicArray
from zapsim.arrays.engine import Demand, StageResult
from zapsim.arrays.gating import window_nonzero
from zapsim.arrays.systolic.timing import SystolicEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.kernels, pytest.mark.reference]
ENGINE = SystolicEngine()


def time(shape: ConvShape, array: SystolicArray, demand: Demand, glb: str = "1 MiB") -> StageResult:
    arch = arch_of(array, glb)
    return ENGINE.time_stage(shape, arch, ENGINE.map_stages(shape, arch)[0], demand)


def block_of(shape: ConvShape, array: SystolicArray, glb: str) -> int | None:
    """Return the vectors of a block that the search chooses, or None if nothing is blocked."""
    blocking = ENGINE.map_stages(shape, arch_of(array, glb))[0].blocking
    return None if blocking is None else blocking.vectors


def random_ifmap(shape: ConvShape, seed: int, density: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = (shape.N, shape.H, shape.W, shape.C)
    return rng.integers(1, 9, size) * (rng.random(size) < density)


@given(st.data())
def test_counts_equal_the_walkers(data: st.DataObject) -> None:
    check_against_walker(data, data.draw(shapes()), data.draw(arrays()))


@given(st.data())
def test_counts_equal_the_walkers_with_many_filters(data: st.DataObject) -> None:
    check_against_walker(data, data.draw(wide_shapes()), data.draw(arrays(largest=150)))


@given(st.data())
def test_positions_are_a_smaller_map(data: st.DataObject) -> None:
    """What is put on the array is known beforehand: the same as a layer that has only those pixels."""
    shape, array = data.draw(shapes()), data.draw(arrays()).model_copy(update={"blocking": "none"})
    positions = np.array(data.draw(st.lists(st.booleans(), min_size=shape.P * shape.Q, max_size=shape.P * shape.Q)))
    assume(positions.any())
    positions = positions.reshape(shape.P, shape.Q)
    kept = data.draw(masks(shape)) & positions[:, :, np.newaxis]
    few = kept[:, positions].reshape(shape.N, 1, -1, shape.K)
    T = shape.macs_per_output
    line = ConvShape(
        "line", N=shape.N, C=T * shape.groups, H=1, W=few.shape[2], K=shape.K, R=1, S=1, groups=shape.groups
    )

    on_map = time(shape, array, Demand(PackedMap.from_bool(kept), positions=positions))
    in_line = time(line, array, Demand(PackedMap.from_bool(few)))
    assert on_map.cycles == in_line.cycles
    assert on_map.counts.macs_executed == in_line.counts.macs_executed
    assert on_map.counts.glb_reads == in_line.counts.glb_reads


def check_against_walker(data: st.DataObject, shape: ConvShape, array: SystolicArray) -> None:
    kept = data.draw(masks(shape))
    nonzero = random_ifmap(shape, data.draw(st.integers(0, 99)), 0.6) > 0 if data.draw(st.booleans()) else None
    window = None if nonzero is None else window_nonzero(shape, PackedMap.from_bool(nonzero))

    glb = f"{data.draw(st.integers(array.pe_count, array.pe_count + 60))} B"
    result = time(shape, array, Demand(PackedMap.from_bool(kept), window_nonzero=window), glb)
    mapping = ENGINE.map_stages(shape, arch_of(array, glb))[0]  # on all columns, or on fewer
    slow = walk(shape, mapping.array, kept, nonzero, block_of(shape, array, glb), mapping.drifts)

    counts = result.counts
    assert result.cycles.total == slow.cycles
    assert array.count > 1 or result.cycles.compute in {slow.streamed, slow.streamed - 1}
    assert counts.macs_executed == slow.executed
    assert counts.macs_executed + counts.macs_gated == slow.issued
    assert counts.macs_lost == slow.issued - kept.sum() * shape.macs_per_output
    assert counts.ifmap_bus_words == slow.glb["ifmap"]
    assert counts.filter_bus_words == slow.glb["filter"]
    assert counts.glb_reads == slow.glb["ifmap"] + slow.glb["filter"] + slow.glb["psum_in"]
    assert counts.glb_writes == slow.glb["psum_out"]
    assert counts.pe_to_pe_words == sum(slow.hops.values())
    assert counts.bus_deliveries == sum(slow.glb.values())  # each word is for one PE
    assert counts.pe_active_cycles == result.active_pes * result.cycles.total


@settings(max_examples=40)
@given(st.data())
def test_a_machine_that_moves_operands_takes_the_same_cycles_and_computes_the_convolution(
    data: st.DataObject,
) -> None:
    shape, array = data.draw(shapes(largest=3)), data.draw(arrays(with_options=False))
    assume(shape.macs <= 3000)
    kept = data.draw(masks(shape)) if data.draw(st.booleans()) else ones(shape).unpack()
    ifmap = random_ifmap(shape, data.draw(st.integers(0, 99)), 0.8)
    weights = np.random.default_rng(7).integers(-8, 9, (shape.K, shape.C_per_group, shape.R, shape.S))

    glb = f"{data.draw(st.integers(array.pe_count, array.pe_count + 60))} B"
    columns = ENGINE.map_stages(shape, arch_of(array, glb))[0].array  # all, or fewer
    machine = systolic_machine.run(shape, columns, kept, ifmap, weights, block_of(shape, array, glb))
    result = time(shape, array, Demand(PackedMap.from_bool(kept)), glb)

    assert (machine.computed | ~kept).all()
    assert (machine.ofmap == convolution(shape, ifmap, weights) * machine.computed).all()
    counts = result.counts
    assert result.cycles.total == machine.cycles
    assert counts.macs_executed == machine.multiplied
    assert counts.ifmap_bus_words == machine.from_glb["ifmap"]
    assert counts.filter_bus_words == machine.from_glb["filter"]
    assert counts.glb_reads == sum(machine.from_glb.values())
    assert counts.glb_writes == machine.to_glb
    assert counts.pe_to_pe_words == machine.handed_on


def convolution(shape: ConvShape, ifmap: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Direct convolution: int64 (N, P, Q, K)."""
    top, bottom, left, right = shape.padding
    padded = np.pad(ifmap, ((0, 0), (top, bottom), (left, right), (0, 0)))
    out = np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=np.int64)
    for r in range(shape.R):
        for s in range(shape.S):
            rows = r * shape.dilation[0] + shape.stride[0] * np.arange(shape.P)
            cols = s * shape.dilation[1] + shape.stride[1] * np.arange(shape.Q)
            taps = padded[:, rows][:, :, cols]
            for k in range(shape.K):
                first = k // shape.K_per_group * shape.C_per_group
                out[..., k] += taps[..., first : first + shape.C_per_group] @ weights[k, :, r, s]
    return out


@given(st.data())
def test_an_all_ones_mask_is_dense_in_everything(data: st.DataObject) -> None:
    shape, array = data.draw(shapes()), data.draw(arrays())
    window = window_nonzero(shape, PackedMap.from_bool(random_ifmap(shape, 3, 0.5) > 0))
    glb = f"{data.draw(st.integers(1, 500))} B"
    for gated in (None, window):
        dense = time(shape, array, Demand(window_nonzero=gated), glb)
        assert time(shape, array, Demand(ones(shape), window_nonzero=gated), glb) == dense
        assert time(shape, array, Demand(ones(shape), gate=True, window_nonzero=gated), glb) == dense
    mapping = ENGINE.map_stages(shape, arch_of(array, glb))[0]
    if array.fill == "serial" and array.count == 1:
        assert dense.cycles.total == mapping.cycles
    assert mapping.macs == shape.macs


@given(st.data())
def test_gated_outputs_take_their_cycles_and_do_not_switch(data: st.DataObject) -> None:
    shape, array = data.draw(shapes()), data.draw(arrays())
    assume(array.dataflow != "output-stationary")
    kept = PackedMap.from_bool(data.draw(masks(shape)))
    dense, gated = time(shape, array, Demand()), time(shape, array, Demand(kept, gate=True))
    assert gated.cycles == dense.cycles
    left_out = shape.outputs - kept.count()
    last_fold = shape.macs_per_output - (shape.macs_per_output - 1) // array.rows * array.rows
    assert gated.counts.macs_gated == left_out * last_fold  # their pattern is final no sooner
    assert gated.counts.macs_executed + gated.counts.macs_gated == shape.macs
    assert gated.counts.macs_lost == 0


@given(st.data())
def test_words_are_conserved(data: st.DataObject) -> None:
    shape, array = data.draw(shapes()), data.draw(arrays())
    kept = data.draw(masks(shape))
    result = time(shape, array, Demand(PackedMap.from_bool(kept)), f"{data.draw(st.integers(1, 500))} B")
    counts = counts_with_dram(result)
    hops = counts.pe_to_pe_words
    operand_hops = (
        counts.ifmap_spad_writes + counts.filter_spad_writes - counts.ifmap_bus_words - counts.filter_bus_words
    )
    psum_hops = hops - operand_hops
    assert counts.glb_reads + counts.glb_writes == (
        counts.ifmap_bus_words + counts.filter_bus_words + counts.psum_bus_words
    )
    if array.dataflow == "output-stationary":  # a psum is read for every MAC and hop, and once to leave
        assert counts.psum_spad_reads == counts.macs_executed + psum_hops + counts.glb_writes
        assert counts.psum_spad_writes == counts.macs_executed + psum_hops
    else:  # a psum is read by the next PE, or leaves
        assert counts.psum_spad_reads == counts.psum_spad_writes == psum_hops + counts.glb_writes
    assert counts.dram_reads <= counts.glb_reads  # what the array gets was on the chip before
    assert counts.ifmap_spad_reads == counts.macs_executed + counts.macs_gated
    assert counts.filter_spad_reads == counts.macs_executed


@given(st.data())
def test_fewer_outputs_never_take_longer(data: st.DataObject) -> None:
    shape, array = data.draw(shapes()), data.draw(arrays())
    assume(array.pixel_order == "raster" and array.channel_order == "as-is")
    assume(array.dataflow != "input-stationary" or not array.crosses_folds)
    kept = data.draw(masks(shape))
    fewer = kept & data.draw(masks(shape))
    more, less = (time(shape, array, Demand(PackedMap.from_bool(mask))) for mask in (kept, fewer))
    assert less.cycles.total <= more.cycles.total
    for name, count in less.counts.as_dict().items():
        assert name == "macs_lost" or count <= more.counts.as_dict()[name], name


@given(st.data())
def test_stages_of_a_pattern_never_compute_more_than_the_dense_layer(data: st.DataObject) -> None:
    shape, array = data.draw(shapes()), data.draw(arrays())
    first = data.draw(masks(shape))[:, :, :, :1] & np.ones(shape.K, dtype=np.bool_)  # a pattern: same on all filters
    second = data.draw(masks(shape)) & ~first
    stages = [time(shape, array, Demand(PackedMap.from_bool(kept))).counts for kept in (first, second)]
    assert sum(stage.macs_executed for stage in stages) <= shape.macs


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
def test_the_next_operand_enters_behind_the_running_fold(rows: int, cols: int, T: int, folds: int, tiles: int) -> None:
    """Two registers per PE suffice for folds that follow each other by max(vectors, rows) cycles."""
    shape = ConvShape("drawn", C=folds * rows, H=1, W=T, K=tiles * cols, R=1, S=1)
    array = SystolicArray(dataflow="weight-stationary", rows=rows, cols=cols, fill="overlapped")
    assert time(shape, array, Demand()).cycles.total == systolic_overlap.run(rows, cols, folds * tiles * [T]) - 1


@given(st.data())
def test_arrays_side_by_side_take_the_time_of_the_slowest(data: st.DataObject) -> None:
    """Many arrays are never slower than one, nor faster than their number; what they compute is the same."""
    shape, array = data.draw(shapes()), data.draw(arrays()).model_copy(update={"count": 1, "blocking": "none"})
    kept = PackedMap.from_bool(data.draw(masks(shape)))
    count = data.draw(st.integers(2, 4))
    alone, many = (time(shape, array.model_copy(update={"count": number}), Demand(kept)) for number in (1, count))
    assert many.cycles.total <= alone.cycles.total
    assert alone.cycles.total <= count * (many.cycles.total + 1)
    assert many.counts.macs_executed == alone.counts.macs_executed
    assert many.counts.glb_reads == alone.counts.glb_reads


@pytest.mark.parametrize("pattern", ["columns", "rows"])
@pytest.mark.parametrize("dataflow", ["output-stationary", "input-stationary"])
def test_patterns_of_rows_and_columns_lose_nothing_by_dealing(dataflow: str, pattern: str) -> None:
    """Pixels are dealt knowing the pattern: each half of the map takes half of the folds, though every PE has work."""
    shape = ConvShape("half", C=4, H=8, W=8, K=6, R=3, S=3, padding=(1, 1, 1, 1))
    positions = np.zeros((8, 8), dtype=np.bool_)
    positions[(slice(None), slice(0, None, 2)) if pattern == "columns" else (slice(0, None, 2), slice(None))] = True
    array = SystolicArray.model_validate({"dataflow": dataflow, "rows": 4, "cols": 4})
    dense = time(shape, array, Demand())
    for half in (positions, ~positions):
        mask = PackedMap.from_bool(np.broadcast_to(half[np.newaxis, :, :, np.newaxis], (1, 8, 8, 6)))
        stage = time(shape, array, Demand(mask, positions=half))
        assert 2 * stage.cycles.total == dense.cycles.total + 1
        assert stage.counts.macs_lost == 0
        assert 2 * stage.counts.macs_executed == shape.macs
