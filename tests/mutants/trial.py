"""Tests on the code with one change, in a fork of a process that has loaded all libraries."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

ROOT = Path(__file__).parents[2]
MEMORY = 8 * 1024**3
MOST_SECONDS = 40
"""CPU seconds of one test; those that are chosen take a few."""

EXAMPLES = int(os.environ.get("MUTANTS_EXAMPLES", "15"))
"""Examples of each property test: most mutants fail at one of the first."""

SURVIVED, KILLED, STUCK, BROKEN = "survived", "killed", "stuck", "broken"
"""What becomes of a mutant: no test failed; one did; one took far longer than it should; the tests cannot be loaded."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a mutant, the test that failed, and the CPU seconds that it took."""

    outcome: str
    test: str
    seconds: float


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from a tree instead of its file."""

    tree: ast.Module

    def get_code(self, fullname: str) -> object:
        return compile(self.tree, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, changed."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self._name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        self._path, self._tree = path, tree

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> object:
        if fullname != self._name:
            return None
        loader = _Changed(fullname, str(self._path))
        loader.tree = self._tree
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class UntilOneFails:
    """Plugin of pytest: ends the process at the first test that fails, and takes no longer than it may.

    Parameters
    ----------
    seconds
        CPU seconds after which no further test starts.
    failed
        Is called with the name of a test that fails.
    """

    def __init__(self, seconds: float, failed: Callable[[str], None]) -> None:
        self._until, self._failed = time.process_time() + seconds, failed

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Look for failures, and do not make them smaller."""
        few_examples()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """End the process, by the signal's own action, if a test takes too long: compiled code lets no handler run."""
        if time.process_time() > self._until:
            os._exit(0)
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End at the first failure."""
        if report.failed:
            self._failed(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """End if a file cannot be loaded."""
        if report.failed:
            self._failed(f"loading {report.nodeid}")


def few_examples() -> None:
    """Let property tests try :data:`EXAMPLES` at most, and not look for smaller ones that fail."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    examples = min(hypothesis.settings().max_examples, EXAMPLES)
    hypothesis.settings.register_profile("mutants", hypothesis.settings(), phases=phases, max_examples=examples)
    hypothesis.settings.load_profile("mutants")


def trial(path: Path, tree: ast.Module | None, tests: list[str], seconds: float, *, interpreted: bool) -> Trial:
    """Run files of tests, or single ones, in a fork with `path` changed to `tree`.

    Parameters
    ----------
    path, tree
        A file of zapsim, and what it is changed to (None: nothing).
    tests
        In this order, until one fails.
    seconds
        CPU seconds after which no further test starts.
    interpreted
        Whether kernels are interpreted.
    """
    read, write = os.pipe()
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _become(path, tree, tests, seconds, interpreted, write)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        return Trial(STUCK, text, taken)
    if code < 0:
        return Trial(KILLED, f"signal {-code}", taken)
    outcome = {0: SURVIVED, 1: KILLED}.get(code, BROKEN)
    return Trial(outcome, text if outcome != BROKEN else f"exit code {code}", taken)


def _become(
    path: Path, tree: ast.Module | None, tests: list[str], seconds: float, interpreted: bool, write: int
) -> None:
    """Be the process of a trial, to its end."""
    code = 99
    try:
        null = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for number in (0, 1, 2):
            os.dup2(null, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(900)  # for what waits without working
        if interpreted:
            interpret()
        if tree is not None:
            sys.meta_path.insert(0, _Finder(path, tree))

        def failed(name: str) -> None:
            os.write(write, name.encode())
            os._exit(1)

        code = int(pytest.main([*OPTIONS, *tests], plugins=[UntilOneFails(seconds, failed)]))
    finally:
        os._exit(code)


OPTIONS = [
    "-q",
    "-m",
    "not slow",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "--rootdir",
    str(ROOT),
]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # the plugins' modules are loaded already


def interpret() -> None:
    """Have Numba compile nothing that is loaded from now on."""
    from numba.core import config

    os.environ["NUMBA_DISABLE_JIT"] = "1"
    config.DISABLE_JIT = 1


def preload() -> None:
    """Load what zapsim and its tests load of libraries, and nothing of zapsim or the tests."""
    import numba.core.registry  # noqa: F401

    for name in ("zapsim.simulation", "zapsim.energy.accelergy", "zapsim.exploration.cached_engine", "tests.builders"):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.split(".")[0] in ("zapsim", "tests")]:
        if not name.startswith("tests.mutants") and name != "tests":
            del sys.modules[name]
