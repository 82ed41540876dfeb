"""Compiled kernels without a place to keep them."""

import pytest
from numba.core import caching, config

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
