"""The size law of memories: it never falls, has no steps, and leaves alone what it should."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zapsim.arch.load import load_arch
from zapsim.arch.memory_energy import relative_energy

sizes = st.floats(1, 1e9)


@given(sizes, sizes)
def test_a_larger_memory_never_costs_less(one, other):
    small, large = sorted((one, other))
    assert relative_energy(small, 4096) <= relative_energy(large, 4096)


@given(sizes, st.floats(1.0, 1.01))
def test_a_little_larger_costs_a_little_more(size, growth):
    assert relative_energy(size * growth, size) <= growth * (1 + 1e-9)


@given(sizes, sizes, sizes)
def test_two_steps_are_one(first, second, third):
    assert relative_energy(third, second) * relative_energy(second, first) == pytest.approx(
        relative_energy(third, first), rel=1e-9
    )


@settings(max_examples=15)
@given(st.integers(1, 2000), st.integers(1, 2000))
def test_prices_follow_the_memory_and_nothing_else(filter_words, glb_kib):
    before = load_arch("eyeriss")
    after = load_arch("eyeriss", [f"array.spads.filter={filter_words} words", f"buffers.glb.size={glb_kib} KiB"])
    factors = {
        "filter_spad": relative_energy(filter_words * 2, 224 * 2),
        "glb": relative_energy(glb_kib * 1024, 100 * 1024),
    }
    for action, price in before.prices.items():
        memory = "glb" if action.startswith("mask_bits") else action.rpartition("_")[0]
        assert after.prices[action] == pytest.approx(price * factors.get(memory, 1.0)), action
