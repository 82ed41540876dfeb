"""docs/adding-a-method.md, followed to its last line in a copy of the project: files, changes and commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.test_docs_adding_a_dataflow import changed
from zapsim.frontend.methods.registry import METHODS

pytestmark = [pytest.mark.frontend, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
FILES = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
CHANGES = re.findall(r"```diff\n--- (\S+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]

NET = """
import torch
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU())
    return Network(model, "tiny", "random", Preprocessing(12, 14, (128, 128, 128), (64, 64, 64)))
"""

DRIVER = """
import shlex, sys
import pytest
from zapsim.cli import main
for line in sys.stdin.read().splitlines():
    program, *arguments = shlex.split(line)
    print(f"=== {line}", flush=True)
    code = main(arguments) if program == "zapsim" else pytest.main(["-q", "-p", "no:cacheprovider", *arguments])
    if code:
        sys.exit(f"{line}: exit code {code}")
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Follow the page in a copy of the project, and return what each command prints (one process, torch loads once)."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("zapsim", "arch_configs", "tests", "rtl"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copy(ROOT / "setup.cfg", copy)
    (copy / "traces").symlink_to(ROOT / "traces")
    for name, content in FILES:
        (copy / name).write_text(content, encoding="utf-8")
    for name, diff in CHANGES:
        path = copy / name
        text = path.read_text(encoding="utf-8")
        for part in diff.split("\n\n"):
            text = changed(text, part)
        path.write_text(text, encoding="utf-8")
    (copy / "mynets.py").write_text(NET)
    random = np.random.default_rng(5)
    for folder in ("train", "tune", "test"):
        (copy / "photos" / folder).mkdir(parents=True)
        for number in range(12 if folder == "tune" else 2):
            coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((70, 50), Image.Resampling.BICUBIC).save(copy / "photos" / folder / f"{folder}{number}.png")
    environment = {**os.environ, "PYTHONPATH": str(copy), "NUMBA_DISABLE_JIT": "1", "COLUMNS": "200"}
    finished = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=copy, env=environment, input="\n".join(COMMANDS), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    parts = re.split(r"^=== (.*)\n", finished.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def output(printed: dict[str, str], start: str) -> str:
    """Return what the command that starts so printed."""
    (text,) = (text for line, text in printed.items() if line.startswith(start))
    return text


def test_one_file_and_one_line():
    assert [name for name, _ in FILES] == ["zapsim/frontend/methods/box.py"]
    assert [name for name, _ in CHANGES] == ["zapsim/frontend/methods/registry.py"]


def test_every_command_runs(printed: dict[str, str]):
    assert list(printed) == COMMANDS
    assert "2/box" in output(printed, "zapsim train")
    assert "skipped t0.3" in output(printed, "zapsim trace ")
    assert "box 1/2, t = 0.3" in output(printed, "zapsim trace-info")
    work = "0 MACs per output of the pattern, 1 per other output, 0 additions per output of the pattern, 24 per other"
    assert work in output(printed, "zapsim trace-info")
    assert "methods box (1)" in output(printed, "zapsim run")
    assert " passed" in output(printed, "pytest")


def test_the_page_lists_every_method():
    """Its table, and the help texts of commands, which must not load torch to know them."""
    from zapsim.cli._frontend_arguments import METHOD_NAMES

    assert set(METHOD_NAMES) == set(METHODS)
    assert set(re.findall(r"^\| `(\S+)` \|", PAGE, flags=re.MULTILINE)) == set(METHODS)
