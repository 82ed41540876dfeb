"""Compiled kernels: damaged files of their machine code, and no place to keep it."""

import math
from pathlib import Path

import numpy as np
import pytest
from numba.core import caching, config

from zapsim.kernels import _cache
from zapsim.kernels._cache import on_compile
from zapsim.kernels._compiler import compile_kernel
from zapsim.kernels._jit import kernel
from zapsim.kernels._machine_code import DirectKernel


def double(number):
    return 2 * number


def corner(values):
    return values[1, 1]


def shared_out(values, parts, by):
    """Return arrays, a tuple and a float; raise; take a tuple."""
    out = np.zeros((len(parts), values.shape[1]), dtype=np.int64)
    for row in range(len(parts)):
        for column in range(values.shape[1]):
            out[row, column] = values[row, column] * parts[row] // by
    return out, out[0], math.exp(0.0)


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_kernels_compile_where_nothing_can_be_written(monkeypatch):
    """As for a user without a home, on an installation of somebody else's."""
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    found = config.CACHE_DIR
    assert kernel(double)(21) == 42
    assert found == config.CACHE_DIR


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_compiling_is_announced_and_loading_is_not(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    said = []
    with on_compile(lambda: said.append("compiling")):
        assert kernel(double)(21) == 42
        assert said
        count = len(said)
        assert kernel(double)(21) == 42  # another dispatcher, which finds the machine code in the cache
    assert len(said) == count


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_damaged_machine_code_is_named_and_compiled_again(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert kernel(double)(21) == 42
    for suffix in ("nbi", "nbc"):
        for damage in ("emptied", "cut short", "overwritten", "of another process"):
            (path,) = tmp_path.rglob(f"*.{suffix}")
            content = path.read_bytes()
            path.write_bytes(
                {
                    "emptied": b"",
                    "cut short": content[:-7],
                    "overwritten": content[:60] + bytes(200) + content[260:],
                    "of another process": b"\x80\x04N." + content,
                }[damage]
            )
            monkeypatch.setattr(_cache, "_said", set())
            compiled = kernel(double)
            assert compiled(21) == 42, damage
            assert sum(compiled.stats.cache_misses.values()) == 1, damage
            err = capsys.readouterr().err
            assert err == f"zapsim: {path}: compiled kernel is damaged; it is compiled again\n", damage
            again = kernel(double)
            assert again(21) == 42
            assert sum(again.stats.cache_hits.values()) == 1, damage
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_machine_code_is_never_written_beside_the_source(monkeypatch, tmp_path, capsys):
    """A file stands where the cache should be, so that nothing can be kept, even by an administrator."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(_cache, "_said", set())
    beside = set(Path(__file__).parent.rglob("*.nb?"))
    assert kernel(double)(21) == 42
    assert set(Path(__file__).parent.rglob("*.nb?")) == beside
    assert (tmp_path / "file").read_text() == ""
    assert "Traceback" not in capsys.readouterr().err


class Kept:
    """Kernels as a process has them that starts without Numba: each is new, and counts how often Numba is asked."""

    def __init__(self, folder):
        self.folder, self.asked = folder, 0

    def __call__(self, function):
        def compiled():
            self.asked += 1
            return compile_kernel(function)

        return DirectKernel(function, compiled, self.folder)


@pytest.fixture
def kept(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setattr(_cache, "_said", set())
    return Kept(tmp_path / "direct")


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_kept_machine_code_does_what_numba_s_does(kept):
    values = np.arange(6, dtype=np.int64).reshape(2, 3)
    expected, row, one = kept(shared_out)(values, (3, 4), 2)
    assert kept.asked == 1
    direct = kept(shared_out)
    for _ in range(3):  # results outlive the next call
        out, first, number = direct(values, (3, 4), 2)
        assert out.tolist() == expected.tolist() == [[0, 1, 3], [6, 8, 10]]
        assert first.tolist() == row.tolist() == [0, 1, 3]
        assert number == one == 1.0
        first[0] = 9
        assert out[0, 0] == 9
    with pytest.raises(ZeroDivisionError):
        direct(values, (3, 4), 0)
    assert kept.asked == 1


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_kept_machine_code_is_for_one_kind_of_arguments(kept):
    """A wrong guess would read memory as what it is not."""
    values = np.arange(12, dtype=np.int64).reshape(3, 4)[:2]
    constant = values.copy()
    constant.flags.writeable = False
    arrays = (values, np.asfortranarray(values), values[:, ::2], np.int32(values), constant)
    for asked, argument in enumerate(arrays, 1):
        for direct in (kept(corner), kept(corner)):
            assert direct(argument) == argument[1, 1]
        assert kept.asked == asked
    for number in (21, 21.5, True, np.int32(21)):
        assert kept(double)(number) == kept(double)(number) == 2 * number
    files = len(list(kept.folder.iterdir()))
    assert files == kept.asked == 5 + 4
    assert kept(double)(2**63) == compile_kernel(double)(2**63)  # no int64: Numba takes it for a uint64
    assert len(list(kept.folder.iterdir())) == files


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_kept_machine_code_that_is_of_no_use_is_made_again(monkeypatch, kept, capsys):
    assert kept(double)(21) == 42
    (path,) = kept.folder.iterdir()
    content = path.read_bytes()
    for damage in (b"", content[:-7], content[:60] + bytes(200) + content[260:]):
        path.write_bytes(damage)
        monkeypatch.setattr(_cache, "_said", set())
        assert kept(double)(21) == 42
        assert capsys.readouterr().err == f"zapsim: {path}: compiled kernel is damaged; it is compiled again\n"
    assert path.read_bytes() == content
    path.write_bytes(_cache.sealed(b"whole, but no code"))
    assert kept(double)(21) == 42
    assert capsys.readouterr().err.startswith(f"zapsim: {path}: compiled kernel cannot be used (")
    assert path.read_bytes() == content
    asked = kept.asked
    path.chmod(0o444)
    kept.folder.chmod(0o555)  # somebody else's installation
    assert kept(double)(21) == 42
    assert kept.asked == asked
    kept.folder.chmod(0o755)
    other = double.__code__.replace(co_filename=str(Path(__file__).with_name("test_doctor.py")))
    monkeypatch.setattr(double, "__code__", other)
    assert kept(double)(21) == 42  # the source is another one
    assert kept.asked == asked + 1


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_nothing_is_kept_where_nothing_can_be_written(kept, tmp_path):
    (tmp_path / "direct").write_text("")
    for _ in range(2):
        assert kept(double)(21) == 42
    assert kept.asked == 2
