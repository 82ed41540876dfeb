"""Systolic arrays by hand: 2×2 cases, folds and utilisation, options, DRAM traffic, and what is refused."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from pydantic import ValidationError

from tests.builders import counts_with_dram
from tests.reference.systolic_cases import DATAFLOWS, arch_of
from zapsim.arch.arrays import SystolicArray
from zapsim.arch.policy import PRESETS
from zapsim.arrays.engine import Demand, StageResult
from zapsim.arrays.engines import ENGINES
from zapsim.arrays.systolic import kernels
from zapsim.arrays.systolic.mapping import map_systolic, systolic_array
from zapsim.arrays.systolic.pace import stage_cycles
from zapsim.arrays.systolic.timing import SystolicEngine
from zapsim.arrays.systolic.work import dense_work, pixel_words
from zapsim.counts import Cycles
from zapsim.errors import MappingError, PolicyError
from zapsim.timing.layer import check_buffer
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

ENGINE = SystolicEngine()
# 4 pixels, 4 filters, 3 products an output: 48 MACs.
SMALL = ConvShape("small", C=3, H=1, W=4, K=4, R=1, S=1)


def array_of(dataflow: str, rows: int = 2, cols: int = 2, **options: str) -> SystolicArray:
    return SystolicArray.model_validate({"dataflow": dataflow, "rows": rows, "cols": cols, **options})


def time(
    array: SystolicArray, kept: list[str] | None = None, glb: str = "1 MiB", shape: ConvShape = SMALL
) -> StageResult:
    """Time `shape`; `kept` has a string of filters for each pixel, '#' = computed."""
    arch = arch_of(array, glb)
    mask = None
    if kept is not None:
        bits = np.array([[cell == "#" for cell in pixel] for pixel in kept])
        mask = PackedMap.from_bool(bits.reshape(shape.N, shape.P, shape.Q, shape.K))
    return ENGINE.time_stage(shape, arch, ENGINE.map_stages(shape, arch)[0], Demand(mask))


@pytest.mark.parametrize(
    ("dataflow", "sizes", "cycles"),
    [
        # 2 row folds (3 products) × 2 column folds (4 filters) × (2·2 + 2 + 4 - 2) - 1
        ("weight-stationary", (3, 4, 4), 2 * 2 * 8 - 1),
        # 2 (pixels) × 2 (filters) × (2 + 2 + 3 - 2) - 1
        ("output-stationary", (4, 4, 3), 2 * 2 * 5 - 1),
        # 2 (products) × 2 (pixels) × (2·2 + 2 + 4 - 2) - 1
        ("input-stationary", (3, 4, 4), 2 * 2 * 8 - 1),
    ],
)
def test_dense_layer_on_2x2(dataflow: str, sizes: tuple[int, int, int], cycles: int) -> None:
    mapping = map_systolic(SMALL, array_of(dataflow))
    assert (mapping.Sr, mapping.Sc, mapping.T) == sizes
    assert mapping.folds == 4
    assert mapping.cycles == cycles == mapping.folds * mapping.fold_cycles - 1
    assert mapping.utilisation == 48 / (cycles * 4)
    assert mapping.mapping_efficiency == sizes[0] * sizes[1] / 16
    result = time(array_of(dataflow))
    assert result.cycles.total == cycles
    assert result.cycles.compute == 4 * sizes[2]
    assert result.counts.macs_executed == 48
    assert result.active_pes == 4


@pytest.mark.kernels
def test_weight_stationary_streams_the_pixels_that_a_tile_of_filters_needs() -> None:
    # Filters 0 and 1 need pixels 0 and 2; filters 2 and 3 need pixel 3 alone.
    result = time(array_of("weight-stationary"), ["#...", "....", "##..", "..#."])
    assert result.cycles.total == 2 * (4 + 2 + 2 - 2) + 2 * (4 + 2 + 1 - 2) - 1
    assert result.cycles.compute == 2 * 2 + 2 * 1
    assert result.counts.macs_executed == (2 + 1) * 2 * 3
    assert result.counts.macs_lost == (6 - 4) * 3  # pixel 0 on filter 1, pixel 3 on filter 3
    layer = result.counts.but(macs_skipped=48 - result.counts.macs_executed)
    assert layer.structural_loss == 6 / 36  # of the 48 - 12 MACs that the mask leaves out


@pytest.mark.kernels
def test_output_stationary_packs_needed_pixels_into_folds() -> None:
    kept = ["#...", "....", "##..", "..#."]
    crossed = time(array_of("output-stationary"), kept)
    assert crossed.cycles.total == 2 * 5 - 1  # pixels 0 and 2 share a fold
    kept_apart = time(array_of("output-stationary", fold_boundary="kept"), kept)
    assert kept_apart.cycles.total == 3 * 5 - 1  # pixels 0 | 2 for the first filters, 3 for the others
    assert kept_apart.counts.macs_executed == crossed.counts.macs_executed == 18
    grouped = time(array_of("output-stationary", fold_boundary="kept", pixel_order="grouped"), kept)
    assert grouped.cycles.total == 2 * 5 - 1  # order 2, 0, 3, 1: pixels 2 and 0 share a fold
    assert time(array_of("output-stationary", drain="serial"), kept).cycles.total == 2 * 7 - 1
    assert time(array_of("output-stationary", partial_folds="shrunk"), kept).cycles.total == 5 + 4 - 1


@pytest.mark.kernels
def test_input_stationary_streams_the_filters_that_a_tile_of_pixels_needs() -> None:
    # Pixels 0 and 1 need filters 0, 1 and 2; pixels 2 and 3 need none.
    result = time(array_of("input-stationary"), ["#.#.", "##..", "....", "...."])
    assert result.cycles.total == 2 * (4 + 2 + 3 - 2) - 1
    assert result.counts.macs_executed == 3 * 2 * 3
    assert result.counts.macs_lost == (6 - 4) * 3


@pytest.mark.kernels
def test_grouped_pixels_share_folds_with_their_like() -> None:
    kept = ["####", "....", "####", "...."]  # a checkerboard: in raster order each tile of 2 pixels is half used
    for dataflow in ("input-stationary", "output-stationary"):
        apart = time(array_of(dataflow, fold_boundary="kept"), kept)
        together = time(array_of(dataflow, fold_boundary="kept", pixel_order="grouped"), kept)
        assert apart.cycles.total == 2 * together.cycles.total + 1
        assert together == time(array_of(dataflow, fold_boundary="crossed"), kept)
    assert array_of("output-stationary").crosses_folds
    assert not array_of("input-stationary").crosses_folds


@pytest.mark.kernels
def test_filters_sorted_by_density_share_tiles_with_their_like() -> None:
    kept = ["#.#.", "#.#.", "#.#.", "#..."]
    plain = time(array_of("weight-stationary"), kept)
    ordered = time(array_of("weight-stationary", channel_order="by-density"), kept)
    assert plain.counts.macs_lost == (4 + 3) * 3
    assert ordered.counts.macs_lost == 3
    assert plain.cycles.total == 2 * 8 + 2 * 7 - 1
    assert ordered.cycles.total == 2 * 8 - 1  # filters 1 and 3 have a tile of their own: nothing runs there
    for filters in combinations(range(4), 2):  # any two of the four: one tile, in which nothing is lost
        pixel = "".join("#" if k in filters else "." for k in range(4))
        ordered = time(array_of("weight-stationary", channel_order="by-density"), [pixel] * 4)
        assert (ordered.cycles.total, ordered.counts.macs_lost) == (2 * 8 - 1, 0)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.kernels
def test_a_stage_without_work_costs_nothing(dataflow: str) -> None:
    result = time(array_of(dataflow), ["...."] * 4)
    assert result.cycles == Cycles()
    assert not any(result.counts.as_dict().values())
    assert result.active_pes == 0


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_groups_run_one_after_another(dataflow: str) -> None:
    grouped = ConvShape("grouped", C=6, H=5, W=5, K=8, R=3, S=3, groups=2)
    alone = ConvShape("alone", C=3, H=5, W=5, K=4, R=3, S=3)
    array = array_of(dataflow, 4, 3)
    assert map_systolic(grouped, array).cycles + 1 == 2 * (map_systolic(alone, array).cycles + 1)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_images_are_more_pixels(dataflow: str) -> None:
    fully_connected = ConvShape("fc", C=64, H=1, W=1, K=10, R=1, S=1, N=8)
    as_pixels = ConvShape("gemm", C=64, H=1, W=8, K=10, R=1, S=1)
    array = array_of(dataflow, 4, 4)
    assert map_systolic(fully_connected, array) == map_systolic(as_pixels, array)


def test_one_mac_on_one_pe_ends_in_cycle_0() -> None:
    one = ConvShape("one", C=1, H=1, W=1, K=1, R=1, S=1)
    mapping = map_systolic(one, array_of("output-stationary", 1, 1))
    assert (mapping.cycles, mapping.utilisation) == (0, 0.0)
    assert time(array_of("output-stationary", 1, 1), shape=one).cycles == Cycles()


def test_counts_are_exact_near_the_largest_layer() -> None:
    # 2**52 MACs and 2**46 pixels × filters: far beyond what could be listed, and exact.
    huge = ConvShape("huge", C=2**18, H=2**8, W=2**8, K=2**18, R=1, S=1)
    mapping = map_systolic(huge, array_of("weight-stationary", 1, 1))
    assert mapping.cycles == 2**36 * (2**16 + 1) - 1
    result = time(array_of("weight-stationary", 1, 1), shape=huge)
    assert result.cycles.total == mapping.cycles
    assert result.counts.macs_executed == 2**52
    assert result.counts.glb_writes == 2**52


# DRAM words, weight-stationary on 2×2: 12 ifmap words, 12 filter words, 16 outputs, 2 tiles of 8 psums, 2 row folds.
@pytest.mark.parametrize(
    ("glb", "reads", "writes"),
    [
        ("24 B", 12 + 12, 0),  # 4 weights, 8 psums and the whole ifmap fit
        ("23 B", 2 * 12 + 12, 0),  # no room for the ifmap: once for each tile
        ("11 B", 2 * 12 + 12 + 16, 16),  # nor for a tile's psums: out and back once
    ],
)
def test_dram_words_weight_stationary(glb: str, reads: int, writes: int) -> None:
    counts = counts_with_dram(time(array_of("weight-stationary", blocking="none"), glb=glb))
    assert (counts.dram_reads, counts.dram_writes) == (reads, writes)


def test_blocked_pixels_keep_their_psums_on_chip() -> None:
    # 11 words: 4 weights and 6 psums, so 3 of the 4 pixels at a time; the block of 3 and the block of 1 fill anew.
    result = time(array_of("weight-stationary"), glb="11 B")
    counts = counts_with_dram(result)
    assert (counts.dram_reads, counts.dram_writes) == (2 * 12 + 2 * 12, 0)  # pixels per tile, weights per block
    assert counts.filter_bus_words == 2 * 12
    assert result.cycles.total == 2 * 2 * (4 + 3 + 4 + 1) - 1  # 2 tiles of 2 folds
    assert result.tiles.outputs.sum() == 16


@pytest.mark.parametrize(
    ("glb", "reads"),
    [
        ("18 B", 12 + 12),  # a tile's 6 weights and the ifmap fit
        ("17 B", 2 * 12 + 12),  # the ifmap is read for each tile
        ("5 B", 2 * 12 + 2 * 12),  # and the weights for each fold
    ],
)
def test_dram_words_output_stationary(glb: str, reads: int) -> None:
    counts = counts_with_dram(time(array_of("output-stationary"), glb=glb))
    assert (counts.dram_reads, counts.dram_writes) == (reads, 0)


@pytest.mark.kernels
def test_dram_words_of_a_stage_are_those_that_it_uses() -> None:
    # One output: 3 ifmap words, a tile of 2 filters.
    counts = counts_with_dram(time(array_of("weight-stationary"), ["#...", "....", "....", "...."]))
    assert (counts.dram_reads, counts.dram_writes) == (3 + 6, 0)


def test_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="pixel_order"):
        array_of("weight-stationary", pixel_order="sorted")


def test_another_array_is_refused() -> None:
    arch = arch_of(array_of("weight-stationary")).model_copy(
        update={"array": type("Other", (), {"dataflow": "row-stationary"})()}
    )
    with pytest.raises(MappingError, match="expected a systolic dataflow, got 'row-stationary'"):
        systolic_array(arch)


def test_a_dense_layer_counts_its_storage_by_hand() -> None:
    counts = time(array_of("weight-stationary")).counts
    # 2 tiles of 2 filters, folds of 2 and 1 products, 4 pixels
    assert counts.filter_bus_words == 12
    assert counts.ifmap_bus_words == 2 * 3 * 4
    assert counts.psum_bus_words == 16 + 32  # read back once, written twice
    assert counts.pe_to_pe_words == 2 * 2 + 2 * 12 + 2 * 8  # weights into the second row, pixels right, psums down
    assert counts.filter_spad_writes == 12 + 4
    assert counts.ifmap_spad_writes == counts.ifmap_spad_reads == 48
    assert counts.filter_spad_reads == counts.psum_spad_reads == counts.psum_spad_writes == 48


@pytest.mark.kernels
def test_a_layer_that_leaves_nothing_out_loses_nothing() -> None:
    assert time(array_of("weight-stationary"), ["####"] * 4).counts.structural_loss == 0


@pytest.mark.kernels
def test_tiles_see_each_of_their_channels_and_no_other(rng: np.random.Generator) -> None:
    channels = 200  # pixel p needs channel p alone
    words = pixel_words(PackedMap.from_bool(np.eye(channels, dtype=np.bool_).reshape(1, 1, channels, channels)))
    ends = np.sort(rng.integers(0, channels + 1, (300, 2)), axis=1)
    bounds = ends[ends[:, 0] < ends[:, 1]]
    vectors, folds = np.empty(len(bounds), dtype=np.int64), np.empty((len(bounds), 2), dtype=np.int64)
    kernels.tile_vectors(words, bounds, vectors)
    kernels.tile_folds(words, bounds, channels, folds)
    size = bounds[:, 1] - bounds[:, 0]
    assert (vectors == size).all()
    assert (folds == np.stack([np.ones_like(size), size * (size - 1) // 2], axis=1)).all()
    for first, end in bounds[:20]:
        issued = np.empty((1, channels), dtype=np.int32)
        kernels.issued_outputs(words, np.array([[first, end]]), issued)
        expected = np.zeros(channels)
        expected[first:end] = end - first
        assert (issued == expected).all()


@pytest.mark.kernels
def test_reordered_channels_keep_their_bits(rng: np.random.Generator) -> None:
    values = rng.random((1, 3, 5, 150)) < 0.3
    order = rng.permutation(150)
    words = pixel_words(PackedMap.from_bool(values))
    out, counts = np.empty_like(words), np.empty(150, dtype=np.int64)
    kernels.reorder_channels(words, order, out)
    kernels.channel_counts(words, counts)
    assert (out == pixel_words(PackedMap.from_bool(values[..., order]))).all()
    assert (counts == values.sum(axis=(0, 1, 2))).all()


def test_overlapped_fill_pays_the_ramp_once() -> None:
    # 2 tiles of 2 folds of 4 vectors on 2×2: 4 · max(4, 2) + 2·2 + 2 - 2, counted from cycle 0.
    assert time(array_of("weight-stationary", fill="overlapped")).cycles.total == 4 * 4 + 4 - 1
    assert time(array_of("weight-stationary")).cycles.total == 4 * 8 - 1
    # Output-stationary: 2 tiles of 2 folds, T = 3.
    assert time(array_of("output-stationary", fill="overlapped")).cycles.total == 4 * 3 + 4 - 1


def test_tiles_are_dealt_to_arrays_in_turn() -> None:
    one, two = (time(array_of("weight-stationary", count=count)) for count in (1, 2))
    assert two.cycles.total == 2 * 8 - 1  # a tile on each array
    assert two.active_pes == 2 * one.active_pes
    assert two.counts.dram_reads == one.counts.dram_reads
    masked = time(array_of("weight-stationary", count=2), ["##..", "##..", "##..", "###."])
    assert masked.cycles.total == 2 * 8 - 1  # the second array has one vector in each of its folds, and waits
    assert masked.imbalance == pytest.approx(16 / ((16 + 10) / 2))
    assert len(one.tiles.cycles) == 2 * len(two.tiles.cycles), "what runs side by side is one tile for DRAM"
    for result, outputs in ((one, 16), (two, 16), (masked, 2 * 4 + 2 * 1)):
        assert result.tiles.cycles.sum() == result.cycles.total
        assert result.tiles.outputs.sum() == outputs


def test_a_first_round_without_work_takes_no_time() -> None:
    """4 tiles of 2 filters on 2 arrays, of which only the last two compute anything."""
    shape = replace(SMALL, K=8)
    late = time(array_of("weight-stationary", count=2), ["....####"] * 4, shape=shape)
    assert late.cycles.total == late.tiles.cycles.sum() == 2 * 8 - 1
    assert late.tiles.outputs.sum() == 16


def test_a_dense_stage_takes_the_time_of_its_mapping() -> None:
    """Tiles that are alike are counted as often as there are, on one array and on two."""
    shape = ConvShape("alike", C=3, H=1, W=4, K=24, R=1, S=1)
    for count, rounds in ((1, 12), (2, 6)):
        mapping = map_systolic(shape, array_of("weight-stationary", count=count))
        assert stage_cycles(mapping, dense_work(mapping)).cycles.total == rounds * 2 * 8 - 1


def test_gated_outputs_read_no_words_in_their_last_fold() -> None:
    """3 products in folds of 2 and 1. Of 16 outputs 12 are gated, after two products: 16 · 3 - 12 · 1 MACs."""
    bits = np.zeros((1, 1, 4, 4), dtype=np.bool_)
    bits[..., 1] = True
    arch = arch_of(array_of("weight-stationary"))
    demand = Demand(PackedMap.from_bool(bits), gate=True)
    counts = ENGINE.time_stage(SMALL, arch, ENGINE.map_stages(SMALL, arch)[0], demand).counts
    assert (counts.macs_executed, counts.macs_gated) == (36, 12)
    assert counts.ifmap_spad_reads == counts.filter_spad_reads == 36


def test_options_that_contradict_each_other_are_refused() -> None:
    for options in ({"partial_folds": "shrunk"}, {"drain": "serial"}):
        with pytest.raises(ValidationError, match="fill = overlapped"):
            array_of("output-stationary", fill="overlapped", **options)


def test_arrays_that_the_buffer_cannot_feed_are_refused() -> None:
    arch = arch_of(array_of("output-stationary", 16, 2, count=8), "100 B")
    with pytest.raises(MappingError, match=r"set at least 256 B, or array\.count to at most 3"):
        check_buffer(arch)
    check_buffer(arch_of(array_of("output-stationary", 16, 2, count=3), "100 B"))


def test_an_output_stationary_array_gates_no_outputs() -> None:
    with pytest.raises(PolicyError, match=r"it supports: dense, skip .*; use zap"):
        ENGINES["output-stationary"].served.check("output-stationary", PRESETS["zap-gate"])
    ENGINES["weight-stationary"].served.check("weight-stationary", PRESETS["zap-gate"])
