"""Prices that follow the size of a memory: how they are written, kept, noted and hashed."""

import pytest

from zapsim.arch.document import Document
from zapsim.arch.load import load_arch, read_arch
from zapsim.arch.memory_energy import MemorySize, Price, relative_energy
from zapsim.arch.variants import Variants
from zapsim.arrays.engine_inputs import engine_inputs
from zapsim.cli import main
from zapsim.errors import ConfigError


def test_by_hand():
    """Registers: 0.0967 + 0.001879 per byte, 24 B 0.1418, 448 B 0.9385. SRAM: twice the size is 2 ** 0.617."""
    assert relative_energy(448, 24) == pytest.approx(0.9385 / 0.1418, rel=1e-3)
    assert relative_energy(2**20, 2**19) == pytest.approx(1.5337, rel=1e-4)
    assert relative_energy(2048, 512) == 1.0, "the largest register file costs as much as the smallest SRAMs"


def test_a_price_says_its_size():
    price = Price.parse(" 9.06 pJ at 100 KiB ")
    assert (price, price.size) == (9.06, MemorySize(100 * 1024, "B"))
    assert Price.parse("1 nJ at 224 words").size == MemorySize(224, "words")
    assert Price.parse("2 pJ").size is None
    assert [str(MemorySize(*size)) for size in ((2**20, "B"), (1000, "B"), (12, "words"))] == [
        "1 MiB",
        "1000 B",
        "12 words",
    ]


def test_half_a_buffer_costs_less_and_says_so():
    arch = load_arch("eyeriss", ["buffers.glb.size=50 KiB"])
    factor = 0.5**0.617
    assert arch.prices["glb_reads"] == pytest.approx(9.06 * factor)
    assert arch.prices["mask_bits_read"] == pytest.approx(0.57 * factor)
    assert arch.prices["filter_spad_reads"] == 1.74
    assert arch.energy_note == "energy of glb × 0.652 by the size law (50 KiB, not 100 KiB)"
    assert arch.hash != load_arch("eyeriss", ["buffers.glb.size=50 KiB", "energy.actions.glb_reads=9.06 pJ"]).hash


def test_a_price_without_a_size_is_kept():
    kept = ["energy.actions.glb_reads=9 pJ", "energy.actions.glb_writes=9 pJ"]
    arch = load_arch("eyeriss", ["buffers.glb.size=50 KiB", *kept])
    assert (arch.prices["glb_reads"], arch.energy_note) == (9, "")
    fixed = load_arch("eyeriss", ["buffers.glb.size=50 KiB", "energy.actions.glb_reads=5 pJ at 50 KiB"])
    assert fixed.prices["glb_reads"] == 5


def test_other_words_change_no_size():
    assert load_arch("eyeriss", ["word=8 bit"]).resized == {}


def test_the_law_comes_before_the_scale():
    nodes = {"method": "linear", "from_node": "65 nm", "from_voltage": "1 V", "to_node": "130 nm", "to_voltage": "1 V"}
    scale = [f"energy.scale.{key}={value}" for key, value in nodes.items()]
    arch = load_arch("eyeriss", ["buffers.glb.size=50 KiB", *scale])
    assert arch.prices["glb_reads"] == pytest.approx(9.06 * 0.5**0.617 * 2)
    assert "by the size law" in arch.energy_note
    assert arch.energy_note.endswith("not measured")


def test_beyond_the_figures_the_note_warns():
    note = load_arch("tpu_128x128", ["buffers.glb.size=120 MiB"]).energy_note
    assert note.endswith("by the size law (120 MiB, not 16 MiB), outside of its range of 24 B to 100 MB")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("macs_executed=1 pJ at 4 KiB", "this architecture has no such memory with a size, so leave out 'at 4 KiB'"),
        ("glb_reads=1 pJ at 0 KiB", "expected a size after 'at' that is more than 0, got '0 KiB'"),
        ("glb_reads=1 pJ at large", "expected a size such as '108 KiB', got 'large'"),
        ("glb_reads=1 pJ at 1 KiB at 2 KiB", "expected an energy and one size such as '9 pJ at 100 KiB', got"),
        ("glb_reads=at 2 KiB", "expected an energy such as '2.2 pJ', got"),
    ],
)
def test_faults(change, fault):
    with pytest.raises(ConfigError) as caught:
        load_arch("eyeriss", [f"energy.actions.{change}"])
    assert f"energy.actions.{change.partition('=')[0]}: {fault}" in str(caught.value)


def test_registers_of_a_systolic_array_have_no_size():
    with pytest.raises(ConfigError, match="no such memory with a size"):
        load_arch("systolic_16x16", ["energy.actions.psum_spad_reads=1 pJ at 12 words"])


def test_designs_of_a_sweep_follow_their_buffer():
    document, file = read_arch("eyeriss")
    assert isinstance(document, Document)
    eyeriss = Variants(document, file)
    large = eyeriss.spec([eyeriss.patch("buffers.glb.size", "200 KiB", "here")])
    assert large.prices["glb_reads"] == pytest.approx(9.06 * 2**0.617)
    other = eyeriss.spec([eyeriss.patch("energy.actions.glb_reads", "9.06 pJ at 50 KiB", "here")])
    assert engine_inputs(other).to_map != engine_inputs(eyeriss.base).to_map, "mappings for least energy may differ"


def test_area_says_what_the_law_did(capsys):
    assert main(["area", "--arch", "eyeriss", "--set", "array.spads.filter=112 words"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "eyeriss: energy of filter spad × 0.552 by the size law (112 words, not 224 words)" in lines
