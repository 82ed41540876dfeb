"""Settings of all tests: hypothesis profiles, seeds, and no skips under CI."""

import builtins
import os
import random
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.optional import under_ci

SEED = 20261123

# The first example of a test may compile a kernel, so that no deadline makes sense.
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("local", settings.get_profile("ci"), max_examples=50)
settings.register_profile("interpreted", settings.get_profile("ci"), max_examples=15)
settings.register_profile("checked", settings.get_profile("ci"), max_examples=25)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--overwrite``: golden files take what the tests find, to be looked at with ``git diff``."""
    parser.addoption("--overwrite", action="store_true", help="rewrite the files in tests/golden/")


def pytest_configure() -> None:
    """Choose the hypothesis profile: kernels that run interpreted or check their indices can afford few examples."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        settings.load_profile("interpreted")
    elif os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        settings.load_profile("checked")
    else:
        settings.load_profile("ci" if under_ci() else "local")


_sum = builtins.sum


def _sum_of_no_floats(iterable: Iterable[Any], /, start: Any = 0) -> Any:  # torch compares the names of parameters
    total = _sum(iterable, start)
    if type(total) is float and sys._getframe(1).f_globals.get("__name__", "").startswith("zapsim."):
        raise AssertionError("a sum of floats whose last digits depend on Python's version: use math.fsum")
    return total


builtins.sum = _sum_of_no_floats
"""No code of zapsim sums floats with the built-in function, which compensates for rounding from Python 3.12 on."""


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not under_ci() or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped, and under CI nothing may be skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure under CI."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failure under CI."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 (for libraries that still draw from the global state)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that draws the same numbers in every run."""
    return np.random.default_rng(SEED)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a check that a text equals a file of tests/golden/ (or, with ``--overwrite``, becomes it)."""

    def check(name: str, found: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("overwrite"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8", newline="\n")
        assert found == path.read_text(encoding="utf-8"), f"{path} differs; if it should: pytest --overwrite"

    return check
