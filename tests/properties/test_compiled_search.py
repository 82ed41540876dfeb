"""The compiled mapping search finds what the search in NumPy finds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.reference.row_stationary_cases import layers, mappings, resources
from zapsim.arch.load import load_arch
from zapsim.arrays.row_stationary.bounds import Stages
from zapsim.arrays.row_stationary.compiled_search import compiled_search, tabulate
from zapsim.arrays.row_stationary.limits import check_mappable
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Link, Objective, search, search_prices
from zapsim.arrays.row_stationary.strips import SHARES, Stage, glb_table, strip_table, widest_strip
from zapsim.errors import MappingError
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.reference, pytest.mark.kernels]

PRICES = {"cycles": 5.0, "glb_reads": 6.0, "glb_writes": 6.0, "dram_reads": 200.0, "pe_to_pe_words": 2.0}
PRICES |= {"ifmap_spad_writes": 1.0, "filter_spad_writes": 1.0, "ifmap_bus_words": 2.0, "macs_executed": 1.0}
PRICES |= {"pe_active_cycles": 3.0, "bus_deliveries": 0.5}


@st.composite
def stages_of(draw: st.DrawFn, shape: ConvShape) -> Stages:
    """Draw one or two stages, in all or some of the ofmap rows, with or without a mask."""
    pixels = st.none() | st.lists(st.integers(0, shape.Q), min_size=shape.P, max_size=shape.P).filter(any).map(tuple)
    stage = st.builds(Stage, st.integers(1, SHARES), pixels, st.booleans())
    return tuple(draw(st.lists(stage, min_size=1, max_size=2)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[ConvShape, Resources, Stages]:
    """Draw a layer, its stages, and an array that can map them."""
    shape = draw(layers())
    stages, array = draw(stages_of(shape)), draw(resources(shape, draw(mappings(shape))))
    changes = {"mask_word": draw(st.sampled_from([0, 1, 16])), "compact": draw(st.booleans())}
    array = replace(array, **changes, glb_words=draw(st.integers(1, 3)) * array.glb_words)
    try:
        for stage in stages:
            check_mappable(shape, array, stage)
    except MappingError:
        assume(False)
    return shape, array, stages


word_cycles = st.floats(0, 8, allow_subnormal=False)
links = st.builds(Link, word_cycles, word_cycles, st.booleans(), st.booleans())


@pytest.mark.parametrize("name", ["latency", "energy", "edp"])
@settings(max_examples=15)
@given(case=cases(), link=links)
def test_kernels_find_what_numpy_finds(name: str, case: tuple[ConvShape, Resources, Stages], link: Link) -> None:
    shape, array, stages = case
    objective = Objective(name, tuple(sorted(PRICES.items())), stages, link)
    assert compiled_search(shape, array, objective) == search(shape, array, objective)


@pytest.mark.parametrize("stages", [(Stage(),), (Stage(16), Stage(6))], ids=["dense", "two"])
@pytest.mark.parametrize("name", ["latency", "energy"])
@pytest.mark.parametrize("arch", ["eyeriss", "eyeriss_zap"])
def test_kernels_find_what_numpy_finds_for_large_layers(arch: str, name: str, stages: Stages) -> None:
    spec = load_arch(arch)
    objective = Objective(name, search_prices(spec), stages, Link.of(spec, 0.5))
    for N, C, side, K, taps in ((2, 64, 56, 64, 1), (1, 64, 224, 64, 3), (1, 512, 14, 512, 3), (2, 48, 31, 128, 5)):
        shape = ConvShape("", N=N, C=C, H=side, W=side, K=K, R=taps, S=taps)
        assert compiled_search(shape, Resources.of(spec), objective) == search(shape, Resources.of(spec), objective)


def test_what_was_found_before_changes_nothing() -> None:
    """The search tries the mapping first that it found last for a layer, as far as it fits."""
    spec = load_arch("eyeriss")
    shape, array = ConvShape("", N=2, C=24, H=20, W=20, K=40, R=3, S=3), Resources.of(spec)
    for rows, glb_words, strips in ((12, 60000, 1), (12, 3000, 2), (24, 60000, 1), (3, 3000, 1), (12, 60000, 2)):
        other = replace(array, rows=rows, cols=32, glb_words=glb_words, ifmap_strips=strips)
        for objective in (Objective(), Objective("energy", search_prices(spec), link=Link(0.5, 0.25, True, False))):
            assert compiled_search(shape, other, objective) == search(shape, other, objective)


@pytest.mark.parametrize("price", [-2.0, -500.0])
def test_prices_below_0_are_left_to_numpy(price: float) -> None:
    """An idle PE may cost more than one at work, which then saves energy: bounds are none in the kernels."""
    shape, array = ConvShape("", C=3, H=4, W=4, K=4, R=1, S=1), Resources.of(load_arch("eyeriss"))
    objective = Objective("energy", tuple(sorted((PRICES | {"pe_active_cycles": price}).items())))
    assert compiled_search(shape, array, objective) == search(shape, array, objective, exhaustive=True)


def test_trying_everything_finds_the_same() -> None:
    spec = load_arch("eyeriss")
    shape = ConvShape("", C=12, H=14, W=14, K=24, R=3, S=3)
    pruned, exhaustive = (
        compiled_search(shape, Resources.of(spec), Objective(), exhaustive=exhaustive) for exhaustive in (False, True)
    )
    assert pruned == exhaustive


@given(case=cases())
def test_strips_are_those_of_the_tables(case: tuple[ConvShape, Resources, Stages]) -> None:
    shape, array, stages = case
    strips, widest = tabulate(shape, array, stages), widest_strip(shape, array, stages)
    once = replace(array, ifmap_strips=1, psum_strips=1)
    np.testing.assert_array_equal(strips.glb, np.array(glb_table(shape, once, stages)))
    for number, stage in enumerate(stages):
        table = strip_table(shape, stage.pixels, array.rows_per_column, widest)
        np.testing.assert_array_equal(strips.sums[number], np.array(table[:8]))
        for width in range(widest + 1):
            kinds = strips.kinds[slice(*strips.starts[number, width : width + 2])]
            expected = [
                (*table.sizes[kind, :, width], times) for kind, times in enumerate(table.times[:, width]) if times
            ]
            assert sorted(map(tuple, kinds.tolist())) == sorted(map(tuple, np.array(expected).tolist()))
