"""Stages in some rows only, masks on their way to PEs, compact psums: against the walker, and exact equalities."""

from dataclasses import dataclass, replace
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import counts_with_dram
from tests.reference.row_stationary_cases import arch_of, layers, mappings, resources
from tests.reference.row_stationary_search import all_mappings
from tests.reference.row_stationary_walker import Masked, walk
from tests.reference.systolic_cases import masks
from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, StageResult
from zapsim.arrays.row_stationary.bounds import Candidates, layer_totals, least_totals
from zapsim.arrays.row_stationary.kernels import fill_sets
from zapsim.arrays.row_stationary.mapping import Resources, clamp, touched
from zapsim.arrays.row_stationary.search import Objective, search
from zapsim.arrays.row_stationary.strips import SHARES, Stage, glb_strips, stage_rows, strips_of
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.kernels, pytest.mark.reference]
ENGINE = RowStationaryEngine()


def arch(have: Resources) -> ArchSpec:
    """Return an architecture that holds each strip once: DRAM neither works ahead nor behind."""
    buffers = {"glb": {"size": f"{have.glb_words} B"}, "prefetch": {"ifmap": 0, "filter": 1, "ofmap": 0}}
    return arch_of(have, buffers=buffers)


@dataclass(frozen=True)
class Case:
    """A layer on an array, and the pixels of one of its stages."""

    shape: ConvShape
    mapping: PassParameters
    have: Resources
    positions: np.ndarray

    @property
    def rows(self) -> list[int]:
        return np.flatnonzero(self.positions.any(axis=1)).tolist()

    @property
    def pixels(self) -> tuple[int, ...]:
        return tuple(self.positions.sum(axis=1).tolist())

    def time(self, kept: np.ndarray, *, by_mask: bool = True, have: Resources | None = None) -> StageResult:
        pixels = self.positions if by_mask else None
        demand = Demand(PackedMap.from_bool(kept), positions=self.positions, mask_pixels=pixels)
        return ENGINE.time_stage(self.shape, arch(have or self.have), self.mapping, demand)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a stage: some rows, and in each of them some pixels."""
    shape = draw(layers())
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    positions = rng.random((shape.P, shape.Q)) < draw(st.sampled_from([0.5, 0.8, 1.0]))
    positions &= (np.arange(shape.P) % draw(st.integers(1, 3)) != draw(st.integers(0, 3)))[:, np.newaxis]
    assume(positions.any())
    stage = Stage(pixels=tuple(positions.sum(axis=1).tolist()))
    mapping = clamp(shape, draw(mappings(shape)), int(positions.any(axis=1).sum()))
    have = draw(resources(shape, mapping, stage))
    return Case(shape, mapping, replace(have, mask_word=draw(st.sampled_from([0, 8]))), positions)


@settings(max_examples=60)
@given(st.data(), cases())
def test_equals_the_walker(data: st.DataObject, case: Case) -> None:
    shape, mapping, have = case.shape, case.mapping, case.have
    kept = data.draw(masks(shape)) & case.positions[np.newaxis, :, :, np.newaxis]
    by_mask, compact = data.draw(st.booleans()), data.draw(st.booleans())
    ifmap, _, _ = glb_strips(shape, mapping.e, stage=Stage(pixels=case.pixels))
    room = data.draw(st.integers(0, 40))
    have = replace(
        have, compact=compact, glb_words=mapping.n * mapping.q * mapping.r * ifmap + room if compact else 9999
    )

    result = case.time(kept, by_mask=by_mask, have=have)
    masked = Masked(case.positions, have.mask_word, room if compact else None) if by_mask else None
    buses = (have.ifmap_bus, have.filter_bus, have.psum_bus)
    slow = walk(shape, mapping, buses, kept, paired=have.rows_per_column == 2, rows=case.rows, masked=masked)

    assert {part: cycles for part, cycles in result.cycles.as_dict().items() if cycles} == +slow.cycles
    assert {action: count for action, count in counts_with_dram(result).as_dict().items() if count} == +slow.counts
    assert result.active_pes == slow.active_pes


@given(st.data(), cases())
def test_more_zeros_never_cost_more(data: st.DataObject, case: Case) -> None:
    have = replace(case.have, compact=data.draw(st.booleans()))
    kept = data.draw(masks(case.shape)) & case.positions[np.newaxis, :, :, np.newaxis]
    fewer = kept & data.draw(masks(case.shape))
    more_, less = case.time(kept, have=have), case.time(fewer, have=have)
    assert less.cycles.total <= more_.cycles.total
    for action, count in counts_with_dram(less).as_dict().items():
        assert count <= counts_with_dram(more_).as_dict()[action], action


@given(cases())
def test_options_make_no_difference_to_a_stage_that_computes_all_of_its_pixels(case: Case) -> None:
    """With psums at full width and no mask to read: what a pattern of all pixels of its rows costs."""
    whole_rows = np.broadcast_to(case.positions.any(axis=1)[:, np.newaxis], case.positions.shape)
    case = replace(case, positions=whole_rows)
    shape = case.shape
    kept = np.broadcast_to(whole_rows[np.newaxis, :, :, np.newaxis], (shape.N, shape.P, shape.Q, shape.K))
    plain = case.time(kept, by_mask=False, have=replace(case.have, mask_word=0))
    compact = case.time(kept, by_mask=False, have=replace(case.have, compact=True))
    assert compact == plain
    assert compact.tiles.free_words == plain.tiles.free_words


@pytest.mark.parametrize(("rows", "padding"), [("even", (1, 0, 1, 1)), ("odd", (0, 1, 1, 1))])
@given(data=st.data())
def test_a_stage_of_every_second_row_is_a_layer_of_stride_2(
    data: st.DataObject, rows: str, padding: tuple[int, int, int, int]
) -> None:
    """1/2r has the even rows in stage A and the odd ones in stage B: each is the dense layer of stride (2, 1)."""
    H, W, C, K, N = (
        2 * data.draw(st.integers(2, 6)),
        *(data.draw(st.integers(*ends)) for ends in [(3, 7)] * 2 + [(1, 5), (1, 2)]),
    )
    shape = ConvShape("x", N=N, C=C, H=H, W=W, K=K, R=3, S=3, padding=(1, 1, 1, 1))
    strided = replace(shape, stride=(2, 1), padding=padding)
    assert strided.P == H // 2
    mapping = data.draw(mappings(strided))
    positions = np.zeros((H, W), dtype=bool)
    positions[rows == "odd" :: 2] = True
    have = data.draw(resources(strided, mapping))
    case = Case(shape, mapping, have, positions)
    kept = np.broadcast_to(positions[np.newaxis, :, :, np.newaxis], (N, H, W, K))

    result = case.time(kept, by_mask=False)
    dense = ENGINE.time_stage(strided, arch(have), mapping, Demand())
    assert result == dense
    for field in ("cycles", "ifmap_words", "filter_words", "outputs", "block"):
        assert np.array_equal(getattr(result.tiles, field), getattr(dense.tiles, field)), field
    assert result.tiles.free_words == dense.tiles.free_words


@given(layers(), st.integers(1, 5), st.integers(1, 2))
def test_strips_of_all_rows_follow_the_papers_formula(shape: ConvShape, e: int, rows_per_column: int) -> None:
    strips = strips_of(shape, min(e, shape.P), None, rows_per_column)
    columns = -(-strips.e // rows_per_column)
    assert np.array_equal(strips.held, touched(shape, strips.e, axis=0))
    assert np.array_equal(strips.first, touched(shape, columns, axis=0))
    assert np.array_equal(strips.streamed, strips.first + touched(shape, strips.e - columns, axis=0))


@given(cases())
def test_strips_are_unions(case: Case) -> None:
    shape, e = case.shape, case.mapping.e
    strips = strips_of(shape, e, case.pixels)
    for strip, start in enumerate(range(0, len(case.rows), e)):
        read = {
            y * shape.stride[0] + i * shape.dilation[0] for y in case.rows[start : start + e] for i in range(shape.R)
        }
        assert strips.held[strip] == strips.streamed[strip] == strips.first[strip] == len(read)
        assert strips.read[strip] == sum(0 <= row - shape.padding[0] < shape.H for row in read)
        assert strips.pixels[strip] == sum(case.pixels[y] for y in case.rows[start : start + e])


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 5))
def test_full_strips_fill_sets_of_m_filters(tiles_per_set: int, filter_tiles: int, words: int) -> None:
    """Where every tile makes e · Q psums a filter, the sets that are filled are those of m filters."""
    ends, most = np.empty((1, filter_tiles, 1, 1), dtype=np.int64), np.empty(2, dtype=np.int64)
    fill_sets(np.full((1, filter_tiles, 1, 1), words), tiles_per_set * words, ends, most)
    expected = np.minimum(np.arange(tiles_per_set, filter_tiles + tiles_per_set, tiles_per_set), filter_tiles)
    assert ends[0, : most[0], 0, 0].tolist() == expected.tolist()
    assert most[1] == min(tiles_per_set, filter_tiles) * words


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12), st.integers(1, 30))
def test_more_zeros_never_need_more_sets(tiles: list[tuple[int, int]], room: int) -> None:
    sets = []
    for words in ([more for more, _ in tiles], [min(pair) for pair in tiles]):
        ends, most = np.empty((1, len(tiles), 1, 1), dtype=np.int64), np.empty(2, dtype=np.int64)
        fill_sets(np.array(words).reshape(1, -1, 1, 1), room, ends, most)
        sets.append(int(most[0]))
        bounds = [0, *ends[0, : most[0], 0, 0].tolist()]
        of_set = [words[first:end] for first, end in pairwise(bounds)]
        assert all(sum(tile) <= room or np.count_nonzero(tile) == 1 for tile in of_set)
    assert sets[1] <= sets[0]


def test_sets_by_hand() -> None:
    """4 filters with 3, 2, 4 and 1 outputs, a pointer each, in a GLB of 8 words: {0, 1}, {2, 3}."""
    ends, most = np.empty((1, 4, 1, 1), dtype=np.int64), np.empty(2, dtype=np.int64)
    fill_sets(np.array([4, 3, 5, 2]).reshape(1, 4, 1, 1), 8, ends, most)
    assert ends[0, : most[0], 0, 0].tolist() == [2, 4]
    assert most.tolist() == [2, 7]


def test_a_compact_stage_by_hand() -> None:
    """2 channels, one a pass, of 1 × 4 pixels; 3 filters of 1 × 1, one a pass; psums of 2, 1 and 4 outputs.

    The GLB has 4 ifmap words and 5 more. Filters 0 and 1 need 2 + 1 and 1 + 1 words with their pointers: one set.
    Filter 2 needs 4 + 1: another one. So each channel's strip is loaded twice. Every pass reads its pointer, and 4 bits
    for its filter; a pointer is written once.
    """
    shape = ConvShape("x", C=2, H=1, W=4, K=3, R=1, S=1)
    mapping = PassParameters(m=1, n=1, e=1, p=1, q=1, r=1, t=1)
    have = Resources(1, 1, 1, 1, 1, 1, 1, 1, glb_words=9, compact=True)
    kept = np.zeros((1, 1, 4, 3), dtype=bool)
    kept[0, 0, :2, 0] = kept[0, 0, 3, 1] = kept[0, 0, :, 2] = True
    case = Case(shape, mapping, have, np.ones((1, 4), dtype=bool))
    result = case.time(kept)
    assert result.tiles.ifmap_words.tolist() == [4, 0, 4, 0, 4, 4]
    assert result.tiles.free_words == 0
    assert result.counts.mask_bits_read == 2 * 3 * 4
    assert (result.counts.glb_reads, result.counts.glb_writes) == (2 * 7 + 2 * 3 * 4 + 2 * 3, 2 * 7 + 3)
    assert not result.tiles.spilled_words.any()

    small = case.time(kept, have=replace(have, glb_words=7))
    assert small.tiles.ifmap_words.tolist() == [4, 4, 4, 4, 4, 4], "3 words hold one filter"
    assert small.tiles.spilled_words.tolist() == [0, 0, 0, 0, 2, 0], "of 5 words 2 wait in DRAM"
    assert small.tiles.psum_words.tolist() == [0, 0, 0, 0, 0, 2]
    with patch("zapsim.arrays.row_stationary.tiles.MOST_TILES", 0):  # a tile of all passes of a block
        merged = case.time(kept, have=replace(have, glb_words=7)).tiles
    assert merged.spilled_words.tolist() == merged.psum_words.tolist() == [0, 0, 2]
    assert merged.outputs.tolist() == [2, 1, 4]

    last = Case(replace(shape, K=1), mapping, replace(have, glb_words=7), case.positions)
    assert last.time(kept[..., 2:]).tiles.spilled_words.tolist() == [2, 0], "nor does it fit as the only filter"
    with patch("zapsim.arrays.row_stationary.tiles.MOST_TILES", 0):
        assert last.time(kept[..., 2:]).tiles.spilled_words.tolist() == [2]


def test_filters_without_outputs_in_a_strip_have_no_pass() -> None:
    """3 channels, two a pass and the last one alone; 4 filters, one a pass; strips of one of 2 rows of 2 pixels.

    All psums fit. Filters 1 and 3 have 1 and 2 outputs in the upper strip, filters 0 and 3 2 and 1 in the lower one.
    """
    shape = ConvShape("x", C=3, H=2, W=2, K=4, R=1, S=1)
    mapping = PassParameters(m=4, n=1, e=1, p=1, q=2, r=1, t=1)
    have = Resources(1, 1, 2, 2, 1, 1, 1, 1, glb_words=99)
    kept = np.zeros((1, 2, 2, 4), dtype=bool)
    kept[0, 0, 0, 1] = kept[0, 0, :, 3] = kept[0, 1, :, 0] = kept[0, 1, 1, 3] = True
    case = Case(shape, mapping, have, np.ones((2, 2), dtype=bool))
    tiles = case.time(kept).tiles
    assert tiles.block.tolist() == [0] * 4 + [1] * 4
    assert tiles.outputs.tolist() == [0, 0, 1, 2, 0, 0, 2, 1], "with the last channel"
    assert tiles.ifmap_words.tolist() == [4, 0, 2, 0] * 2
    assert tiles.filter_words.tolist() == [2, 2, 1, 1] * 2
    with patch("zapsim.arrays.row_stationary.tiles.MOST_TILES", 0):
        merged = case.time(kept).tiles
    for name in ("cycles", "ifmap_words", "filter_words", "outputs"):
        assert getattr(merged, name).tolist() == getattr(tiles, name).reshape(2, 4).sum(axis=1).tolist(), name


def test_masks_on_the_ifmap_bus_by_hand() -> None:
    """A pass of 4 ifmap words and 3 filters: 12 bits are 2 words of 8 bits, and 2 cycles more than the ifmap takes."""
    shape = ConvShape("x", C=1, H=1, W=4, K=3, R=1, S=1)
    mapping = PassParameters(m=3, n=1, e=1, p=3, q=1, r=1, t=1)
    wires = Resources(1, 1, 1, 3, 3, 1, 1, 4, glb_words=100)
    kept = np.zeros((1, 1, 4, 3), dtype=bool)
    kept[0, 0, 0, 0] = True
    case = Case(shape, mapping, wires, np.ones((1, 4), dtype=bool))
    on_wires, on_bus = case.time(kept), case.time(kept, have=replace(wires, mask_word=8))
    assert on_wires.counts.mask_bits_read == on_bus.counts.mask_bits_read == 12
    assert on_bus.cycles.total - on_wires.cycles.total == 2
    assert on_bus.counts.ifmap_bus_words - on_wires.counts.ifmap_bus_words == 2
    assert on_bus.counts.glb_reads == on_wires.counts.glb_reads, "masks are counted by the bit there"


@st.composite
def stages(draw: st.DrawFn, shape: ConvShape) -> Stage:
    rows = [draw(st.integers(0, shape.Q)) for _ in range(shape.P)]
    pixels = tuple(rows) if any(rows) and draw(st.booleans()) else None
    return Stage(draw(st.integers(1, SHARES)), pixels, draw(st.booleans()))


@settings(max_examples=20)
@given(st.data())
def test_the_search_leaves_nothing_better_out(data: st.DataObject) -> None:
    shape = data.draw(layers())
    assume(shape.N * shape.P * shape.K_per_group**3 * shape.C_per_group**2 <= 1200)
    stage = data.draw(stages(shape))
    rows = len(stage_rows(shape, stage.pixels))
    have = data.draw(resources(shape, clamp(shape, data.draw(mappings(shape)), rows), stage))
    have = replace(have, compact=data.draw(st.booleans()), mask_word=data.draw(st.sampled_from([0, 8])))

    def cycles(mapping: PassParameters) -> int:
        values = {name: np.array([value]) for name, value in mapping.model_dump(exclude={"m"}).items()}
        return int(layer_totals(shape, have, Candidates(**values), (stage,)).cycles[0])

    fitting = [cycles(mapping) for mapping in all_mappings(shape, have, stage)]
    assume(fitting)
    assert cycles(search(shape, have, Objective(stages=(stage,)))) == min(fitting)


@given(st.data(), layers())
def test_bounds_are_below_totals(data: st.DataObject, shape: ConvShape) -> None:
    stage = data.draw(stages(shape))
    mapping = clamp(shape, data.draw(mappings(shape)), len(stage_rows(shape, stage.pixels)))
    have = data.draw(resources(shape, mapping, stage))
    have = replace(have, compact=data.draw(st.booleans()), mask_word=data.draw(st.sampled_from([0, 8])))
    have = replace(have, glb_words=have.glb_words + 50)  # pointers
    values = {name: np.array([value]) for name, value in mapping.model_dump(exclude={"m"}).items()}
    totals, least = (of(shape, have, Candidates(**values), (stage,)) for of in (layer_totals, least_totals))
    assert least.cycles[0] <= totals.cycles[0]
    for action, total in totals.actions.items():
        assert least.actions[action] <= total, action
