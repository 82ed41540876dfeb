"""Load balance: what is reported, and what the order of filters changes."""

import numpy as np
import pytest

from tests.builders import arch as priced_arch
from tests.builders import counts_with_dram, random_layer
from tests.reference.row_stationary_cases import EYERISS, arch_of, mapping_of
from zapsim.arch.arrays import PassParameters
from zapsim.arch.policy import PRESETS
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.filter_order import by_density, dealt_evenly
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.timing import RowStationaryEngine, work_per_pass
from zapsim.errors import MappingError
from zapsim.simulation import run_layer
from zapsim.timing.stages import stage_demands, stage_shares
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = pytest.mark.kernels

SHAPE = ConvShape("x", N=2, C=4, H=6, W=6, K=22, R=3, S=3, groups=2)
MAPPING = mapping_of(6, 1, 4, 2, 2, 1, 3)
ENGINE = RowStationaryEngine()


def arch(balance: str, have: Resources = EYERISS) -> ArchSpec:
    plain = arch_of(have)
    return plain.model_copy(update={"array": plain.array.model_copy(update={"balance": balance})})


@pytest.fixture
def kept(rng: np.random.Generator) -> np.ndarray:
    """Return a mask whose filters have very different densities."""
    return rng.random((2, 4, 4, 22)) < rng.random(22)


def row_counts(kept: np.ndarray) -> np.ndarray:
    return kept.sum(axis=2).astype(np.int32)


def test_imbalance_by_hand() -> None:
    """Two PE columns with 4 and 2 outputs: the slowest has 4, the mean is 3."""
    shape = ConvShape("x", C=1, H=2, W=4, K=1, R=1, S=1)
    mask = np.ones((1, 2, 4, 1), dtype=bool)
    mask[0, 1, 2:] = False
    result = ENGINE.time_stage(shape, arch("none"), mapping_of(1, 1, 2, 1, 1, 1, 1), Demand(PackedMap.from_bool(mask)))
    assert result.imbalance == pytest.approx(4 / 3)
    assert ENGINE.time_stage(shape, arch("none"), mapping_of(1, 1, 2, 1, 1, 1, 1), Demand()).imbalance == 1


def test_sorting_is_a_permutation_within_groups(kept: np.ndarray) -> None:
    order = by_density(SHAPE, MAPPING, row_counts(kept))
    assert sorted(order[:11]) == list(range(11))
    assert sorted(order[11:]) == list(range(11, 22))


def test_passes_get_filters_of_like_density_and_columns_share_them(kept: np.ndarray) -> None:
    order = by_density(SHAPE, MAPPING, row_counts(kept))[:11]
    found = kept.sum(axis=(0, 1, 2))[order]
    assert found[:6].min() >= found[6:].max(), "the first pass has the 6 densest filters"
    densest_first = np.sort(found[:6])[::-1]
    columns = found[:6].reshape(3, 2)
    assert [set(column) for column in columns.tolist()] == [
        {densest_first[0], densest_first[5]},
        {densest_first[1], densest_first[4]},
        {densest_first[2], densest_first[3]},
    ]


def test_sorting_equals_a_permuted_mask(kept: np.ndarray) -> None:
    order = by_density(SHAPE, MAPPING, row_counts(kept))
    plain = work_per_pass(SHAPE, MAPPING, PackedMap.from_bool(kept[..., order]))
    for found, expected in zip(
        work_per_pass(SHAPE, MAPPING, PackedMap.from_bool(kept), "filter-sort"), plain, strict=True
    ):
        assert (found == expected).all()


def test_sorting_lowers_imbalance_and_changes_no_macs(kept: np.ndarray) -> None:
    demand = Demand(PackedMap.from_bool(kept))
    plain, sorted_ = (ENGINE.time_stage(SHAPE, arch(how), MAPPING, demand) for how in ("none", "filter-sort"))
    assert sorted_.imbalance < plain.imbalance
    assert sorted_.counts.macs_executed == plain.counts.macs_executed


def test_sorting_leaves_the_dense_layer_alone() -> None:
    full = Demand(PackedMap.full(2, 4, 4, 22))
    assert ENGINE.time_stage(SHAPE, arch("filter-sort"), MAPPING, full) == ENGINE.time_stage(
        SHAPE, arch("none"), MAPPING, Demand()
    )


def paired_work(mask: np.ndarray, e: int) -> tuple[int, int]:
    shape = ConvShape("x", C=1, H=mask.shape[1], W=mask.shape[2], K=1, R=1, S=1)
    found = work_per_pass(shape, mapping_of(1, 1, e, 1, 1, 1, 1), PackedMap.from_bool(mask), "row-pairing")
    busiest, total = (one.item() for one in found)
    return busiest, total


def test_rows_of_both_halves_are_paired() -> None:
    """Rows with 4, 3, 2 and 1 outputs: one column does 4 + 2, the other 3 + 1."""
    mask = np.tril(np.ones((4, 4), dtype=bool))[np.newaxis, ::-1, :, np.newaxis]
    assert paired_work(mask, 4) == (6, 10)
    assert paired_work(mask[:, :3], 3) == (6, 9), "4 + 2, and the middle row alone"


def test_a_paired_dense_layer_by_hand() -> None:
    """One pass: 5 rows on 3 columns of 3 PEs, of which one works on the middle row alone."""
    shape = ConvShape("x", C=1, H=7, W=6, K=1, R=3, S=3)
    mapping = mapping_of(1, 1, 5, 1, 1, 1, 1)
    plain, paired = (ENGINE.time_stage(shape, arch(how), mapping, Demand()) for how in ("none", "row-pairing"))
    assert (plain.active_pes, paired.active_pes) == (15, 9)
    assert (plain.cycles.compute, paired.cycles.compute) == (3 * 4, 3 * 4 * 2)
    assert paired.imbalance == pytest.approx(6 / 5)
    rows_plain, rows_paired = 7, 5 + 4  # the second turn reads two rows again
    assert plain.counts.ifmap_bus_words == rows_plain * 6
    assert paired.counts.ifmap_bus_words == rows_paired * 6
    assert paired.counts.filter_spad_writes == 9 * 3 < plain.counts.filter_spad_writes == 9 * 5
    assert paired.cycles.ramp == 5 * 3 + 1, "windows of the first turn, psums of three columns"
    for action in ("macs_executed", "psum_bus_words", "ifmap_spad_writes", "dram_reads", "pe_to_pe_words"):
        paired_count, plain_count = (getattr(counts_with_dram(stage), action) for stage in (paired, plain))
        assert paired_count == plain_count, action


def test_a_paired_set_is_half_as_wide() -> None:
    wide = dict(zip(("none", "row-pairing"), (Resources.of(arch(how)) for how in ("none", "row-pairing")), strict=True))
    shape = ConvShape("x", C=1, H=30, W=6, K=1, R=3, S=3)
    of = mapping_of(2, 1, 28, 1, 1, 1, 2)
    check_mapping(shape, wide["row-pairing"], mapping_of(4, 1, 28, 1, 1, 1, 4))
    check_mapping(shape, wide["none"], of)
    with pytest.raises(MappingError, match="3×28 PEs, needs 4 groups, there are 2"):
        check_mapping(shape, wide["none"], mapping_of(4, 1, 28, 1, 1, 1, 4))


def test_pairing_lowers_imbalance_of_a_picture_with_sky() -> None:
    """The upper half of the map is nearly empty: whoever has one of its rows waits."""
    shape = ConvShape("x", C=1, H=8, W=20, K=1, R=1, S=1)
    mask = np.random.default_rng(1).random((1, 8, 20, 1)) < np.linspace(0.0, 1.0, 8)[:, np.newaxis, np.newaxis]
    demand = Demand(PackedMap.from_bool(mask))
    plain, paired = (
        ENGINE.time_stage(shape, arch(how), mapping_of(1, 1, 8, 1, 1, 1, 1), demand) for how in ("none", "row-pairing")
    )
    assert plain.imbalance > 1.6
    assert paired.imbalance < 1.4


def test_a_layer_and_a_network_say_how_uneven_they_are(rng: np.random.Generator) -> None:
    layer = random_layer(rng, SHAPE, density=0.4, miss=0.0)
    spec = priced_arch("row-stationary")
    outcome = run_layer(spec, layer, PRESETS["zap"])
    demands = stage_demands(spec, layer, PRESETS["zap"], layer.mask)
    mappings = ENGINE.map_stages(SHAPE, spec, stage_shares(SHAPE, demands))
    first, second = (
        ENGINE.time_stage(SHAPE, spec, mapping, demand) for mapping, demand in zip(mappings, demands, strict=True)
    )
    compute = (first.cycles.compute, second.cycles.compute)
    balanced = compute[0] / first.imbalance + compute[1] / second.imbalance
    assert 1 < outcome.cycles.imbalance_ratio == pytest.approx(sum(compute) / balanced, rel=0.02)  # whole cycles
    dense = run_layer(spec, layer, PRESETS["dense"])
    assert dense.cycles.imbalance_ratio >= 1
    both = dense + outcome
    ratios = sorted(one.cycles.imbalance_ratio for one in (dense, both, outcome))
    assert ratios[0] < ratios[1] == both.cycles.imbalance_ratio < ratios[2]


@pytest.mark.parametrize(
    ("outputs", "order"),
    [
        # Four columns of two passes: 8 + 1, 7 + 2, 6 + 3, 5 + 4 outputs.
        ([8, 7, 6, 5, 4, 3, 2, 1], [0, 7, 1, 6, 2, 5, 3, 4]),
        # The second pass has two filters, a column each: 6 + 1, 5 + 2, 4, 3.
        ([6, 5, 4, 3, 2, 1], [0, 5, 1, 4, 2, 3]),
        # What has no output follows in a pass of its own.
        ([0, 3, 0, 1, 2, 4, 0, 0], [5, 3, 1, 4, 0, 2, 6, 7]),
    ],
)
def test_filters_are_dealt_to_and_fro_over_the_columns(outputs: list[int], order: list[int]) -> None:
    shape = ConvShape("dealt", C=1, H=1, W=8, K=len(outputs), R=1, S=1)
    mapping = PassParameters(m=4, n=1, e=1, p=2, q=1, r=1, t=2)
    rows = np.array(outputs, dtype=np.int32).reshape(1, 1, -1)
    assert dealt_evenly(shape, mapping, rows).tolist() == order
