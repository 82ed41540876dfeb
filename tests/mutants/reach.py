"""Which tests reach a line of the models, and how long each takes: recorded once, for a set of tests."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutants.chosen import FOLDERS
from tests.mutants.trial import OPTIONS, ROOT, few_examples, interpret

_MARKS = {
    True: "kernels and not slow",
    False: "not slow and not frontend and not examples and not rtl",
}
_ELSEWHERE = (
    "frontend", "docs", "experiments", "figures", "page", "golden_cli", "fuzz", "streams", "demo", "jit", "packaging",
    "cli", "doctor", "inspect", "explore_run", "explore_cli", "explore_lock", "explore_docs", "mutants", "schemas",
    "shipped", "same_bytes", "workloads_onnx", "public_names", "reading", "escapes", "arch_faults", "files",
)  # fmt: skip
"""Files of tests/unit that are about something else, by the start of what follows ``test_``."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Tests by line ("file:line") that they reach, and the CPU seconds of each test.

    A line that is reached while a module's fixtures are set up belongs to all tests of the module.
    """

    tests: dict[str, list[str]]
    seconds: dict[str, float]

    def of(self, line: str, most: float) -> list[str]:
        """List the tests of a line, the fastest first, as many as take `most` seconds together."""
        listed: list[str] = []
        total = 0.0
        for test in sorted(self.tests.get(line, ()), key=lambda name: self.seconds.get(name, 0.0)):
            total += self.seconds.get(test, 0.0)
            if total > most:
                break
            listed.append(test)
        return listed

    def save(self, path: Path) -> None:
        """Write a file of it."""
        path.write_text(json.dumps({"tests": self.tests, "seconds": self.seconds}))


def load(path: Path) -> Reach:
    """Read what :meth:`Reach.save` wrote."""
    return Reach(**json.loads(path.read_text()))


class _Clock:
    """Plugin of pytest: the CPU seconds of each test."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Try as few examples as a trial does."""
        few_examples()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[item.nodeid] = round(time.process_time() - start, 3)


def candidates() -> list[str]:
    """List the files of tests that may say something about the models."""
    paths = [*(ROOT / "tests/unit").glob("test_*.py"), *(ROOT / "tests/published").glob("test_*.py")]
    paths += [*(ROOT / "tests/properties").glob("test_*.py"), *(ROOT / "tests/metamorphic").glob("test_*.py")]
    names = {str(path.relative_to(ROOT)): path.stem.removeprefix("test_") for path in sorted(paths)}
    return [file for file, name in names.items() if not name.startswith(_ELSEWHERE)]


def record(path: Path, *, interpreted: bool) -> None:
    """Run all candidates once, in a fork, and write which lines each reaches."""
    data = path.with_suffix(".coverage")
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    code = 1
    try:
        if interpreted:
            interpret()
        os.environ["COVERAGE_FILE"] = str(data)
        clock = _Clock()
        sources = [f"--cov={ROOT}/zapsim/{folder}" for folder in FOLDERS]
        pytest.main(
            [*OPTIONS, "-m", _MARKS[interpreted], *sources, "--cov-context=test", "--cov-report=", *candidates()],
            plugins=[clock],
        )
        _lines(data, clock.seconds).save(path)
        code = 0
    finally:
        os._exit(code)


def _lines(data: Path, seconds: dict[str, float]) -> Reach:
    recorded = CoverageData(str(data))
    recorded.read()
    modules = defaultdict(list)
    for test in seconds:
        modules[test.partition("::")[0]].append(test)
    lines: dict[str, list[str]] = {}
    for file in recorded.measured_files():
        name = str(Path(file).relative_to(ROOT))
        for number, contexts in recorded.contexts_by_lineno(file).items():
            tests: set[str] = set()
            for context in contexts:
                test, _, phase = context.rpartition("|")
                tests.update([test] if phase == "run" else modules[test.partition("::")[0]])
            lines[f"{name}:{number}"] = sorted(tests & seconds.keys())
    return Reach(lines, seconds)
