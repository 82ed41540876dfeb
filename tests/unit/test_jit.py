"""Compiled kernels without a place to keep them."""

import pytest
from numba.core import caching, config

from zapsim.kernels._jit import kernel


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
