"""Load balance: what is reported, and what the order of filters changes."""

import numpy as np
import pytest

from tests.reference.row_stationary_cases import EYERISS, arch_of, mapping_of
from zapsim.arch.spec import ArchSpec
from zapsim.mapping.row_stationary import Resources
from zapsim.timing.engine import Demand
from zapsim.timing.row_stationary import RowStationaryEngine, work_per_pass
from zapsim.timing.row_stationary_balance import by_density
from zapsim.trace.packed import PackedMap
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
