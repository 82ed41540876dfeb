"""Row-stationary passes by hand, and what is said about mappings that do not fit."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from tests.builders import counts_with_dram
from tests.published.networks import alexnet
from tests.reference.row_stationary_cases import EYERISS, arch_of, mapping_of
from tests.reference.row_stationary_walker import walk
from zapsim.arch.arrays import PassParameters
from zapsim.arch.load import load_arch
from zapsim.arrays.engine import Demand, StageResult, StageShare
from zapsim.arrays.row_stationary.bounds import Candidates, layer_totals
from zapsim.arrays.row_stationary.limits import check_mappable, check_mapping
from zapsim.arrays.row_stationary.mapping import Resources, sets_beside
from zapsim.arrays.row_stationary.search import Objective, search, search_prices
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.counts import Cycles
from zapsim.energy.model import energy_by_component
from zapsim.errors import MappingError
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

TINY = ConvShape("tiny", C=2, H=3, W=4, K=2, R=2, S=2)
"""2 channels of 3 × 4, 2 filters of 2 × 2: an ofmap of P × Q = 2 × 3."""

TINY_ARRAY = Resources(
    rows=2, cols=2, ifmap_spad=2, filter_spad=4, psum_spad=2, ifmap_bus=2, filter_bus=4, psum_bus=4, glb_words=100
)
TINY_MAPPING = mapping_of(2, 1, 2, 2, 1, 1, 1)
"""One set of 2 × 2 PEs holds both filters (p = 2) and one channel (q = 1): two passes."""


def time(demand: Demand) -> StageResult:
    return RowStationaryEngine().time_stage(TINY, arch_of(TINY_ARRAY), TINY_MAPPING, demand)


def walked(kept: np.ndarray) -> Cycles:
    return Cycles(**walk(TINY, TINY_MAPPING, (2, 4, 4), kept).cycles)


@pytest.mark.kernels
def test_dense_by_hand() -> None:
    """Two alike passes, one a channel.

    compute: F · S · p · q · n = 3 · 2 · 2 = 12 cycles.
    psum: p · e · F = 2 · 2 · 3 = 12 words each way / 4 = 3 cycles; ifmap: 3 rows · 4 columns = 12 / 2 = 6 cycles;
    both are hidden behind compute.
    filter: 2 · 2 · 2 = 8 words / 4 = 2 cycles. ramp: 3 rows · S = 6 words / 2 + p · e = 4 psums / 4 = 3 + 1 cycles.
    Together 12 + 2 + 4 = 18 cycles a pass.
    """
    result = time(Demand())
    assert result.cycles == Cycles(compute=24, filter_load=4, ramp=8)
    assert walked(np.ones((1, 2, 3, 2), dtype=bool)) == result.cycles
    counts = counts_with_dram(result)
    assert counts.macs_executed == TINY.macs == 96
    assert counts.filter_spad_writes == 2 * 8 * 2, "each weight goes to the PEs of both ofmap rows"
    assert counts.ifmap_spad_writes == 2 * (4 + 8 + 4), "the middle row goes to two PEs"
    assert counts.pe_to_pe_words == 2 * 12, "a psum is handed from the first PE of a column to the second"
    assert (counts.glb_reads, counts.glb_writes) == (2 * (12 + 12), 2 * 12)
    assert counts.dram_reads == 16 + 24, "filters, and an ifmap without padding"
    assert result.active_pes == 4


@pytest.mark.kernels
def test_masked_by_hand() -> None:
    """Filter 0 keeps all of row 0, filter 1 nothing of it; row 1 keeps one output of each.

    The PE columns have 3 and 1 + 1 = 2 outputs to compute: the slowest takes 3 · S · q = 6 cycles. 5 psums / 4 = 2
    cycles are hidden behind it; the ifmap's 6 cycles just so. 6 + 2 + 4 = 12 cycles a pass.
    """
    kept = np.zeros((1, 2, 3, 2), dtype=bool)
    kept[0, 0, :, 0] = kept[0, 1, 0, :] = True
    result = time(Demand(PackedMap.from_bool(kept)))
    assert result.cycles == Cycles(compute=12, filter_load=4, ramp=8) == walked(kept)
    assert result.counts.psum_bus_words == 2 * 2 * 5
    assert result.counts.macs_executed == 5 * 8


@pytest.mark.kernels
def test_the_ifmap_bus_limits_a_pass_with_little_left() -> None:
    """One output left: 2 cycles of work after the first windows (3 cycles), and a cycle for psums: 6 cycles.

    The 12 ifmap words, those of the first windows among them, take 6 cycles; with the psums' cycle after them the pass
    takes 7: one cycle of waiting.
    """
    kept = np.zeros((1, 2, 3, 2), dtype=bool)
    kept[0, 0, 0, 0] = True
    result = time(Demand(PackedMap.from_bool(kept)))
    assert result.cycles == Cycles(compute=4, ifmap_bus=2, filter_load=4, ramp=8) == walked(kept)


@pytest.mark.kernels
def test_the_psum_bus_limits_a_pass_of_many_filters() -> None:
    """6 filters of one weight: 12 psums a column, 24 in all, on a bus of one word a cycle.

    Compute takes 2 · 6 = 12 cycles a PE, with 2 cycles for the first windows and 12 for the last psums 26 cycles. Psums
    take 24 cycles, the last ones among them, and begin after the first windows: 26 cycles, nobody waits. With a third
    column of outputs it is 18 + 14 = 32 and 36 + 2 = 38 cycles.
    """
    have = replace(TINY_ARRAY, filter_spad=6, psum_spad=6, ifmap_bus=1, psum_bus=1)
    for columns, waiting in ((2, 0), (3, 6)):
        shape = ConvShape("many", C=1, H=2, W=columns, K=6, R=1, S=1)
        mapping = mapping_of(6, 1, 2, 6, 1, 1, 1)
        cycles = RowStationaryEngine().time_stage(shape, arch_of(have), mapping, Demand()).cycles
        assert cycles == Cycles(compute=6 * columns, psum_bus=waiting, filter_load=2, ramp=14)
        assert cycles == Cycles(**walk(shape, mapping, (1, 4, 1), np.ones((1, 2, columns, 6), dtype=bool)).cycles)


@pytest.mark.parametrize(
    ("e", "r", "sets"), [(7, 1, 2), (14, 1, 1), (13, 1, 1), (27, 1, 1), (28, 1, 1), (29, 1, 0), (7, 2, 0)]
)
def test_sets_that_fit_beside_each_other(e: int, r: int, sets: int) -> None:
    """Five filter rows on 12 × 14 PEs: one fold of 5 rows up to 14 columns, two folds up to 28."""
    expected = {(7, 1): 4, (14, 1): 2, (13, 1): 2, (7, 2): 2}.get((e, r), sets)
    assert sets_beside(EYERISS, 5, np.array(e), np.array(r)) == expected


def fault(shape: ConvShape, *mapping: int, have: Resources = EYERISS) -> str:
    with pytest.raises(MappingError) as caught:
        check_mapping(shape, have, mapping_of(*mapping))
    return str(caught.value)


CONV4 = alexnet(N=4).layers[3]


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ((64, 4, 13, 16, 5, 2, 2), "ifmap spad: q·S needs 15 words, there are 12 (3 too many)"),
        ((40, 4, 13, 20, 4, 2, 2), "filter spad: p·q·S needs 240 words, there are 224 (16 too many)"),
        ((50, 1, 13, 25, 1, 2, 2), "psum spad: p needs 25 words, there are 24 (1 too many)"),
        ((64, 4, 13, 16, 3, 2, 3), "each of r sets of 3×13 PEs, needs 3 groups, there are 2 (1 too many)"),
        ((96, 4, 13, 16, 3, 2, 2), "n·m psum strips needs 70296 words, there are 51200 (19096 too many)"),
        ((50, 4, 13, 16, 3, 2, 2), "m = 50 is not a multiple of the 32 filters (p·t) of a pass"),
    ],
)
def test_a_broken_limit_is_named_with_its_excess(mapping: tuple[int, ...], says: str) -> None:
    message = fault(CONV4, *mapping)
    assert message.startswith("layer CONV4: mapping m=")
    assert says in message


def test_all_broken_limits_are_named() -> None:
    message = fault(CONV4, 600, 4, 13, 30, 5, 2, 10)
    assert all(limit in message for limit in ("ifmap spad", "filter spad", "psum spad", "GLB", "12×14 PEs"))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (
            ConvShape("tall", C=1, H=20, W=20, K=1, R=13, S=3),
            "layer tall cannot be mapped: 13 filter rows R do not fit 12 array rows; it would take at least 13",
        ),
        (
            ConvShape("wide", C=1, H=20, W=20, K=1, R=3, S=13),
            "13 filter columns S do not fit 12 words in the ifmap spad",
        ),
        (ConvShape("huge", C=1, H=3, W=60000, K=1, R=3, S=3), "words of one ifmap strip and one row of psums"),
    ],
)
def test_a_layer_that_fits_no_mapping_says_what_it_takes(shape: ConvShape, says: str) -> None:
    with pytest.raises(MappingError) as caught:
        RowStationaryEngine().map_stages(shape, load_arch("eyeriss"))[0]
    assert says in str(caught.value)


def test_a_pinned_mapping_is_checked() -> None:
    arch = load_arch("eyeriss_alexnet", ["array.mapping.pinned.CONV4.q=5"])
    with pytest.raises(MappingError, match=r"layer CONV4: mapping .*ifmap spad"):
        RowStationaryEngine().map_stages(CONV4, arch)[0]


def test_a_stage_may_be_pinned() -> None:
    pins = [
        f"array.mapping.pinned.CONV4.B.{key}={value}"
        for key, value in zip("mnepqrt", (32, 4, 13, 16, 3, 2, 2), strict=True)
    ]
    pinned, free = load_arch("eyeriss", pins), load_arch("eyeriss")
    stages = StageShare(0.5, name="A"), StageShare(0.2, by_mask=True, name="B")
    (a, b), (best_a, best_b) = (RowStationaryEngine().map_stages(CONV4, arch, stages) for arch in (pinned, free))
    assert (a, b) == (best_a, mapping_of(32, 4, 13, 16, 3, 2, 2))
    assert best_b != b
    assert RowStationaryEngine().map_stages(CONV4, pinned) == RowStationaryEngine().map_stages(CONV4, free)


def test_stages_that_alternate_block_by_block_have_one_mapping() -> None:
    stages = StageShare(0.5, name="A"), StageShare(0.1, by_mask=True, name="B")
    for change in ("predictor.granularity=tile", "array.mapping.stages=together"):
        a, b = RowStationaryEngine().map_stages(CONV4, load_arch("eyeriss", [change]), stages)
        assert a == b
    a, b = RowStationaryEngine().map_stages(CONV4, load_arch("eyeriss"), stages)
    assert a != b


def test_a_pinned_mapping_is_cut_to_what_the_layer_can_use() -> None:
    arch = load_arch("eyeriss_alexnet")
    single = RowStationaryEngine().map_stages(CONV4.batch(1), arch)[0]
    assert single == mapping_of(64, 1, 13, 16, 3, 2, 2)
    few = replace(CONV4, K=40, C=8)
    assert RowStationaryEngine().map_stages(few, arch)[0] == mapping_of(32, 4, 13, 16, 3, 2, 2)


def test_a_layers_name_does_not_matter_to_the_search() -> None:
    engine, arch = RowStationaryEngine(), load_arch("eyeriss")
    engine.map_stages(CONV4, arch)[0]
    before = search.cache_info().hits
    engine.map_stages(replace(CONV4, name="another"), arch)[0]
    assert search.cache_info().hits == before + 1


def test_a_systolic_array_is_refused() -> None:
    with pytest.raises(MappingError, match=r"array\.dataflow: expected 'row-stationary', got"):
        RowStationaryEngine().map_stages(CONV4, load_arch("systolic_16x16"))[0]


@pytest.mark.kernels
@pytest.mark.parametrize(
    "shape",
    [
        ConvShape("depthwise", C=32, H=56, W=56, K=32, R=3, S=3, padding=(1, 1, 1, 1), groups=32),
        ConvShape("pointwise", C=64, H=56, W=56, K=128, R=1, S=1, stride=(2, 2)),
        ConvShape("fully connected", N=4, C=4096, H=1, W=1, K=1000, R=1, S=1),
        ConvShape("dilated", C=16, H=40, W=40, K=16, R=3, S=3, dilation=(4, 4), padding=(4, 4, 4, 4)),
        ConvShape("one by seven", C=16, H=17, W=17, K=16, R=1, S=7, padding=(0, 0, 3, 3)),
    ],
)
def test_every_kind_of_layer_is_mapped(shape: ConvShape) -> None:
    engine, arch = RowStationaryEngine(), load_arch("eyeriss")
    mapping = engine.map_stages(shape, arch)[0]
    result = engine.time_stage(shape, arch, mapping, Demand())
    assert isinstance(mapping, PassParameters)
    assert result.counts.macs_executed == shape.macs
    assert result.cycles.compute * result.active_pes >= shape.macs
    assert result.active_pes <= 168


@pytest.mark.kernels
@pytest.mark.slow
def test_counts_near_the_largest_are_exact() -> None:
    """2**52 MACs: 2**20 filters, 2**20 channels, 64 × 64 outputs of a 1 × 1 filter."""
    shape = ConvShape("large", C=2**20, H=64, W=64, K=2**20, R=1, S=1)
    engine, arch = RowStationaryEngine(), load_arch("eyeriss")
    counts = engine.time_stage(shape, arch, engine.map_stages(shape, arch)[0], Demand()).counts
    assert counts.macs_executed == 2**52
    assert counts.ifmap_spad_reads == 2**52
    assert counts.filter_bus_words >= 2**40


def test_a_mapping_s_energy_is_what_results_say_of_it() -> None:
    """Idle PEs and control too: the search counts them by the cycles and the active PEs that they follow from."""
    shape = ConvShape("layer", C=8, H=10, W=10, K=12, R=3, S=3, padding=(1, 1, 1, 1))
    prices = ["energy.actions.pe_idle_cycles=0.7 pJ", "array.mapping.objective=energy", "energy.include_dram=false"]
    arch = load_arch("eyeriss", prices)
    have, engine = Resources.of(arch), RowStationaryEngine()
    found = []
    for n, e, p, q, r, t in ((1, 5, 4, 2, 1, 2), (1, 10, 6, 2, 1, 1), (1, 2, 12, 4, 2, 1)):
        mapping = PassParameters(m=12, n=n, e=e, p=p, q=q, r=r, t=t)
        result = engine.time_stage(shape, arch, mapping, Demand())
        fixed = ("macs_executed", "ifmap_spad_reads", "filter_spad_reads", "psum_spad_reads", "psum_spad_writes")
        moving = result.counts.but(**dict.fromkeys(fixed, 0))
        energy = sum(energy_by_component(arch, moving, result.cycles.total).values())
        of = Candidates(*(np.array([value]) for value in (n, e, p, q, r, t)))
        score = Objective("energy", search_prices(arch)).score(layer_totals(shape, have, of))[0]
        assert score == pytest.approx(energy)
        found.append(energy)
    assert len(set(found)) == 3


def test_a_pinned_mapping_of_a_layer_that_cannot_be_mapped_is_not_what_is_wrong() -> None:
    tall = ConvShape("tall", C=1, H=20, W=20, K=1, R=13, S=3)
    arch = arch_of(EYERISS, {"tall": mapping_of(1, 1, 1, 1, 1, 1, 1)})
    with pytest.raises(MappingError) as caught:
        RowStationaryEngine().map_stages(tall, arch)
    assert str(caught.value) == (
        "layer tall cannot be mapped: 13 filter rows R do not fit 12 array rows; it would take at least 13"
    )


def test_of_equally_fast_mappings_the_one_that_moves_the_fewest_words_is_not_passed_over() -> None:
    """The bound of many of this layer's mappings is exact, so the best one has the bound of others."""
    shape, array = ConvShape("", C=19, H=3, W=8, K=12, R=1, S=1), Resources.of(load_arch("eyeriss"))
    assert search(shape, array, Objective()) == search(shape, array, Objective(), exhaustive=True)


def test_memory_is_that_of_different_strips() -> None:
    """A tall filter on a tall map takes no memory for every row of the one and every row of the other (19 GB)."""
    tall, array = ConvShape("tall", C=1, H=100_000, W=1, K=4, R=50_000, S=1), Resources.of(load_arch("eyeriss"))
    tracemalloc.start()
    try:
        with pytest.raises(MappingError, match=r"^layer tall cannot be mapped: 50000 filter rows R do not fit 12"):
            check_mappable(tall, array)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20
