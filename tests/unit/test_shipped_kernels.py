"""Machine code that comes with zapsim: as new as the source, only where it runs, and with the results of Numba's."""

import contextlib
import io
import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from numba.core import config

from tests.explore_support import VOLATILE
from tests.machine_code import archive_of, source_of
from zapsim.cli import main
from zapsim.exploration.api import explore
from zapsim.exploration.store import DESIGNS, read_table
from zapsim.kernels import _ahead
from zapsim.kernels._machine_code import Code

RUNS = [
    ["run", "--arch", arch, "--trace", "digits_cnn", "--format", "csv"]
    for arch in ("eyeriss", "systolic_16x16", "lanes_zap")
]

SHIPPED = """
import sys
from zapsim.cli import main
from zapsim.kernels._jit import start_without_numba
start_without_numba()
statuses = [main(run.split()) for run in sys.argv[1:]]
print(statuses, "numba" in sys.modules)
"""

SPACE = """
arch: [eyeriss, lanes_256]
trace: digits_cnn
images: [0]
parameters:
  predictor.lanes: [1, 9]
  buffers.glb.size: [64 KiB, 108 KiB]
objectives: [latency, energy_saving]
"""

WHERE = (sys.platform, _ahead.platform.machine())


@pytest.fixture
def processor():
    return dict.fromkeys(_ahead.FEATURES, True)


@pytest.fixture(autouse=True)
def without_what_was_read():
    _ahead._archive.cache_clear()
    _ahead._digest.cache_clear()
    yield
    _ahead._archive.cache_clear()
    _ahead._digest.cache_clear()


def entries():
    """Yield name of the member, kernel and kinds of arguments of all that is shipped."""
    with ZipFile(_ahead.ARCHIVE) as archive:
        for name in archive.namelist():
            yield name, *literal_eval(Code.from_bytes(archive.read(name)).key)


def test_the_machine_code_is_of_the_present_source():
    stale = [kernel for name, kernel, kinds in entries() if name != _ahead.member(kernel, kinds, source_of(kernel))]
    assert not stale, f"run `make kernels`: the machine code in the archive is out of date for {', '.join(stale)}"


@pytest.mark.skipif(bool(config.DISABLE_JIT) or WHERE != ("linux", "x86_64"), reason="nothing is shipped for it")
def test_a_first_run_does_without_numba_and_finds_the_same(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", SHIPPED, *map(" ".join, RUNS)], capture_output=True, text=True, check=True,
        env=environment | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        statuses = [main(run) for run in RUNS]
    assert done.stdout == f"{printed.getvalue()}{statuses} False\n"
    assert statuses == [0] * len(RUNS)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(bool(config.DISABLE_JIT) or WHERE != ("linux", "x86_64"), reason="nothing is shipped for it")
def test_a_first_exploration_compiles_nothing_and_finds_the_same(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    space, out, kept = tmp_path / "space.yaml", tmp_path / "designs", tmp_path / "kept"
    space.write_text(SPACE, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "zapsim", "explore", space, "--out", out, "--workers", "2", "--quiet"],
        check=True, env=environment | {"NUMBA_CACHE_DIR": str(kept)},
    )  # fmt: skip
    wanted = explore(space, workers=1)
    found = read_table(out, DESIGNS).to_pandas().drop(columns=VOLATILE)
    pd.testing.assert_frame_equal(found, wanted[found.columns])
    assert len(found) == 16
    assert not kept.exists()


@pytest.mark.skipif(WHERE != ("linux", "x86_64"), reason="nothing is shipped for it")
def test_machine_code_is_given_out_for_what_it_was_made_for(processor, tmp_path, monkeypatch):
    (name, kernel, kinds), *_ = entries()
    source = source_of(kernel)
    with ZipFile(_ahead.ARCHIVE) as archive:
        assert _ahead.shipped_code(kernel, kinds, source, processor) == archive.read(name)
    assert _ahead.shipped_code(kernel, (*kinds, "int"), source, processor) is None
    assert _ahead.shipped_code(f"{kernel}s", kinds, source, processor) is None
    assert _ahead.shipped_code(kernel, kinds, source, processor | {"avx2": False}) is None
    assert _ahead.shipped_code(kernel, kinds, source, {}) is None
    changed = tmp_path / source.name
    changed.write_text(source.read_text() + "\n")
    assert _ahead.shipped_code(kernel, kinds, changed, processor) is None
    for where in ("sys.platform", "sys.abiflags", "platform.machine"):
        _ahead._archive.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"zapsim.kernels._ahead.{where}", (lambda: "arm64") if "machine" in where else "t")
            assert _ahead.shipped_code(kernel, kinds, source, processor) is None
    monkeypatch.setattr(_ahead, "PYTHONS", ())
    _ahead._archive.cache_clear()
    assert _ahead.shipped_code(kernel, kinds, source, processor) is None


@pytest.mark.parametrize("content", [None, b"", b"PK and nothing more"])
def test_without_a_whole_archive_numba_compiles(processor, tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "machine_code.zip").write_bytes(content)
    monkeypatch.setattr(_ahead, "ARCHIVE", tmp_path / "machine_code.zip")
    assert _ahead.shipped_code("kernel", (), Path(__file__), processor) is None


def test_an_archive_is_the_same_for_the_same_members():
    members = {"b": b"code", "a": b"more code"}
    assert archive_of(members) == archive_of(dict(sorted(members.items())))
