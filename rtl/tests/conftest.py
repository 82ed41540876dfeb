"""Marks every test here as ``rtl`` and says what is missing; ``ZAPSIM_RTL=all`` runs what CI leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtl.bench.simulator import ROOT, MissingToolError, check_tools

RESULTS = ROOT / "build" / "rtl" / "results"
"""Where tests leave the rows of the tables in docs/models/rtl.md."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.rtl)


def pytest_sessionstart() -> None:
    """Stop at once if a tool is missing."""
    try:
        check_tools()
    except MissingToolError as fault:
        pytest.exit(str(fault), returncode=2)


@pytest.fixture(scope="session")
def everything() -> bool:
    """Return whether to run all cases, not only CI's."""
    return os.environ.get("ZAPSIM_RTL") == "all"


@pytest.fixture(scope="session")
def table():
    """Return a function that keeps the rows of one table, as CSV."""

    def keep(name: str, rows: list[dict[str, object]]) -> None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        heading = list(rows[0])
        lines = [",".join(heading), *(",".join(str(row[key]) for key in heading) for row in rows)]
        (RESULTS / f"{name}.csv").write_text("\n".join(lines) + "\n")

    return keep
