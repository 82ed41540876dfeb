"""Quantities: exact for every number that is written, and never anything but a UnitError for other text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zapsim import units
from zapsim.errors import UnitError

PARSERS = [
    units.parse_size, units.parse_width, units.parse_words, units.parse_cycles,
    units.parse_frequency, units.parse_bandwidth, units.parse_energy,
]  # fmt: skip
SCALES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@given(st.integers(0, 10**6), st.sampled_from(sorted(SCALES)))
def test_sizes_are_exact(count, unit):
    assert units.parse_size(f"{count} {unit}") == count * SCALES[unit]


@given(st.decimals(0, 10**6, places=3), st.sampled_from(["pJ", "nJ", "fJ"]))
def test_energies_are_the_nearest_float(number, unit):
    scale = {"pJ": Decimal(1), "nJ": Decimal(1000), "fJ": Decimal("0.001")}[unit]
    assert units.parse_energy(f"{number:f} {unit}") == float(number * scale)


@pytest.mark.parametrize("parse", PARSERS)
@given(value=st.text() | st.integers() | st.floats() | st.none() | st.from_regex(r"[-+0-9._eE]{1,8} ?[A-Za-z/]{1,5}"))
def test_anything_else_is_a_unit_error_on_one_line(parse, value):
    message = ""
    try:
        assert 0 <= parse(value) < 2**53
    except UnitError as error:
        message = str(error)
    assert not message or message.isprintable()


@given(st.floats(0, 1e18), st.floats(1, 1e3))
def test_formatted_energies_read_back(energy_pj, factor):
    number, unit = units.format_energy(energy_pj * factor).split()
    scale = {"pJ": 1, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12}[unit]
    assert float(number) * scale == pytest.approx(energy_pj * factor, rel=0.006, abs=0.006)
