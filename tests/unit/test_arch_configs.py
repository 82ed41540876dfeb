"""The shipped architecture files: loadable, complete, every number with its source."""

import pytest
import yaml

from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.arch.tables import ENERGY_ACTIONS
from zapsim.shipped import shipped_folder

NEED_NO_SOURCE = {"name", "description"}


def leaves(tree: dict, above: str = "") -> list[str]:
    """Return the dotted path of every value that differs from its default (or has none)."""
    found = []
    for key, value in tree.items():
        path = f"{above}{key}"
        found += leaves(value, f"{path}.") if isinstance(value, dict) else [path]
    return found


@pytest.fixture(params=known_archs())
def arch(request: pytest.FixtureRequest) -> ArchSpec:
    return load_arch(request.param)


def test_every_value_has_a_source(arch):
    written = leaves(arch.model_dump(exclude={"sources"}, exclude_unset=True))
    assert [path for path in written if path not in arch.sources and path not in NEED_NO_SOURCE] == []


def test_every_source_belongs_to_a_value(arch):
    written = leaves(arch.model_dump(exclude={"sources"}, exclude_unset=True))
    assert set(arch.sources) <= set(written)


def test_every_action_has_an_energy(arch):
    assert set(arch.energy.actions) == set(ENERGY_ACTIONS)


def test_name_is_the_file_s(arch, request):
    assert arch.name == request.node.callspec.params["arch"]
    assert arch.description


def test_nothing_but_names_and_sources_leaves_the_hash_alone(arch):
    renamed = load_arch(arch.name, ["name=other", "description=other"])
    assert renamed.hash == arch.hash
    assert load_arch(arch.name, ["word=12 bit"]).hash != arch.hash


def test_eyeriss_is_the_chip():
    arch = load_arch("eyeriss")
    array = arch.array
    assert (array.rows, array.cols, arch.clock, arch.word) == (12, 14, 200e6, 16)
    assert (array.spads.ifmap, array.spads.filter, array.spads.psum) == (12, 224, 24)
    assert (array.buses.ifmap, array.buses.filter, array.buses.psum) == (1, 4, 4)
    assert (arch.buffers.glb.size, arch.dram.bandwidth) == (25 * 512 * 8, 60e6 * 64 / 8)
    assert (arch.inputs, arch.dram.compression) == ("gate", "rlc")


def test_alexnet_mappings_are_the_published_ones_but_for_conv3():
    pinned = load_arch("eyeriss_alexnet").array.mapping.pinned
    assert {name: tuple(getattr(pin, key) for key in "mnepqrt") for name, pin in pinned.items()} == {
        "CONV1": (96, 1, 7, 16, 1, 1, 2),
        "CONV2": (64, 1, 27, 16, 2, 1, 1),
        "CONV3": (64, 4, 13, 16, 3, 2, 2),
        "CONV4": (64, 4, 13, 16, 3, 2, 2),
        "CONV5": (64, 4, 13, 16, 3, 2, 2),
    }


def test_energies_keep_the_published_order():
    energy = load_arch("eyeriss").energy.actions
    order = ["macs_executed", "psum_spad_reads", "pe_to_pe_words", "glb_reads", "dram_reads"]
    assert sorted(order, key=energy.__getitem__) == order


def test_words_hold_what_their_bits_say():
    assert load_arch("eyeriss").word_bytes == 2.0
    assert load_arch("eyeriss", ["word=12 bit"]).word_bytes == 1.5


def test_files_have_no_long_lines_or_tabs():
    for path in shipped_folder("arch_configs").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "\t" not in text
        assert max(map(len, text.splitlines())) <= 120, path.name
        assert yaml.safe_load(text)["description"]
