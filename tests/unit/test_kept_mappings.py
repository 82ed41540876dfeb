"""Mappings that are kept from run to run: looked up only where a search would find the same."""

import json
from dataclasses import replace

import pytest

from zapsim.arch.load import load_arch
from zapsim.arrays.row_stationary import kept_mappings
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search
from zapsim.kernels import _cache
from zapsim.workload import ConvShape

SHAPE = ConvShape("", N=1, C=4, H=6, W=6, K=8, R=3, S=3)
ARRAY = Resources.of(load_arch("eyeriss"))
LATENCY = Objective()


class Process:
    """A process that keeps mappings: what it finds, and the searches that it takes for it."""

    def __init__(self, monkeypatch, folder):
        self.folder, self.searches = folder, 0

        def counted(*inputs, **settings):
            self.searches += 1
            return search(*inputs, **settings)

        monkeypatch.setattr(kept_mappings, "search", counted)
        monkeypatch.setattr(kept_mappings, "cache_directory", lambda: folder)
        monkeypatch.setattr(kept_mappings.atexit, "register", lambda write: write)
        monkeypatch.setattr(_cache, "_are_mappings_kept", True)
        monkeypatch.setattr(_cache, "_said", set())

    def start(self):
        """Start again, with what is in the file."""
        kept_mappings._kept.cache_clear()
        self.searches = 0

    def end(self):
        """Write, as the end of a process does."""
        kept_mappings._kept().write()

    def find(self, shape=SHAPE, array=ARRAY, objective=LATENCY, exhaustive=False):
        return kept_mappings.kept_search(shape, array, objective, exhaustive=exhaustive)


@pytest.fixture
def process(monkeypatch, tmp_path):
    process = Process(monkeypatch, tmp_path / "cache")
    process.start()
    yield process
    kept_mappings._kept.cache_clear()


def test_a_mapping_is_searched_for_once_for_all_that_it_depends_on(process):
    cases = [
        {}, {"shape": replace(SHAPE, K=12)}, {"array": replace(ARRAY, glb_words=500)},
        {"objective": replace(LATENCY, name="energy", prices=(("glb_reads", 2.0),))}, {"exhaustive": True},
    ]  # fmt: skip
    first = [process.find(**case) for case in cases]
    assert process.searches == len(cases)
    assert not process.folder.exists()
    process.end()
    process.start()
    assert [process.find(**case) for case in cases] == first
    assert process.searches == 0
    process.end()  # has nothing to add


def test_nothing_is_looked_up_unless_the_process_keeps_mappings(process, monkeypatch):
    process.find()
    process.end()
    monkeypatch.setattr(_cache, "_are_mappings_kept", False)
    assert process.find() == search(SHAPE, ARRAY, LATENCY)
    assert process.searches == 2


def test_a_file_of_another_search_does_not_count(process, monkeypatch):
    process.find()
    process.end()
    monkeypatch.setattr(kept_mappings.np, "__version__", "1.99")
    process.start()
    process.find()
    assert process.searches == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", True),
        (b"cut sh", True),
        (_cache.sealed(b"no JSON"), False),
        (_cache.sealed(b"[1, 2]"), False),
        (_cache.sealed(b'{"of": "STATE"}'), False),
        (_cache.sealed(b'{"of": "STATE", "mappings": {"KEY": [1, 2, 3]}}'), False),
        (_cache.sealed(b'{"of": "STATE", "mappings": {"KEY": [1, 1, 1, 1, 1, 1, 0]}}'), False),
    ],
)
def test_a_file_that_is_of_no_use_is_replaced(process, capsys, content, said):
    expected = process.find()
    process.end()
    (path,) = process.folder.iterdir()
    record = json.loads(path.read_bytes()[:-32])
    (key,) = record["mappings"]
    if len(content) > 32:
        text = content[:-32].replace(b"STATE", record["of"].encode()).replace(b"KEY", key.encode())
        content = _cache.sealed(text)
    path.write_bytes(content)
    process.start()
    assert process.find() == expected
    assert process.searches == 1
    message = f"zapsim: {path}: kept mapping is damaged; it is searched for again\n"
    assert capsys.readouterr().err == (message if said else "")
    process.end()
    process.start()
    assert process.find() == expected
    assert process.searches == 0


def test_the_oldest_mappings_make_place_and_others_may_write_meanwhile(process, monkeypatch):
    monkeypatch.setattr(kept_mappings, "_MOST_KEPT", 2)
    shapes = [replace(SHAPE, K=K) for K in (8, 12, 16)]
    process.find(shapes[0])
    process.end()
    mine = kept_mappings._kept()
    process.find(shapes[1])
    process.start()  # another process, which ends before this one
    process.find(shapes[2])
    process.end()
    mine.write()
    process.start()
    for shape in shapes:
        process.find(shape)
    assert process.searches == 1  # for the oldest


def test_a_cache_that_cannot_be_written_is_no_fault(process, capsys):
    process.folder.parent.joinpath("cache").write_text("")
    process.find()
    process.end()
    assert process.folder.read_text() == ""
    assert "Traceback" not in capsys.readouterr().err
