"""What the tests of every design do: choose builds, lint, see that parameters are refused, run stages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest

from rtl.bench.simulator import Testbench, job_folder, lint
from rtl.tests.stage import Stage


def chosen(request: pytest.FixtureRequest, everything: bool, in_ci: Collection[str]) -> str:
    """Return the name of the build that a fixture is for; skip it if CI leaves it out."""
    name: str = request.param
    if name not in in_ci and not everything:
        pytest.skip("runs with ZAPSIM_RTL=all")
    return name


def assert_clean(design: str, parameters: Mapping[str, int] | None = None) -> None:
    """Check that lint says nothing of a design."""
    found = lint(design, parameters)
    assert found.returncode == 0, found.stderr
    assert "Warning" not in found.stderr


def assert_refused(design: str, parameters: Mapping[str, int], fault: str) -> None:
    """Check that elaboration ends with a message about parameters that a design does not support."""
    found = lint(design, parameters)
    assert found.returncode != 0
    assert fault in found.stderr


def run_stages(
    bench: Testbench, work: Path, stages: list[Stage], write: Callable[[Stage, Path], dict[str, int]]
) -> Iterator[tuple[Stage, dict[str, int], int]]:
    """Run stages and check their values; yield each with its numbers and how many outputs were computed."""
    settings = [write(stage, job_folder(work, index)) for index, stage in enumerate(stages)]
    for index, (stage, result) in enumerate(zip(stages, bench.run(work, settings), strict=True)):
        yield stage, result, stage.check(job_folder(work, index))
