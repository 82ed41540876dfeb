"""Variants of an architecture: what a file with the changes would give, value by value."""

import pickle

import pytest

from tests.builders import ARRAYS, arch
from zapsim.arch.load import load_arch, read_arch
from zapsim.arch.variants import Variants, value_at
from zapsim.errors import ConfigError


@pytest.fixture(scope="module")
def eyeriss():
    return Variants(*read_arch("eyeriss"))


def test_a_variant_is_what_set_gives(eyeriss):
    changes = {"array.rows": 16, "buffers.glb.size": "64 KiB", "energy.actions.dram_reads": "1 nJ", "inputs": "dense"}
    patches = [eyeriss.patch(path, value, "here") for path, value in changes.items()]
    expected = load_arch("eyeriss", [f"{path}={value}" for path, value in changes.items()])
    assert eyeriss.spec(patches).hash == expected.hash
    assert eyeriss.base.hash == load_arch("eyeriss").hash


def test_variants_do_not_see_each_other(eyeriss):
    before = eyeriss.spec([]).hash
    eyeriss.spec([eyeriss.patch("array.spads.psum", "12 words", "here")])
    assert eyeriss.spec([]).hash == before == eyeriss.base.hash


def test_the_later_patch_wins(eyeriss):
    patches = [eyeriss.patch("array", {"rows": 3, "cols": 4}, "here"), eyeriss.patch("array.cols", 5, "here")]
    assert (eyeriss.spec(patches).array.rows, eyeriss.spec(patches).array.cols) == (3, 5)
    assert eyeriss.spec(patches[::-1]).array.cols == 4


def test_sections_that_variants_share_are_checked_once(eyeriss):
    wide, narrow = (eyeriss.spec([eyeriss.patch("array.cols", cols, "here")]) for cols in (9, 5))
    assert wide.energy is narrow.energy
    assert wide.array.cols == 9
    assert narrow.array.cols == 5
    assert eyeriss.spec([eyeriss.patch("array.cols", 9, "here")]).array is wide.array


def test_what_is_removed_is_removed_in_another_process(eyeriss):
    patch = eyeriss.patch("buffers.filters", None, "here")
    there, same = pickle.loads(pickle.dumps((eyeriss, patch)))
    assert same == patch
    assert there.spec([same]).hash == eyeriss.spec([patch]).hash != eyeriss.base.hash


def test_changed_is_the_base_of_others(eyeriss):
    narrow = eyeriss.changed("array.cols", 7, "here")
    assert narrow.base.array.cols == narrow.spec([narrow.patch("array.rows", 3, "here")]).array.cols == 7


def test_faults(eyeriss):
    with pytest.raises(ConfigError) as found:
        eyeriss.patch("array.rows.x", 3, "here")
    assert found.value.faults == ("array.rows.x: array.rows is a value, not a section",)
    with pytest.raises(ConfigError) as found:
        eyeriss.spec([eyeriss.patch("array.rows", 0, "here"), eyeriss.patch("clock", "3", "here")])
    assert found.value.faults[0] == "array.rows: expected at least 1, got 0"
    assert found.value.faults[1].startswith("clock: expected a frequency")


def test_values_by_path(eyeriss):
    assert value_at(eyeriss.base, ["buffers", "glb", "size"]) == 100 * 1024
    assert value_at(eyeriss.base, ["energy", "actions", "dram_reads"]) == eyeriss.base.energy.actions["dram_reads"] > 0
    pinned = {"conv1.1": dict.fromkeys("mnepqrt", 1)}
    spec = arch(array={"dataflow": "row-stationary", **ARRAYS["row-stationary"], "mapping": {"pinned": pinned}})
    assert value_at(spec, ["array", "mapping", "pinned", "conv1", "1", "m"]) == 1
    for path in ("array.lanes", "energy.actions.none", "clock.x"):
        with pytest.raises(KeyError):
            value_at(eyeriss.base, path.split("."))
