"""Quantities with units: those that are accepted, those that are refused with their messages, and texts for results."""

import pytest

from zapsim import units
from zapsim.errors import UnitError

SIZE = "expected a size such as '108 KiB', got"
SIZES = "(units: B, kB, MB, GB, KiB, MiB, GiB)"


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_size, "108 KiB", 108 * 1024),
        (units.parse_size, "108KiB", 108 * 1024),
        (units.parse_size, " 1 kB ", 1000),
        (units.parse_size, "0.5 KiB", 512),
        (units.parse_size, "1_024 B", 1024),
        (units.parse_size, "2 MiB", 2 * 2**20),
        (units.parse_size, "1.5 GB", 1_500_000_000),
        (units.parse_size, "0 B", 0),
        (units.parse_width, "16 bit", 16),
        (units.parse_width, "8 bits", 8),
        (units.parse_words, "224 words", 224),
        (units.parse_words, "1 word", 1),
        (units.parse_cycles, "8 cycles", 8),
        (units.parse_cycles, "1 cycle", 1),
        (units.parse_frequency, "200 MHz", 200e6),
        (units.parse_frequency, "1.2e3 kHz", 1.2e6),
        (units.parse_frequency, "+2 GHz", 2e9),
        (units.parse_bandwidth, "480 MB/s", 480e6),
        (units.parse_bandwidth, "1 KiB/s", 1024.0),
        (units.parse_energy, "2.2 pJ", 2.2),
        (units.parse_energy, "90 fJ", 0.09),
        (units.parse_energy, "19.5 nJ", 19500.0),
        (units.parse_area, "1240 um2", 1240.0),
        (units.parse_area, "1.5 µm²", 1.5),
        (units.parse_area, "0.25 mm2", 250e3),
        (units.parse_area, "2 mm²", 2e6),
    ],
)
def test_quantities(parse, text, value):
    parsed = parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (units.parse_size, "108K", f"{SIZE} '108K' {SIZES}"),
        (units.parse_size, "108 kib", f"{SIZE} '108 kib' {SIZES}"),
        (units.parse_size, "108", f"{SIZE} '108' {SIZES}"),
        (units.parse_size, "KiB", f"{SIZE} 'KiB' {SIZES}"),
        (units.parse_size, "", f"{SIZE} '' {SIZES}"),
        (units.parse_size, "1.2.3 KiB", f"{SIZE} '1.2.3 KiB' {SIZES}"),
        (units.parse_size, "1__0 KiB", f"{SIZE} '1__0 KiB' {SIZES}"),
        (units.parse_size, "1,024 KiB", f"{SIZE} '1,024 KiB' {SIZES}"),
        (units.parse_size, "\u0661 KiB", f"{SIZE} '\u0661 KiB' {SIZES}"),  # an Arabic-Indic 1
        (units.parse_size, "1e9999 KiB", f"{SIZE} '1e9999 KiB' {SIZES}"),
        (units.parse_size, 108, f"{SIZE} 108 {SIZES}"),
        (units.parse_size, True, f"{SIZE} true {SIZES}"),
        (units.parse_size, None, f"{SIZE} nothing {SIZES}"),
        (units.parse_size, float("nan"), f"{SIZE} nan {SIZES}"),
        (units.parse_size, "-1 KiB", f"{SIZE} '-1 KiB', which is negative"),
        (units.parse_size, "1e300 B", f"{SIZE} '1e300 B', which is out of range"),
        (units.parse_size, f"{2**53} B", f"{SIZE} '{2**53} B', which is out of range"),
        (units.parse_size, "0.3 B", f"{SIZE} '0.3 B', which is not a whole B"),
        (units.parse_width, "16 B", "expected a width such as '16 bit', got '16 B' (units: bit, bits)"),
        (units.parse_width, "1.5 bit", "expected a width such as '16 bit', got '1.5 bit', which is not a whole bit"),
        (units.parse_words, "3 bit",
         "expected a capacity in words such as '224 words', got '3 bit' (units: word, words)"),
        (units.parse_cycles, "8 ns",
         "expected a latency in cycles such as '8 cycles', got '8 ns' (units: cycle, cycles)"),
        (units.parse_frequency, "200 Mhz", "expected a frequency such as '200 MHz', got '200 Mhz' "
         "(units: Hz, kHz, MHz, GHz)"),
        (units.parse_bandwidth, "480 MB", "expected a bandwidth such as '480 MB/s', got '480 MB' "
         "(units: B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s)"),
        (units.parse_energy, "2 J", "expected an energy such as '2.2 pJ', got '2 J' (units: fJ, pJ, nJ)"),
    ],
)  # fmt: skip
def test_invalid_quantities(parse, value, message):
    with pytest.raises(UnitError) as caught:
        parse(value)
    assert str(caught.value) == message


def test_a_long_number_is_refused_at_once():
    with pytest.raises(UnitError):
        units.parse_size("1" * 100_000 + "!")


@pytest.mark.parametrize(
    ("energy_pj", "text"),
    [
        (0, "0.00 pJ"),
        (2.5, "2.50 pJ"),
        (999.99, "999.99 pJ"),
        (999.999, "1.00 nJ"),
        (2.5e6, "2.50 µJ"),
        (-2.5e6, "-2.50 µJ"),
        (3e9, "3.00 mJ"),
        (4e15, "4000.00 J"),
    ],
)
def test_format_energy(energy_pj, text):
    assert units.format_energy(energy_pj) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 ns"), (5e-9, "5.00 ns"), (5e-6, "5.00 µs"), (0.0165, "16.50 ms"), (1.0, "1.00 s"), (5000, "5000.00 s")],
)
def test_format_time(seconds, text):
    assert units.format_time(seconds) == text
