"""Compiled kernels: damaged files of their machine code, and no place to keep it."""

from pathlib import Path

import pytest
from numba.core import caching, config

from zapsim.kernels import _jit
from zapsim.kernels._jit import kernel, on_compile


def double(number):
    return 2 * number


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
            monkeypatch.setattr(_jit, "_said", set())
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
    monkeypatch.setattr(_jit, "_said", set())
    beside = set(Path(__file__).parent.rglob("*.nb?"))
    assert kernel(double)(21) == 42
    assert set(Path(__file__).parent.rglob("*.nb?")) == beside
    assert (tmp_path / "file").read_text() == ""
    assert "Traceback" not in capsys.readouterr().err
