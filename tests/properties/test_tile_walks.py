"""Compiled walks over tiles, against the same on whole arrays: schedule, folds, passes, strips of lanes, loads."""

from dataclasses import replace
from math import ceil
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import arch, conv
from tests.reference import row_stationary_passes, systolic_cases, systolic_tiles, timeline_schedule
from zapsim.arrays.engine import Demand
from zapsim.arrays.engines import ENGINES
from zapsim.arrays.lanes import use_kernels
from zapsim.arrays.row_stationary.pass_kernels import SUMS
from zapsim.arrays.systolic.blocking import _all_blocks
from zapsim.arrays.systolic.dram_words import dram_words
from zapsim.arrays.systolic.mapping import Blocking, map_systolic, systolic_array, unblocked
from zapsim.arrays.systolic.pace import stage_cycles
from zapsim.arrays.systolic.tile_kernels import fold_table
from zapsim.arrays.systolic.timing import stage_on_arrays
from zapsim.arrays.systolic.walk import masked_tiles, stage_frame, walked, work_table
from zapsim.arrays.systolic.work import Work, dense_work, masked_work, one_by_one
from zapsim.arrays.tiles import Tiles, tile_table
from zapsim.kernels.loads import APART, STAYS, TAKES_ROOM, beside_stage_a
from zapsim.timing.predictor import Prediction
from zapsim.timing.residency import Loads
from zapsim.timing.timeline.schedule import build_schedule
from zapsim.tracefile.packed import PackedMap

pytestmark = [pytest.mark.kernels, pytest.mark.reference]


def numbers(draw: st.DrawFn, size: int, most: int, least: int = 0) -> np.ndarray:
    return np.array([draw(st.integers(least, most)) for _ in range(size)], dtype=np.int64)


@st.composite
def stages(draw: st.DrawFn, blocks: int) -> Tiles:
    count = draw(st.integers(0, 8))
    block = np.sort(numbers(draw, count, blocks - 1))
    cycles, ifmap, filters, psums, spilled, outputs = (numbers(draw, count, 40) for _ in range(6))
    reach = np.array([draw(st.integers(at, blocks - 1)) for at in range(blocks)], dtype=np.int64)
    table = tile_table(cycles, ifmap=ifmap, filters=filters, psums=psums, spilled=spilled, outputs=outputs, block=block)
    return Tiles(table, blocks, reach, 1, 0)


@settings(max_examples=60)
@given(st.data())
def test_schedules(data: st.DataObject) -> None:
    """Stages of any blocks, in layers and in tiles, with a unit, on the array or ideal."""
    first, second = (data.draw(stages(data.draw(st.integers(1, 5)))) for _ in range(2))
    unit = data.draw(st.sampled_from(["unit_cycles", "array_cycles", "concurrent_cycles"]))
    plan = Prediction(
        weight_words=data.draw(st.integers(0, 30)),
        weights_hidden=data.draw(st.booleans()),
        spilled_words=data.draw(st.integers(0, 30)),
        reread_words=data.draw(st.integers(0, 30)),
        by_tile=data.draw(st.booleans()),
        **{unit: data.draw(st.integers(0, 50))},
    )
    both = [first, second] if data.draw(st.booleans()) else [first]
    dram = {"bandwidth": "170 MB/s", "burst": data.draw(st.sampled_from(["8 B", "24 B"]))}
    spec = arch(predictor={"unit": "dedicated", "lanes": 1}, dram=dram)
    loads = [Loads(np.ascontiguousarray(tiles.table[1:3])) for tiles in both]
    ofmap = data.draw(st.integers(0, 99))
    found = build_schedule(spec, both, loads, ofmap, plan)
    wanted = timeline_schedule.build_schedule(spec, both, loads, ofmap, plan)
    for name in ("cycles", "stage", "loads", "stores", "waits_for", "job_after", "job_cycles"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
    assert (found.depths, found.latency, found.job_latency) == (wanted.depths, wanted.latency, wanted.job_latency)


@settings(max_examples=60)
@given(st.data())
def test_words_that_stage_a_has_not_left(data: st.DataObject) -> None:
    """The ifmap, then filters, each with what the other leaves free."""
    blocks, on_chip, free = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), data.draw(st.integers(0, 150))
    a, b, coded = data.draw(stages(blocks)), data.draw(stages(blocks)), data.draw(st.sampled_from([1.0, 0.75, 1.5]))
    kinds = data.draw(st.tuples(*[st.sampled_from([APART, STAYS, TAKES_ROOM])] * 2))
    loaded, used = (np.ascontiguousarray(tiles.table[1:3]) for tiles in (a, b))
    found, kept = np.empty_like(used), np.array((blocks, on_chip, free, *kinds))
    left = beside_stage_a(loaded, a.block, used, b.block, kept, coded, found)
    for row, kind in enumerate(kinds):
        share = coded if row == 0 else 1.0
        of_a, of_b = (np.bincount(tiles.block, tiles.table[1 + row], blocks) for tiles in (a, b))
        held = ceil(on_chip * int(of_a.max()) / share) if kind == TAKES_ROOM else 0
        if kind == APART or held > free:
            assert found[row].tolist() == used[row].tolist()
            continue
        free -= held
        missing = np.maximum(of_b - of_a, 0).astype(np.int64)
        assert found[row].tolist() == [
            -(-words * missing[block] // int(max(of_b[block], 1)))
            for words, block in zip(used[row], b.block, strict=True)
        ]
    assert left == free


@settings(max_examples=40)
@given(st.data())
def test_dram_words_of_systolic_tiles(data: st.DataObject) -> None:
    draw = data.draw
    dataflow = draw(st.sampled_from(["weight-stationary", "output-stationary", "input-stationary"]))
    groups = draw(st.sampled_from([1, 2]))
    shape = conv(C=2 * groups, K=5 * groups, groups=groups, H=7, stride=(draw(st.integers(1, 2)), 1))
    spec = arch(
        array={"dataflow": dataflow, "rows": draw(st.integers(1, 9)), "cols": 2, "count": draw(st.integers(1, 3))}
    )
    mapping = map_systolic(shape, systolic_array(spec))
    if dataflow != "output-stationary" and draw(st.booleans()):
        blocking = Blocking(draw(st.integers(1, mapping.T)), *(draw(st.booleans()) for _ in range(3)), free_words=9)
        mapping = replace(mapping, blocking=blocking)
    per_group = mapping.col_folds
    tile = np.flatnonzero([draw(st.booleans()) for _ in range(groups * per_group)]).astype(np.int64)
    size = len(tile)
    cols, vectors, blocks = numbers(draw, size, 2, 1), numbers(draw, size, mapping.T, 1), numbers(draw, size, 4, 1)
    folds = numbers(draw, size, 5, 1)
    tiles = Work(np.ones_like(tile), tile, tile // per_group, cols, vectors, blocks, folds, np.zeros_like(tile))
    glb = draw(st.integers(30, 400))
    found, wanted = dram_words(shape, mapping, tiles, glb), systolic_tiles.dram_words(shape, mapping, tiles, glb)
    rows = [wanted.ifmap, wanted.filters, wanted.filters_at_once, wanted.spilled]
    assert found.table.tolist() == [row.astype(np.int64).tolist() for row in rows]
    for name in ("free_words", "ifmap_stays", "filters_stay"):
        assert getattr(found, name) == getattr(wanted, name), name


@settings(max_examples=60)
@given(st.data())
def test_systolic_stages_walked_and_step_by_step(data: st.DataObject) -> None:
    """Any dataflow, option, mask and coding: cycles, sums and every fold."""
    draw = data.draw
    shape, array = draw(systolic_cases.shapes()), draw(systolic_cases.arrays())
    array = array.model_copy(update={"count": 1})
    spec = systolic_cases.arch_of(array, draw(st.sampled_from(["64 B", "300 B", "1 MiB"])))
    mapping = ENGINES[array.dataflow].map_stages(shape, spec)[0]
    coded = draw(st.sampled_from([None, shape.ifmap_words // 2 + 1]))
    demand, work, part = Demand(ifmap_coded_words=coded), one_by_one(dense_work(mapping)), False
    if draw(st.booleans()):
        mask, positions = PackedMap.from_bool(draw(systolic_cases.masks(shape))), None
        if draw(st.booleans()):
            positions = mask.unpack().any(axis=(0, 3))
            part = array.blocking == "searched"
        demand = Demand(mask, positions, ifmap_coded_words=coded)
        work, _ = masked_work(mapping, mask, False, positions)
    frame, wanted = (
        stage_frame(shape, spec, mapping, demand),
        stage_on_arrays(shape, spec, mapping, work, part, demand),
    )
    as_timed = frame.dense if demand.mask is None else masked_tiles(demand, (shape, unblocked(mapping))).table
    for table in (work_table(work), as_timed):
        found = walked(frame, table)
        assert found.tiles.table.tolist() == wanted.tiles.table.tolist()
        for name in ("cycles", "active_pes", "totals", "imbalance"):
            assert getattr(found, name) == getattr(wanted, name), name
        for name in ("blocks", "visits", "free_words", "ifmap_apart", "ifmap_stays", "filters_stay"):
            assert getattr(found.tiles, name) == getattr(wanted.tiles, name), name
        assert found.tiles.reach.tolist() == wanted.tiles.reach.tolist()


@settings(max_examples=40)
@given(st.data())
def test_macs_that_switch_are_those_of_issued_outputs(data: st.DataObject) -> None:
    """With gated inputs, whether or not the number of vectors says everything about the tiles."""
    draw = data.draw
    shape, array = draw(systolic_cases.shapes()), draw(systolic_cases.arrays()).model_copy(update={"count": 1})
    mask, mapping = PackedMap.from_bool(draw(systolic_cases.masks(shape))), map_systolic(shape, array)
    size = (shape.N, shape.P, shape.Q, shape.groups)
    window = np.random.default_rng(draw(st.integers(0, 99))).integers(0, shape.macs_per_output + 1, size, np.int32)
    demand = Demand(mask, window_nonzero=window)
    _, issued = masked_work(mapping, mask, True)
    assert issued is not None
    wanted = int((issued.astype(np.int64).T.reshape(size) * window).sum())
    assert masked_tiles(demand, (shape, mapping)).switching == wanted


@settings(max_examples=40)
@given(st.data())
def test_blocks_are_weighed_by_what_they_take(data: st.DataObject) -> None:
    """Cycles and DRAM words of all that a buffer can hold, in one call and step by step."""
    draw = data.draw
    shape = draw(systolic_cases.shapes())
    array = draw(systolic_cases.arrays().filter(lambda one: one.dataflow != "output-stationary"))
    array = array.model_copy(update={"count": 1, "blocking": "searched"})
    glb_words = array.pe_count + array.cols + draw(st.integers(0, 400))
    choices = _all_blocks(shape, map_systolic(shape, array), glb_words)
    for choice in choices if len(choices) > 1 else []:
        dense = dense_work(choice.mapping)
        ifmap, filters, _, spilled = dram_words(shape, choice.mapping, one_by_one(dense), glb_words).table.sum(axis=1)
        cycles = stage_cycles(choice.mapping, dense).cycles.total
        assert choice[1:] == (cycles, ifmap, filters, spilled)


@settings(max_examples=40)
@given(st.data())
def test_folds_of_systolic_tiles(data: st.DataObject) -> None:
    draw, size = data.draw, data.draw(st.integers(0, 4))
    folds, pieces = numbers(draw, size, 4, 1), numbers(draw, size, 3, 1)
    parts = folds * pieces
    if size and draw(st.booleans()):  # more than are told apart
        pieces, parts = np.ones_like(parts), np.maximum(parts // 2, 1)
    ends = np.array(
        [
            draw(st.sampled_from([n for n in range(1, f + 1) if p % n == 0 or c == 1]))
            for f, p, c in zip(np.minimum(folds, parts), parts // pieces, pieces, strict=True)
        ],
        dtype=np.int64,
    )
    cycles, outputs, block = (numbers(draw, size, 60) for _ in range(3))
    words = np.stack([numbers(draw, size, 60) for _ in range(4)])
    words[2] = numbers(draw, size, 1)
    tiles = systolic_tiles.Folds(folds, parts, pieces, ends, cycles, outputs, block, words, draw(st.booleans()))
    out = np.empty((7, int(parts.sum())), dtype=np.int64)
    fold_table(folds, parts, pieces, ends, cycles, outputs, block, words, tiles.by_pixels, out)
    assert out.tolist() == systolic_tiles.fold_table(tiles).tolist()


@settings(max_examples=40)
@given(st.data())
def test_passes_are_those_of_the_page_of_equations(data: st.DataObject) -> None:
    """Cycles, actions and tiles of stages: the walk and the equations on arrays, with any mask and mapping."""
    shape, spec, mapping, demand = row_stationary_passes.draw_stage(data.draw)
    found = row_stationary_passes.walked(shape, spec, mapping, demand)
    wanted = row_stationary_passes.on_arrays(shape, spec, mapping, demand)
    assert dict(zip(SUMS, found.sums.tolist(), strict=True)) == wanted.sums
    assert found.cycles.tolist() == wanted.cycles.tolist()
    result = ENGINES["row-stationary"].time_stage(shape, spec, mapping, demand)
    assert result.tiles.table.tolist() == wanted.table.tolist()


@settings(max_examples=30)
@given(st.data())
def test_where_passes_are_too_many_each_block_is_a_tile(data: st.DataObject) -> None:
    shape, spec, mapping, demand = row_stationary_passes.draw_stage(data.draw)
    passes = row_stationary_passes.on_arrays(shape, spec, mapping, demand).table
    blocks = np.unique(passes[6])
    sums = [passes[:6, passes[6] == block].sum(axis=1) for block in blocks]
    with patch("zapsim.arrays.row_stationary.tiles.MOST_TILES", 0):
        tiles = ENGINES["row-stationary"].time_stage(shape, spec, mapping, demand).tiles
    assert tiles.table[6].tolist() == blocks.tolist()
    assert tiles.table[:6].T.tolist() == [column.tolist() for column in sums]


@settings(max_examples=60)
@given(st.data())
def test_use_of_filters_by_lanes(data: st.DataObject) -> None:
    """Steps, active PEs and loads from the outputs of each lane and filter."""
    draw = data.draw
    pe, pes, domain_pes = draw(st.tuples(*[st.tuples(st.integers(1, 2), st.integers(1, 2))] * 3))
    domain = tuple(a * b for a, b in zip(pe, domain_pes, strict=True))
    whole = tuple(a * b for a, b in zip(domain, pes, strict=True))
    filters, segments = draw(st.integers(1, 9)), draw(st.integers(1, 2))
    outputs = numbers(draw, segments * whole[1] * filters, 3).reshape(segments, whole[1], filters)
    blocks = -(-filters // whole[0])
    steps = np.empty((pes[0] * pes[1], segments * blocks), dtype=np.int64)
    groups, total = np.empty(filters, dtype=np.int64), np.empty((whole[1], filters), dtype=np.int64)
    use_kernels.even_steps(outputs, (whole[0], *domain), steps, groups, total)
    assert total.tolist() == outputs.sum(axis=0).tolist()
    padded = np.zeros((segments, whole[1], blocks * whole[0]), dtype=np.int64)
    padded[..., :filters] = outputs
    parts = padded.reshape(segments, pes[1], domain[1], blocks, pes[0], domain[0])
    assert steps.tolist() == parts.max(axis=(2, 5)).transpose(1, 3, 0, 2).reshape(steps.shape).tolist()
    assert groups.tolist() == outputs.reshape(segments, -1, domain[1], filters).max(axis=2).sum(axis=(0, 1)).tolist()
    lanes = padded.sum(axis=0).reshape(whole[1], blocks, whole[0]).sum(axis=1)
    pe_has = lanes.reshape(whole[1] // pe[1], pe[1], whole[0] // pe[0], pe[0]).any(axis=(1, 3))
    assert use_kernels.active_pes(total, whole[0], pe) == pe_has.sum()
    per_filter, loads = np.empty(filters, dtype=np.int64), np.empty(filters, dtype=np.int64)
    sizes = (whole[0], draw(st.sampled_from([size for size in range(1, filters + 1) if filters % size == 0])))
    found = use_kernels.filter_use(total, domain[1], sizes, per_filter, loads)
    used = np.flatnonzero(total.sum(axis=0))
    pairs = {(k // sizes[0], k // sizes[1]) for k in used.tolist()}
    assert found == (len(used), len(pairs), len({group for _, group in pairs}))
    assert loads.tolist() == total.reshape(-1, domain[1], filters).any(axis=1).sum(axis=0).tolist()
    assert per_filter.tolist() == total.sum(axis=0).tolist()
