"""docs/adding-a-dataflow.md, followed to its last line in a copy of the project: files, changes and commands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.optional import require

pytestmark = [pytest.mark.kernels, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-dataflow.md").read_text(encoding="utf-8")
FILES = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
CHANGES = re.findall(r"```diff\n--- (\S+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]

PROGRAMS = {
    "zapsim": [sys.executable, "-c", "import sys; from zapsim.cli import main; sys.exit(main())"],
    "pytest": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
    "lint-imports": ["lint-imports", "--no-cache", "--contract", "rooms", "--contract", "kernels"],
}
"""How the commands of the page are run here."""


def changed(text: str, diff: str) -> str:
    """Apply the lines of a diff, which must fit exactly one place."""
    before, after = (
        "".join(f"{line[1:]}\n" for line in diff.splitlines() if line[:1] in signs or not line)
        for signs in ({" ", "-"}, {" ", "+"})
    )
    assert text.count(before) == 1, before
    return text.replace(before, after)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which the page was followed."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("zapsim", "arch_configs", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copy(ROOT / "setup.cfg", copy)
    (copy / "traces").symlink_to(ROOT / "traces")
    for name, content in FILES:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(content, encoding="utf-8")
    for name, diff in CHANGES:
        path = copy / name
        path.write_text(changed(path.read_text(encoding="utf-8"), diff), encoding="utf-8")
    return copy


def run(project: Path, command: str) -> str:
    """Run a command of the page and return what it prints."""
    program, *arguments = shlex.split(command)
    environment = {
        **os.environ,
        "PYTHONPATH": str(project),
        "NUMBA_DISABLE_JIT": "1",  # compiling takes longer than these small cases
        "COLUMNS": "200",
    }
    finished = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def command(start: str) -> str:
    """Return the command of the page that starts so."""
    (line,) = (line for line in COMMANDS if line.startswith(start))
    return line


def test_every_command_of_the_page_is_run_here() -> None:
    starts = ("zapsim run ", "zapsim area ", "zapsim explore ", "pytest ", "lint-imports")
    assert sorted(map(command, starts)) == sorted(COMMANDS)


def test_one_folder_one_section_and_one_line() -> None:
    """Nothing in the package changes but the section's file and the list of engines."""
    assert {str(Path(name).parent) for name, _ in FILES if name.startswith("zapsim/")} == {"zapsim/arrays/vector"}
    touched = [name for name, _ in CHANGES if name.startswith("zapsim/")]
    assert touched == ["zapsim/arch/arrays.py", "zapsim/arrays/engines.py"]


def test_its_trace_runs(project: Path) -> None:
    printed = run(project, command("zapsim run "))
    assert "8 lanes vector" in printed


def test_its_area_is_known(project: Path) -> None:
    printed = run(project, command("zapsim area "))
    assert "vector_8" in printed


def test_its_designs_are_explored(project: Path) -> None:
    pandas = require("pandas", "pip install -c constraints.txt -e '.[explore]'")
    run(project, command("zapsim explore "))
    rows = pandas.concat(pandas.read_parquet(path) for path in (project / "vector_results").rglob("*.parquet"))
    assert set(rows["status"]) == {"ok"}


def test_it_conserves_and_equals_its_walk(project: Path) -> None:
    """All tests of conservation (all-ones is dense among them), and the page's own."""
    printed = run(project, command("pytest "))
    assert " passed" in printed
    assert "failed" not in printed


def test_its_imports_keep_the_rules(project: Path) -> None:
    require("importlinter", "pip install import-linter")
    assert "0 broken" in run(project, command("lint-imports"))
